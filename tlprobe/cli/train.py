"""Verbs that train: fit, fuse, freeze, cutoff, demo."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from tlprobe.cli.app import app
from tlprobe.cli.complete import offer
from tlprobe.cli.options import Data, Debug, Device, Out, Overwrite, Quiet, begin, fit_options, to_fit_options
from tlprobe.cli.output import claimed, percent
from tlprobe.errors import ParameterError
from tlprobe.records import Record

RunCkpt = Annotated[
    Path | None,
    typer.Option(
        "--ckpt",
        help="A fully fine-tuned run: gives recipe, data, fold, seed and its starting weights, and is the full level.",
    ),
]
_BLOCKS = offer("block")
Upto = Annotated[
    str | None, typer.Option(help="Last block, or none. [default: the whole sweep]", autocompletion=_BLOCKS)
]
From = Annotated[
    str | None,
    typer.Option("--from", help="First block: that and the later ones.", show_default=False, autocompletion=_BLOCKS),
]
Only = Annotated[str | None, typer.Option(help="This block alone.", show_default=False, autocompletion=_BLOCKS)]
Except = Annotated[
    str | None,
    typer.Option("--except", help="All blocks but this.", show_default=False, autocompletion=_BLOCKS),
]
Shape = Annotated[
    str, typer.Option(help="Of a whole sweep: prefix (--upto), suffix (--from), single (--only) or except (--except).")
]
By = Annotated[
    str,
    typer.Option("--partition", help="blocks, or parts equal by params, macs or layers: part1, part2, ..."),
]
Parts = Annotated[int | None, typer.Option(min=2, help="Number of such parts. [default: 4]")]
Trials = Annotated[Path, typer.Option(help="Where trainings live; finished ones are found there, never redone.")]


@app.command()
@fit_options
def fit(
    *,
    data: Data = None,
    out: Annotated[Path, typer.Option(help="The run directory.")] = Path("runs/fit"),
    device: Device = "auto",
    precision: Annotated[
        str, typer.Option(help="Of training: auto (float32 on a CPU, bfloat16 on a GPU), float32, bfloat16 or float16.")
    ] = "auto",
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the network first: minutes, for long trainings.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the unfinished run in --out.")] = False,
    overwrite: Overwrite = False,
    keep_epochs: Annotated[
        str | None, typer.Option(help="Epochs whose state is kept, e.g. 1,2,5,10, or all. [default: none]")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write losses and accuracies for TensorBoard too, under --out.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
    given: dict[str, Any],
) -> None:
    """Fine-tune on all folds but one, and score on that one."""
    from tlprobe.plots.figure import save_with_record
    from tlprobe.train.fit import fit as call
    from tlprobe.train.kept import parse_keep_epochs
    from tlprobe.train.progress import duration

    progress = begin(quiet=quiet)
    run = call(
        to_fit_options({"data": data, **given}),
        out=out,
        device=device,
        precision=precision,  # type: ignore[arg-type]  # checked by the library
        compiled=compiled,
        resume=resume,
        overwrite=overwrite,
        keep_epochs=parse_keep_epochs(keep_epochs) if keep_epochs is not None else (),
        tensorboard=tensorboard,
        progress=progress,
    )
    if int(os.environ.get("RANK", "0")) > 0:  # of the processes that torchrun starts, one speaks
        return
    row = run.record.rows[0]
    paths = save_with_record(run.record, out, "fit")
    typer.echo(
        f"{row['backbone']} from {row['init']}, fold {row['fold']}, {row['epochs']} epochs: {percent(row)}, "
        f"in {duration(row['duration_s'])}; run: {out}   figure: {paths[0]}"
    )


@app.command()
@fit_options
def fuse(
    *,
    upto: Upto = None,
    from_: From = None,
    only: Only = None,
    except_: Except = None,
    shape: Shape = "prefix",
    rest: Annotated[
        str,
        typer.Option(help="What the other blocks get: random, matched (mean and variance), shuffled, or bn-stats."),
    ] = "random",
    by: By = "blocks",
    parts: Parts = None,
    ckpt: RunCkpt = None,
    data: Data = None,
    out: Out = Path("out/fuse"),
    trials: Trials = Path("runs/trials"),
    device: Device = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    debug: Debug = False,
    given: dict[str, Any],
) -> None:
    """Keep pretrained weights in some blocks only (Figure 2b)."""
    asked = _asked({"prefix": upto, "suffix": from_, "single": only, "except": except_}, shape=shape)
    kind = {**asked, "rest": rest, "by": by, "parts": parts}
    _sweep("fuse", kind, ckpt, data, out, trials, device, overwrite, quiet, given)


@app.command()
@fit_options
def freeze(
    *,
    upto: Upto = None,
    from_: From = None,
    only: Only = None,
    except_: Except = None,
    shape: Shape = "prefix",
    by: By = "blocks",
    parts: Parts = None,
    ckpt: RunCkpt = None,
    data: Data = None,
    out: Out = Path("out/freeze"),
    trials: Trials = Path("runs/trials"),
    device: Device = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    debug: Debug = False,
    given: dict[str, Any],
) -> None:
    """Freeze some blocks, train the rest (Figure 2c)."""
    asked = _asked({"prefix": upto, "suffix": from_, "single": only, "except": except_}, shape=shape)
    kind = {**asked, "by": by, "parts": parts}
    _sweep("freeze", kind, ckpt, data, out, trials, device, overwrite, quiet, given)


@app.command()
@fit_options
def cutoff(
    *,
    after: Annotated[
        str | None, typer.Option(help="Last block that stays. [default: the whole sweep]", autocompletion=_BLOCKS)
    ] = None,
    ckpt: RunCkpt = None,
    data: Data = None,
    out: Out = Path("out/cutoff"),
    trials: Trials = Path("runs/trials"),
    device: Device = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    debug: Debug = False,
    given: dict[str, Any],
) -> None:
    """End the network after a block, and train it."""
    _sweep("cutoff", {"block": after}, ckpt, data, out, trials, device, overwrite, quiet, given)


@app.command()
def demo(
    *,
    out: Annotated[Path, typer.Option(help="Folder for everything the demo leaves.")] = Path("out/demo"),
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each of the 15 trainings.")] = 4,
    device: Device = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fine-tune on built-in clips, probe, draw Figures 2 and 3."""
    from tlprobe.studies.demo import demo as call

    progress = begin(quiet=quiet)
    with claimed("demo", out, overwrite=overwrite, epochs=epochs) as claim:
        result = call(out=out, epochs=epochs, device=device, progress=progress)
        claim.save(result.record)
    for line in result.summary:
        typer.echo(line)
    typer.echo(f"figures: {', '.join(map(str, result.figures))}")


def _asked(given: dict[str, str | None], *, shape: str) -> dict[str, Any]:
    """Return shape and block of the options that name one; at most one may."""
    from tlprobe.probes.selection import OPTION_OF

    said = [(name, f"--{option}", given[name]) for name, option in OPTION_OF.items() if given[name] is not None]
    if len(said) > 1:
        raise ParameterError(f"{' and '.join(option for _, option, _ in said)} together: a point has one shape")
    if not said:
        return {"shape": shape, "block": None}
    name, option, block = said[0]
    if shape not in ("prefix", name):
        raise ParameterError(f"--shape {shape} and {option} {block} contradict each other")
    return {"shape": name, "block": block}


def _sweep(
    probe: str,
    kind: dict[str, Any],
    ckpt: Path | None,
    data: Path | None,
    out: Path,
    trials: Path,
    device: str,
    overwrite: bool,
    quiet: bool,
    given: dict[str, Any],
) -> None:
    progress = begin(quiet=quiet)
    if ckpt is not None and ckpt.is_dir() and given:  # of another ckpt, what it is comes first
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ParameterError(f"--ckpt {ckpt} gives recipe, data, fold, seed and weights; {flags} would be ignored")

    from tlprobe.backbones.partition import partition_of
    from tlprobe.studies import sweeps

    options = to_fit_options({"data": data, **given}) if ckpt is None else None
    record: Record
    with claimed(probe, out, overwrite=overwrite, ckpt=ckpt, data=data, given=given, **kind) as claim:
        asked = {**kind, "options": options, "data": data if ckpt is not None else None}
        asked |= {"trials": trials, "device": device, "progress": progress}
        if probe == "cutoff":
            record = sweeps.cutoff(ckpt, after=asked.pop("block"), **asked)
        else:
            asked["partition"] = partition_of(asked.pop("by"), asked.pop("parts"))
            record = (sweeps.fuse if probe == "fuse" else sweeps.freeze)(ckpt, **asked)
        for row in record.rows:
            typer.echo(f"{row['block'] or row['treatment']:>8}  {percent(row)}{_to_full(row)}")
        claim.deliver(record)


def _to_full(row: dict[str, Any]) -> str:
    """Say how a point differs from the fully fine-tuned network on the same clips, where it is known."""
    if row["difference"] is None:
        return ""
    found, low, high = (100 * row[name] for name in ("difference", "difference_low", "difference_high"))
    return f"; to full {found:+.1f} points ({low:+.1f} to {high:+.1f})"
