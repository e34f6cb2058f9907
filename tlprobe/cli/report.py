"""The verb that reports records as one page, without torch."""

from pathlib import Path
from typing import Annotated

import typer

from tlprobe.cli.app import app
from tlprobe.cli.options import Debug, Quiet, begin

__all__: list[str] = []


@app.command()
def report(
    *,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Run directories, and folders with a record.json of any verb or study."),
    ],
    out: Annotated[Path, typer.Option(help="The HTML file; it needs nothing beside it.")] = Path("out/report.html"),
    audio: Annotated[
        int | None,
        typer.Option(min=0, help="Clips whose sounds are in the page. [default: 6, within 3.5 MB]", show_default=False),
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Report records as one HTML page to send."""
    begin(quiet=quiet)
    from tlprobe.reports.report import report as call

    path = call(paths, out=out, audio=audio)
    typer.echo(f"report: {path} ({path.stat().st_size / 1e6:.1f} MB)")
