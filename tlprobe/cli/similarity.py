"""The verb that compares networks layer by layer: svcca."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tlprobe.cli.app import app
from tlprobe.cli.complete import offer
from tlprobe.cli.options import (
    Ckpt,
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
from tlprobe.cli.output import claimed
from tlprobe.errors import ParameterError

_MEASURES = ("svcca", "mean-cca", "pwcca", "cka", "cka-debiased", "procrustes", "all")
_ROWS_SHOWN = 40


@app.command()
@file_options
def svcca(
    *,
    ckpt: Ckpt,
    more: MoreRuns = [],  # noqa: B006 - Typer copies it
    against: Annotated[
        Path | None, typer.Option(help="Compare with this run's network instead of with the start of training.")
    ] = None,
    grid: Annotated[bool, typer.Option("--grid", help="Every layer against every other: a heat map.")] = False,
    over_training: Annotated[
        bool, typer.Option("--over-training", help="Each epoch that `fit --keep-epochs` kept against the end.")
    ] = False,
    baseline: Annotated[
        str | None, typer.Option(help="random-pair: add two random initialisations of the same network.")
    ] = None,
    measure: Annotated[
        list[str], typer.Option(help=f"{', '.join(_MEASURES)}. Repeat for several.", autocompletion=offer("measure"))
    ] = ["svcca"],  # noqa: B006
    layers: Annotated[
        list[str],
        typer.Option(
            help="blocks, all (convolutions and dense layers), or the name of a block or layer. Repeat for several."
        ),
    ] = ["blocks"],  # noqa: B006
    conv: Annotated[
        list[str],
        typer.Option(
            help="What is a sample: positions (each of the map), pool (a clip's mean over them) or flatten (a clip's "
            "whole map). Repeat for several."
        ),
    ] = ["positions"],  # noqa: B006
    variance: Annotated[float, typer.Option(help="Share of variance that SVCCA's directions explain.")] = 0.99,
    rule: Annotated[
        str, typer.Option(help="squared (of squared singular values: the variance) or sum (of plain ones).")
    ] = "squared",
    split: Annotated[str, typer.Option(help="Clips: held-out, train or all.")] = "held-out",
    clips: Annotated[int | None, typer.Option(help="Draw so many of them. [default: all]", show_default=False)] = None,
    positions: Annotated[
        int | None, typer.Option(help="Draw so many positions of each map. [default: all]", show_default=False)
    ] = None,
    groups: Annotated[int, typer.Option(help="Groups of clips of the jackknife intervals; 0: no intervals.")] = 10,
    permutations: Annotated[int, typer.Option(help="Of clips, for the null; 0: no null.")] = 20,
    memory: Annotated[float, typer.Option(help="GiB for the rows that null and Gram side keep.")] = 2.0,
    seed: Annotated[int, typer.Option(help="Of the draws of clips, positions, groups and permutations.")] = 0,
    data: RunData = None,
    before: Annotated[
        str | None, typer.Option(help="Of a weight file: what its training started from: imagenet, random or a file.")
    ] = None,
    before_seed: Annotated[
        int | None, typer.Option(help="Of --before random. [default: 0]", show_default=False)
    ] = None,
    out: Out = Path("out/svcca"),
    device: Device = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    debug: Debug = False,
    given: dict[str, Any],
) -> None:
    """Compare layers before and after fine-tuning (Figure 2a).

    Beside it, in the folder weights, how far the weights of each block moved.
    """
    ckpt = [*ckpt, *more]
    for name in measure:
        if name not in _MEASURES:
            raise ParameterError(f"--measure {name!r}; choose from {', '.join(_MEASURES)}")
    asked: dict[str, Any] = {
        "against": against,
        "grid": grid,
        "over_training": over_training,
        "baseline": baseline,
        "measures": [name.replace("-", "_") for name in measure],
        "layers": layers,
        "conv": conv,
        "variance": variance,
        "rule": rule,
        "split": split,
        "n_clips": clips,
        "n_positions": positions,
        "n_groups": groups,
        "n_permutations": permutations,
        "memory_gib": memory,
        "seed": seed,
    }
    progress = begin(quiet=quiet)
    options = to_file_options(given, ckpt=ckpt, before=before, before_seed=before_seed)

    from tlprobe.probes.svcca import svcca as call
    from tlprobe.probes.weight_distance import weight_distance

    identity = {"ckpt": ckpt, "data": data, "given": given, "before": before, "before_seed": before_seed, **asked}
    with claimed("svcca", out, overwrite=overwrite, **identity) as claim:
        record = call(ckpt, data=data, options=options, device=device, progress=progress, **asked)
        for row in record.rows[:_ROWS_SHOWN]:
            typer.echo(_line(row))
        if len(record.rows) > _ROWS_SHOWN:
            typer.echo(f"... {len(record.rows) - _ROWS_SHOWN} more in {out / 'record.csv'}")
        claim.deliver(record)
    if against is None and not grid:
        with claimed("weight_distance", out / "weights", overwrite=overwrite, **identity) as claim:
            claim.deliver(weight_distance(ckpt, data=data, options=options, progress=progress))


def _line(row: dict[str, Any]) -> str:
    """Return a similarity in words."""
    where = row["layer"] if row["block"] == row["layer"].split(".")[0] else f"{row['block']} {row['layer']}"
    if (row["layer"], row["block"]) != (row["layer_y"], row["block_y"]):
        where += f" | {row['layer_y']}"
    if row["epoch"] is not None:
        where += f", epoch {row['epoch']}"
    if row["value"] is None:
        return f"{row['run']}  {where}  {row['measure']} not defined: {row['warnings']}"
    numbers = f"{row['measure']} {row['value']:.3f}"
    if row["ci_low"] is not None:
        numbers += f" [{row['ci_low']:.3f}, {row['ci_high']:.3f}]"
    if row["null"] is not None:
        corrected = "-" if row["corrected"] is None else f"{row['corrected']:.3f}"
        band = f"[{row['null_low']:.3f}, {row['null_high']:.3f}]"
        numbers += f"  null {row['null']:.3f} {band}  corrected {corrected}"
    kept = "" if row["k_x"] is None else f", k = {row['k_x']}, {row['k_y']}"
    d = row["d_x"] if row["d_x"] == row["d_y"] else f"{row['d_x']}, {row['d_y']}"
    return f"{row['run']}  {where}  {numbers}  ({row['conv']}: n = {row['n']}, d = {d}{kept})"
