"""Verbs that read a fine-tuned network: ensemble, eval."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tlprobe.cli.app import app
from tlprobe.cli.options import (
    Clip,
    Debug,
    Device,
    MoreClips,
    MoreRuns,
    OneCkpt,
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

_N_LIKELY = 3


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
    """Average the outputs, and the weights, of several runs."""
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
    """Score a network, or let it name recordings."""
    clip = [*clip, *more]
    progress = begin(quiet=quiet)
    options = to_file_options(given, ckpt=[ckpt])

    from tlprobe.probes.evaluate import evaluate as call
    from tlprobe.probes.evaluate import predictions_of

    with claimed("eval", out, overwrite=overwrite, ckpt=ckpt, clip=clip, data=data, given=given) as claim:
        record = call(ckpt, data=data, clips=clip, options=options, device=device, progress=progress)
        write_atomic(out / "predictions.csv", predictions_of(record).to_csv())
        for number, row in enumerate(record.rows):
            if row["accuracy"] is None:
                likely = _likeliest(record.params["classes"], record.arrays["probabilities"][number].tolist())
                typer.echo(f"{row['clip']}  {likely}")
            else:
                typer.echo(f"{row['run']} on {row['clips']}: {percent(row)}")
        claim.deliver(record)


def _likeliest(classes: list[str], probabilities: list[float]) -> str:
    """Say the most probable classes of a clip, the first few of many."""
    ranked = sorted(zip(probabilities, classes, strict=True), key=lambda pair: -pair[0])
    return ", ".join(f"{name} {100 * probability:.1f} %" for probability, name in ranked[:_N_LIKELY])


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
