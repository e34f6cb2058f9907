"""The verb that draws records again, without torch."""

import json
import re
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
        str | None, typer.Option(help="single (3.25 in), double (6.75 in), times the style, or in cm. [default: fits]")
    ] = None,
    style: Annotated[
        str, typer.Option(help="paper, talk (all 1.9 times as large), or poster (3 times as large).")
    ] = "paper",
    formats: Annotated[
        str, typer.Option("--format", help="Of pdf, png, svg, pgf (needs LaTeX), with commas.")
    ] = "pdf,png",
    labels: Annotated[
        Path | None, typer.Option(help="YAML with texts of the figure and what stands in their place.")
    ] = None,
    latex: Annotated[
        bool, typer.Option("--latex", help="Also write a .tex with picture, caption and label, for \\input.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw records again, several as panels of one figure."""
    from tlprobe.plots.captions.latex_figure import latex_figure
    from tlprobe.plots.figure import inches, render, save_figure, spans_columns

    begin(quiet=quiet)
    inches("single" if width is None else width, style=style)  # a wrong one is told before anything is read
    kinds = [kind.strip() for kind in formats.split(",")]
    picture = _picture(out, kinds) if latex else None
    sidecar = out.with_suffix(".json")
    if sidecar.exists() and not _is_sidecar(sidecar):
        raise ParameterError(f"--out {out} would replace {sidecar}, which is no figure's list of panels; give another")
    records = [Record.load(folder) for folder in folders]
    if len(named := {_data_name(record) for record in records}) > 1:
        typer.echo(f"note: the panels are of different data sets: {', '.join(sorted(named))}", err=True)
    words = None if labels is None else _words(labels)
    drawn = render(records, width=width, labels=words, style=style)
    paths = save_figure(drawn, out, formats=kinds)
    files = [folder / "record.json" if folder.is_dir() else folder for folder in folders]
    panels = [
        {"probe": record.probe, "record": str(file), "sha256": sha256_file(file)}
        for record, file in zip(records, files, strict=True)
    ]
    write_atomic(sidecar, dump_json({_PANELS: panels}))  # what the picture was drawn from
    if picture is not None:
        paths.append(out.with_suffix(".tex"))
        write_atomic(paths[-1], latex_figure(records, picture, wide=spans_columns(drawn, style=style)))
    typer.echo(f"figure: {', '.join(_named(paths))}")


def _picture(out: Path, kinds: list[str]) -> str:
    """Return the name of the picture that a LaTeX document includes, or refuse: before anything is read."""
    from tlprobe.plots.latex import INCLUDED, MARK, require_name

    name = out.with_suffix("").name
    require_name(name)
    kind = next((kind for kind in INCLUDED if kind in kinds), None)
    if kind is None:
        raise ParameterError(f"--latex includes no {', '.join(kinds)}; add one of {', '.join(INCLUDED)} to --format")
    tex = out.with_suffix(".tex")
    if tex.is_dir():
        raise ParameterError(f"--out {out} would replace {tex}, which is a folder; give another")
    if tex.exists() and not tex.read_bytes().startswith(MARK.encode()):
        raise ParameterError(f"--out {out} would replace {tex}, which is no figure's; give another")
    return f"{name}.{kind}"


def _named(paths: list[Path]) -> list[str]:
    """Name files, the images that a pgf file includes as one: there may be many."""
    named: dict[str, int] = {}
    for path in paths:
        name = re.sub(r"-img\d+\.png$", "-img*.png", str(path))
        named[name] = named.get(name, 0) + 1
    return [f"{name} ({n})" if n > 1 else name for name, n in named.items()]


def _words(file: Path) -> dict[str, str]:
    """Read a file of labels."""
    from tlprobe.yaml_file import load_yaml

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
