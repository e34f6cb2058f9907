"""From records to files: one record as its own figure, several as the panels a, b, c of one.

Nothing here touches pyplot: no window opens, no figure stays behind. The same records give the same
bytes, so a figure in version control changes only when its numbers do.
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import GridSpec
from matplotlib.transforms import Bbox

from tlprobe.errors import ParameterError
from tlprobe.files import write_atomic
from tlprobe.plots.panels import panel_of
from tlprobe.plots.strips import draw_strip, strips_of
from tlprobe.plots.style import DOUBLE_IN, SINGLE_IN, paper_style
from tlprobe.records import Record

__all__ = ["render", "save_figure", "save_with_record", "settle"]

_WIDTHS = {"single": SINGLE_IN, "double": DOUBLE_IN}


def render(records: Sequence[Record], *, width: Literal["single", "double"] | None = None) -> Figure:
    """Draw records as one figure.

    Parameters
    ----------
    records : sequence of Record
        One gives its own figure; several become panels a, b, c, ... in this order. Panels of accuracies
        share one y axis.
    width : str, one of ``"single"`` (3.25 in), ``"double"`` (6.75 in); optional
        By default two columns for several panels, and for a record that needs them.

    Returns
    -------
    figure : Figure
        Not yet saved: `save_figure` does that.

    Raises
    ------
    ParameterError
        If there is no record, one that has no figure, or no such width.
    """
    if not records:
        raise ParameterError("no record to draw; give at least one folder that holds a record.json")
    panels = [panel_of(record, alone=len(records) == 1) for record in records]
    if width is None:
        width = "double" if len(records) > 1 or panels[0].is_wide(records[0]) else "single"
    if width not in _WIDTHS:
        raise ParameterError(f"width={width!r} is no figure width; choose from {', '.join(_WIDTHS)}")
    with paper_style():
        strips = strips_of(records, panels, double=width == "double")
        figure = Figure(figsize=(_WIDTHS[width], sum(strip.height_in for strip in strips)))
        FigureCanvasAgg(figure)
        grid = GridSpec(len(strips), 1, figure=figure, height_ratios=[strip.height_in for strip in strips])
        for number, strip in enumerate(strips):
            draw_strip(figure, grid[number], strip, records, panels)
        settle(figure)
    return figure


def save_figure(figure: Figure, out: Path | str) -> list[Path]:
    """Write a figure as PDF and as PNG (300 dpi), without dates in them.

    Parameters
    ----------
    figure : Figure
    out : Path
        Both files get this stem; the suffix, if there is one, is ``.pdf`` or ``.png``.

    Returns
    -------
    paths : list of Path
        The PDF and the PNG.

    Raises
    ------
    ParameterError
        If `out` has another suffix.
    ResourceError
        If a file cannot be written.
    """
    out = Path(out)
    if out.suffix.lower() not in ("", ".pdf", ".png"):
        raise ParameterError(f"out={str(out)!r} ends in {out.suffix!r}; choose from .pdf, .png (both are written)")
    stem = out.with_suffix("")
    return _write(figure, stem.parent, stem.name)


def save_with_record(record: Record, folder: Path | str, stem: str) -> list[Path]:
    """Draw one record and write ``folder/stem.pdf`` and ``folder/stem.png``; return the two paths."""
    return _write(render([record]), Path(folder), stem)


def _write(figure: Figure, folder: Path, stem: str) -> list[Path]:
    without_dates: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "png": {"Software": None}}
    paths = []
    with paper_style():  # fonttype and dpi are read only now
        for kind, metadata in without_dates.items():
            content = io.BytesIO()
            figure.savefig(content, format=kind, dpi=300, metadata=metadata)
            paths.append(folder / f"{stem}.{kind}")
            write_atomic(paths[-1], content.getvalue())
    return paths


def settle(figure: Figure) -> None:
    """Lay the figure out now, under the paper style, and for good.

    The solver of constrained layout walks through sets, so its last digits change from call to call;
    rounded to 1e-5 of the figure they don't, and neither do the files' bytes.
    """
    figure.draw_without_rendering()
    if any(part.subfigs for part in figure.subfigs):  # parts of parts get their size in the first pass
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for part in _parts(figure):
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(5))
    for ax in figure.axes:  # those of the parts too
        ax.set_position(Bbox(ax.get_position(original=True).get_points().round(5)))
        locator: Callable[..., Bbox] | None = ax.get_axes_locator()  # of a colour bar with arrows at its ends
        ax.apply_aspect(locator(ax, None) if locator is not None else None)


def _parts(figure: Figure | SubFigure) -> list[SubFigure]:
    """Return the parts of a figure and theirs, the outer ones first: the inner ones lie in them."""
    return [inner for part in figure.subfigs for inner in (part, *_parts(part))]
