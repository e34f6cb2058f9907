"""The verb that draws records again, without torch."""

from pathlib import Path
from typing import Annotated

import typer

from tlprobe.cli.app import app
from tlprobe.cli.options import Debug, Quiet, begin
from tlprobe.errors import ParameterError
from tlprobe.records import Record


@app.command()
def figure(
    *,
    folders: Annotated[list[Path], typer.Argument(help="Folders with a record.json; several become panels a, b, c.")],
    out: Annotated[Path, typer.Option(help="Figure file; .pdf and .png are both written.")] = Path("out/figure.pdf"),
    width: Annotated[
        str | None, typer.Option(help="single (3.25 in) or double (6.75 in). [default: what suits]")
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw records again, several as the panels of one figure."""
    from tlprobe.plots.figure import render, save_figure

    begin(quiet=quiet)
    if width not in (None, "single", "double"):
        raise ParameterError(f"--width {width!r}; choose from single, double")
    records = [Record.load(folder) for folder in folders]
    paths = save_figure(render(records, width=width), out)  # type: ignore[arg-type]
    typer.echo(f"figure: {', '.join(map(str, paths))}")
