"""Verbs that read a fine-tuned network: attribute, ensemble, eval."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tlprobe.cli.app import app
from tlprobe.cli.options import (
    Debug,
    Device,
    MoreRuns,
    Out,
    Overwrite,
    Quiet,
    RunData,
    begin,
    file_options,
    to_file_options,
)
from tlprobe.cli.output import claimed, percent
from tlprobe.files import write_atomic

OneCkpt = Annotated[
    Path,
    typer.Option("--ckpt", help="A run directory, or a weight file with --backbone, --data and --fold."),
]
Clip = Annotated[list[Path], typer.Option(help="A recording: a path in the data set, or any file; several may follow.")]
MoreClips = Annotated[list[Path], typer.Argument(metavar="[CLIP]...", help="Further recordings.", show_default=False)]


@app.command()
@file_options
def attribute(
    *,
    ckpt: OneCkpt,
    clip: Clip = [],  # noqa: B006 - Typer copies it
    more: MoreClips = [],  # noqa: B006
    n_clips: Annotated[int, typer.Option(min=1, help="Without --clip: held-out clips to choose.")] = 4,
    choose: Annotated[
        str, typer.Option(help="How: drawn (one a class), typical, atypical or extremes (of each class).")
    ] = "drawn",
    target: Annotated[
        str, typer.Option(help="Class whose logit is explained: predicted, true, or a class name.")
    ] = "predicted",
    baseline: Annotated[
        str, typer.Option(help="Where the path begins: silence, mean, blurred, shuffled or all.")
    ] = "silence",
    tolerance: Annotated[float, typer.Option(help="Completeness gap to be reached.")] = 0.01,
    n_steps: Annotated[
        int | None, typer.Option(min=1, help="Points on the path. [default: what the tolerance needs, at most 1000]")
    ] = None,
    memory: Annotated[
        float | None, typer.Option(help="GB that images may take on their way. [default: half of what is free]")
    ] = None,
    above_hz: Annotated[
        float | None, typer.Option(help="Tell the map's share above this frequency. [default: a quarter of the rate]")
    ] = None,
    listen: Annotated[
        bool, typer.Option(help="Write what each map keeps and removes as WAV files, and classify both again.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of all draws.")] = 0,
    data: RunData = None,
    out: Out = Path("out/attribute"),
    device: Device = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    debug: Debug = False,
    given: dict[str, Any],
) -> None:
    """Show which parts of a spectrogram the answer rests on: Integrated Gradients (Fig. 3)."""
    clip = [*clip, *more]
    asked: dict[str, Any] = {"n_clips": n_clips, "rule": choose, "target": target, "baseline": baseline, "seed": seed}
    asked |= {"tolerance": tolerance, "n_steps": n_steps, "memory_gb": memory, "above_hz": above_hz}
    sounds = out / "sounds" if listen else None
    progress = begin(quiet=quiet)
    options = to_file_options(given, ckpt=[ckpt])

    from tlprobe.probes.attribute import attribute as call

    with claimed("attribute", out, overwrite=overwrite, ckpt=ckpt, data=data, given=given, clip=clip, **asked) as claim:
        record = call(
            ckpt, clips=clip, sounds=sounds, data=data, options=options, device=device, progress=progress, **asked
        )
        for row in record.rows:
            gap = f"{row['gap']:.2g} (absolute)" if row["gap_absolute"] else f"{100 * row['gap']:.2f} %"
            after = f"{row['n_steps']} steps from {row['baseline']}"
            after += "" if row["reached"] else ", NOT within the tolerance"
            typer.echo(f"{row['clip']}  {row['label'] or '?'} -> {row['predicted']}  completeness gap {gap}, {after}")
            if sounds is not None:
                both = (f"{what} {row[f'{what}_probability']:.2f}" for what in ("kept", "removed"))
                typer.echo(f"  {row['target']}: {row['target_probability']:.2f}, of what is {', '.join(both)}")
        claim.deliver(record)


@app.command()
@file_options
def faithfulness(
    *,
    ckpt: OneCkpt,
    n_clips: Annotated[int, typer.Option(min=2, help="Held-out clips to choose.")] = 50,
    choose: Annotated[
        str, typer.Option(help="How: drawn (one a class), typical, atypical or extremes (of each class).")
    ] = "typical",
    n_steps: Annotated[int, typer.Option(min=1, help="Points on each path.")] = 64,
    checks: Annotated[
        bool, typer.Option(help="Also sensitivity, agreement between baselines and the randomisation check.")
    ] = True,
    memory: Annotated[
        float | None, typer.Option(help="GB that images may take on their way. [default: half of what is free]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all draws.")] = 0,
    data: RunData = None,
    out: Out = Path("out/faithfulness"),
    device: Device = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    debug: Debug = False,
    given: dict[str, Any],
) -> None:
    """Ask whether attributions are any good: against energy, edges, chance, and a network that forgets."""
    asked: dict[str, Any] = {"n_clips": n_clips, "rule": choose, "n_steps": n_steps, "checks": checks, "seed": seed}
    progress = begin(quiet=quiet)
    options = to_file_options(given, ckpt=[ckpt])

    from tlprobe.probes.faithfulness import faithfulness as call

    with claimed("faithfulness", out, overwrite=overwrite, ckpt=ckpt, data=data, given=given, **asked) as claim:
        record = call(ckpt, memory_gb=memory, data=data, options=options, device=device, progress=progress, **asked)
        for row in record.rows:
            said = f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
            if row["difference"] is not None:
                low, high = row["difference_low"], row["difference_high"]
                said += f"  IG less this {row['difference']:+.3f} [{low:+.3f}, {high:+.3f}], p {row['p_value']:.2g}"
            typer.echo(f"{row['measure']:<17} {row['ranking']:<24} {said}")
        claim.deliver(record)


@app.command()
def ensemble(
    *,
    ckpt: Annotated[list[Path], typer.Option(help="A run directory; the others, of the same data and fold, follow.")],
    more: MoreRuns = [],  # noqa: B006 - Typer copies it
    soup: Annotated[
        bool, typer.Option(help="Score one network of the members' mean weights too, where they have one start.")
    ] = True,
    data: RunData = None,
    out: Out = Path("out/ensemble"),
    device: Device = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Average the soft-max outputs of several runs (Table II), and their weights beside it."""
    ckpt = [*ckpt, *more]
    progress = begin(quiet=quiet)

    from tlprobe.probes.ensemble import ensemble as call

    with claimed("ensemble", out, overwrite=overwrite, ckpt=ckpt, soup=soup, data=data) as claim:
        record = call(ckpt, soup=soup, data=data, device=device, progress=progress)
        for line in _ensemble_lines(record.rows[0], no_soup=record.params["no_soup"]):
            typer.echo(line)
        claim.deliver(record)


@app.command("eval")
@file_options
def evaluate(
    *,
    ckpt: OneCkpt,
    clip: Clip = [],  # noqa: B006 - Typer copies it
    more: MoreClips = [],  # noqa: B006
    data: RunData = None,
    out: Out = Path("out/eval"),
    device: Device = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    debug: Debug = False,
    given: dict[str, Any],
) -> None:
    """Score a network on its held-out fold or on another data set, or let it name recordings."""
    clip = [*clip, *more]
    progress = begin(quiet=quiet)
    options = to_file_options(given, ckpt=[ckpt])

    from tlprobe.probes.evaluate import evaluate as call
    from tlprobe.probes.evaluate import predictions_of

    with claimed("eval", out, overwrite=overwrite, ckpt=ckpt, clip=clip, data=data, given=given) as claim:
        record = call(ckpt, data=data, clips=clip, options=options, device=device, progress=progress)
        write_atomic(out / "predictions.csv", predictions_of(record).to_csv())
        for row in record.rows:
            if row["accuracy"] is None:
                typer.echo(f"{row['clip']}  {row['predicted']}  {100 * row['probability']:.1f} %")
            else:
                typer.echo(f"{row['run']} on {row['clips']}: {percent(row)}")
        claim.deliver(record)


def _ensemble_lines(row: dict[str, Any], *, no_soup: str | None) -> list[str]:
    """Say an ensemble's row, for reading."""

    def surely(part: str) -> str:
        return f"NLL {row[f'{part}nll']:.3f} nats, ECE {100 * row[f'{part}calibration_error']:.1f} %"

    single = f"{100 * row['single_mean']:.1f} ± {100 * row['single_sd']:.1f} % (mean ± sd)"
    soup = {"accuracy": row["soup_accuracy"], "ci_low": row["soup_ci_low"], "ci_high": row["soup_ci_high"]}
    return [
        f"{row['members']} members: {percent(row)}; {surely('')}",
        f"single runs: {single}; on average {surely('single_')}",
        no_soup if no_soup is not None else f"weight soup: {percent({**soup, 'n': row['n']})}; {surely('soup_')}",
        f"two members disagree on {100 * row['disagreement']:.1f} % of the clips, on average over pairs",
    ]
