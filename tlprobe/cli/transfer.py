"""The verb that scores blocks before any training: transferability."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tlprobe.cli.app import app
from tlprobe.cli.options import (
    Data,
    Debug,
    Device,
    Out,
    Overwrite,
    Quiet,
    begin,
    data_options,
    image_options,
    to_fit_options,
)
from tlprobe.cli.output import claimed
from tlprobe.errors import ParameterError

__all__: list[str] = []


@app.command()
@image_options
@data_options
def transferability(
    *,
    data: Data = None,
    backbone: Annotated[
        str | None,
        typer.Option(help="As of fit: densenet201, ... or timm/NAME. [default: efficientnet_lite0]"),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="imagenet, random, a weight file or a run. [default: imagenet]")
    ] = None,
    fold: Annotated[int | None, typer.Option(help="Fold held out, for the linear probe alone. [default: 1]")] = None,
    inner_fold: Annotated[
        bool, typer.Option("--inner-fold", help="Keep the fold after it out of the scores as well.")
    ] = False,
    normalize: Annotated[
        str | None, typer.Option(help="channel (statistics of the training clips) or none. [default: channel]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of random weights and all draws.")] = 0,
    against: Annotated[
        list[Path],
        typer.Option(
            help="Record of what freezing or cutoff of the same network gave: of a study's tables or of the verb; "
            "several may follow."
        ),
    ] = [],  # noqa: B006 - Typer copies it
    more: Annotated[
        list[Path], typer.Argument(metavar="[RECORD]...", help="Further such records.", show_default=False)
    ] = [],  # noqa: B006
    out: Out = Path("out/transferability"),
    device: Device = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    debug: Debug = False,
    given: dict[str, Any],
    shown: dict[str, Any],
) -> None:
    """Score each block without fine-tuning.

    With --against: whether the scores rank the blocks as freezing or cutting did.
    """
    if more and not against:
        raise ParameterError(f"{', '.join(map(str, more))}: records come after --against")
    records = [*against, *more]
    named = {"data": data, "backbone": backbone, "weights": weights, "fold": fold, "normalize": normalize}
    used = {name: value for name, value in named.items() if value is not None}
    used |= {"seed": seed, "inner_fold": inner_fold, **given, **shown}
    progress = begin(quiet=quiet)
    options = to_fit_options(used)

    from tlprobe.probes.transferability import transferability as call

    with claimed("transferability", out, overwrite=overwrite, against=records, **used) as claim:
        record = call(options, against=records, device=device, progress=progress)
        for row in record.rows:
            if row["kind"] != "treatment":
                typer.echo(_line(row))
        for note in record.params["notes"]:
            typer.echo(f"note: {note}")
        claim.deliver(record)


def _line(row: dict[str, Any]) -> str:
    """Say a score or a correlation, for reading."""
    factor, digits, unit = (100, 1, " %") if row["score"] == "linear_probe" and row["kind"] == "score" else (1, 3, "")

    def said(name: str) -> str:
        return "-" if row[name] is None else f"{factor * row[name]:.{digits}f}"

    numbers = f"{said('value')}{unit} [{said('low')}, {said('high')}]"
    if row["kind"] == "correlation":
        of = f"{row['score']} and {row['sweep']} of {row['against']}, {row['measure']}"
        p_value = "" if row["p_value"] is None else f", p {row['p_value']:.2g}"
        order = f"the mere order of the {row['n_blocks']} blocks has {said('null')}"
        return f"{of}: {numbers}; {order}{p_value}"
    return f"{row['block']:<7} {row['score']:<12} {numbers}  by chance {said('null')}, d = {row['n_features']}"
