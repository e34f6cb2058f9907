"""The verb that draws records again, without torch."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tlprobe.cli.app import app
from tlprobe.cli.options import Debug, Quiet, begin
from tlprobe.errors import ParameterError
from tlprobe.files import sha256_file, write_atomic
from tlprobe.records import Record, dump_json

_PANELS = "panels"


@app.command()
def figure(
    *,
    folders: Annotated[list[Path], typer.Argument(help="Folders with a record.json; several become panels a, b, c.")],
    out: Annotated[Path, typer.Option(help="Figure file; each format gets this name with its suffix.")] = Path(
        "out/figure.pdf"
    ),
    width: Annotated[
        str | None, typer.Option(help="single (3.25 in), double (6.75 in), or in cm. [default: what suits]")
    ] = None,
    formats: Annotated[str, typer.Option("--format", help="Of pdf, png, svg, with commas.")] = "pdf,png",
    labels: Annotated[
        Path | None, typer.Option(help="YAML with texts of the figure and what stands in their place.")
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw records again, several as the panels of one figure."""
    from tlprobe.plots.figure import inches, render, save_figure

    begin(quiet=quiet)
    if width is not None:
        inches(width)  # a wrong one is told before anything is read
    sidecar = out.with_suffix(".json")
    if sidecar.exists() and not _is_sidecar(sidecar):
        raise ParameterError(f"--out {out} would replace {sidecar}, which is no figure's list of panels; give another")
    records = [Record.load(folder) for folder in folders]
    if len(named := {_data_name(record) for record in records}) > 1:
        typer.echo(f"note: the panels are of different data sets: {', '.join(sorted(named))}", err=True)
    words = None if labels is None else _words(labels)
    kinds = [kind.strip() for kind in formats.split(",")]
    paths = save_figure(render(records, width=width, labels=words), out, formats=kinds)
    files = [folder / "record.json" if folder.is_dir() else folder for folder in folders]
    panels = [
        {"probe": record.probe, "record": str(file), "sha256": sha256_file(file)}
        for record, file in zip(records, files, strict=True)
    ]
    write_atomic(sidecar, dump_json({_PANELS: panels}))  # what the picture was drawn from
    typer.echo(f"figure: {', '.join(map(str, paths))}")


def _words(file: Path) -> dict[str, str]:
    """Read a file of labels."""
    from tlprobe.train.recipe import load_yaml

    values = load_yaml(file, kind="labels")
    return {str(name): str(value) for name, value in values.items()}


def _data_name(record: Record) -> str:
    data = record.provenance.get("data") or {}
    return f"{data.get('name', 'unknown')} ({data.get('n_clips', '?')} clips, {str(data.get('hash', ''))[:8]})"


def _is_sidecar(file: Path) -> bool:
    try:
        body = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(body, dict) and body.keys() == {_PANELS}
