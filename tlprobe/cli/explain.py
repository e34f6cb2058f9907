"""Verbs that explain a fine-tuned network's answers: attribute, faithfulness."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tlprobe.cli.app import app
from tlprobe.cli.options import (
    Clip,
    Debug,
    Device,
    MoreClips,
    OneCkpt,
    Out,
    Overwrite,
    Quiet,
    RunData,
    begin,
    file_options,
    to_file_options,
)
from tlprobe.cli.output import claimed
from tlprobe.errors import ParameterError
from tlprobe.files import write_atomic
from tlprobe.records import table_csv

__all__: list[str] = []


@app.command()
@file_options
def attribute(
    *,
    ckpt: Annotated[
        list[Path],
        typer.Option(
            help="A run directory, or a weight file with --backbone, --data and --fold; again for further runs on the "
            "same data and fold."
        ),
    ],
    clip: Clip = [],  # noqa: B006 - Typer copies it
    more: MoreClips = [],  # noqa: B006
    n_clips: Annotated[int, typer.Option(min=1, help="Without --clip: held-out clips to choose.")] = 4,
    choose: Annotated[
        str, typer.Option(help="How: drawn (one a class), typical, atypical or extremes (of each class).")
    ] = "drawn",
    target: Annotated[
        str, typer.Option(help="Class whose logit is explained: predicted, true, or a class name.")
    ] = "predicted",
    method: Annotated[
        list[str],
        typer.Option(
            help="integrated-gradients, gradient-x-input, smoothgrad, deeplift, guided-backprop, grad-cam, occlusion, "
            "or all that are right for the network; may be given again."
        ),
    ] = ["integrated-gradients"],  # noqa: B006
    baseline: Annotated[
        str, typer.Option(help="What clips are compared with: silence, mean, blurred, shuffled or all.")
    ] = "silence",
    block: Annotated[str | None, typer.Option(help="Of grad-cam. [default: each]", show_default=False)] = None,
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
    channels: Annotated[
        bool,
        typer.Option(
            "--channels",
            help="Draw each channel's attributions (one network, one method; contact sheets).",
        ),
    ] = False,
    waveform: Annotated[
        bool,
        typer.Option(
            "--waveform",
            help="Draw waveforms above spectrograms (one network, one method; contact sheets).",
        ),
    ] = False,
    contact_sheet: Annotated[
        bool, typer.Option("--contact-sheet", help="Also draw all clips over the pages of contact_sheet.pdf.")
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
    """Show what an answer rests on: attributions (Figure 3)."""
    clip = [*clip, *more]
    asked: dict[str, Any] = {"n_clips": n_clips, "rule": choose, "target": target, "baseline": baseline, "seed": seed}
    asked |= {"tolerance": tolerance, "n_steps": n_steps, "memory_gb": memory, "above_hz": above_hz}
    asked |= {"method": method, "block": block, "channels": channels, "waveform": waveform}
    sounds = out / "sounds" if listen else None
    products = {"listen": listen, "contact_sheet": contact_sheet}
    progress = begin(quiet=quiet)
    options = to_file_options(given, ckpt=ckpt)
    if len(ckpt) > 1 and options is not None:
        raise ParameterError(f"{', '.join(map(str, ckpt))}: several are runs, and a weight file comes alone")

    from tlprobe.plots.contact_sheet import save_contact_sheet
    from tlprobe.probes.attribute import attribute as call
    from tlprobe.probes.attribution.shortcuts import by_class

    with claimed(
        "attribute", out, overwrite=overwrite, ckpt=ckpt, data=data, given=given, clip=clip, **asked, **products
    ) as claim:
        record = call(
            ckpt, clips=clip, sounds=sounds, data=data, options=options, device=device, progress=progress, **asked
        )
        for row in record.rows:
            typer.echo(_attribution_line(row, several_runs=len(ckpt) > 1))
            if sounds is not None:
                both = (f"{what} {row[f'{what}_probability']:.2f}" for what in ("kept", "removed"))
                typer.echo(f"  {row['target']}: {row['target_probability']:.2f}, of what is {', '.join(both)}")
        places = by_class(record.rows)
        write_atomic(out / "shortcuts.csv", table_csv(places))
        for place in places:
            if place["label"] is None:
                typer.echo(_shortcut_line(place, above_hz=record.params["above_hz"]))
        _clear(out, record.rows)
        claim.deliver(record)
        if contact_sheet:
            n_pages = save_contact_sheet(record, out / "contact_sheet.pdf")
            typer.echo(f"contact sheet: {out / 'contact_sheet.pdf'}, {n_pages} pages")


@app.command()
@file_options
def faithfulness(
    *,
    ckpt: OneCkpt,
    n_clips: Annotated[int, typer.Option(min=2, help="Held-out clips to choose.")] = 50,
    choose: Annotated[
        str, typer.Option(help="How: drawn (one a class), typical, atypical or extremes (of each class).")
    ] = "typical",
    n_steps: Annotated[
        int | None, typer.Option(min=1, help="Points on each path. [default: what a gap of 1 % needs, at most 128]")
    ] = None,
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
    """Ask whether attributions are any good."""
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
            typer.echo(f"{row['measure']:<24} {row['ranking']:<30} {said}")
        missed, n = record.params["n_not_reached"], len(record.params["gaps"])
        typer.echo(f"completeness gap above {100 * record.params['tolerance']:g} % in {missed} of {n} clips")
        claim.deliver(record)


def _clear(out: Path, rows: list[dict[str, Any]]) -> None:
    """Remove what an earlier result left beside its record, and the new one, of these rows, has not."""
    own = {row[name] for row in rows for name in ("kept_wav", "removed_wav") if name in row}
    sounds = [*out.glob("sounds/*_kept.wav"), *out.glob("sounds/*_removed.wav")]
    for old in [file for file in sounds if file.name not in own] + [out / "contact_sheet.pdf"]:
        old.unlink(missing_ok=True)


def _attribution_line(row: dict[str, Any], *, several_runs: bool) -> str:
    """Say an attribution, for reading."""
    from tlprobe.probes.attribution.ways import Way

    text = f"{row['clip']}  {row['label'] or '?'} -> {row['predicted']}  {Way.of(row).text}"
    if several_runs:
        text += f" in {row['run']}"
    if row["target"] != row["predicted"]:
        text += f", explaining {row['target']} ({row['target_probability']:.2f})"
    if row["gap"] is not None:
        gap = f"{row['gap']:.2g} (absolute)" if row["gap_absolute"] else f"{100 * row['gap']:.2f} %"
        text += f", completeness gap {gap}"
    if row["n_steps"] is not None:
        text += f", {row['n_steps']} steps" + ("" if row["reached"] else ", NOT within the tolerance")
    return text


def _shortcut_line(place: dict[str, Any], *, above_hz: float) -> str:
    """Say where attributions lie that no sound event explains, for reading."""
    said = []
    for name, words in (("padding", "padding"), ("above", f"above {above_hz:g} Hz"), ("ends", "first and last 100 ms")):
        if name == "padding" and place[name] is None and place[f"{name}_area"]:
            said.append("padding 0 by construction, from silence")
        elif place[name] is not None:
            said.append(f"{words} {100 * place[name]:.1f} % (of {100 * place[f'{name}_area']:.1f} % of the image)")
    return f"{place['run']}, {place['way']}, {place['n']} clips: {', '.join(said)}"
