"""From records to files: one record as its own figure, several as the panels a, b, c of one.

Nothing here touches pyplot: no window opens, no figure stays behind. The same records give the same
bytes, so a figure in version control changes only when its numbers do.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import GridSpec
from matplotlib.transforms import Bbox

from tlprobe.errors import ParameterError
from tlprobe.files import write_atomic
from tlprobe.plots.magnify import factor_of, magnify
from tlprobe.plots.panels import panel_of
from tlprobe.plots.pgf import pgf_files
from tlprobe.plots.rename import rename
from tlprobe.plots.strips import draw_strip, share_scales, strips_of
from tlprobe.plots.style import DOUBLE_IN, SINGLE_IN, paper_style
from tlprobe.records import Record

__all__ = ["FORMATS", "inches", "render", "save_figure", "save_with_record", "settle", "spans_columns"]

FORMATS = ("pdf", "png", "svg", "pgf")
"""What a figure can be written as."""

_WIDTHS = {"single": SINGLE_IN, "double": DOUBLE_IN}
_TWO_COLUMNS_FROM_IN = (SINGLE_IN + DOUBLE_IN) / 2
_CM_PER_IN = 2.54
_LEAST_CM, _MOST_CM = 7.0, 60.0  # below, notes in type of a paper do not fit beside the axis
_WITHOUT_DATES: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None},
    "png": {"Software": None},
    "svg": {"Date": None},
}


def render(
    records: Sequence[Record],
    *,
    width: str | float | None = None,
    labels: Mapping[str, str] | None = None,
    style: str = "paper",
) -> Figure:
    """Draw records as one figure.

    Parameters
    ----------
    records : sequence of Record
        One gives its own figure; several become panels a, b, c, ... in this order. Panels of the same quantity
        share one y axis.
    width : str, one of ``"single"`` (3.25 in), ``"double"`` (6.75 in), or float in [7, 60], in cm; optional
        By default two columns for several panels, and for a record that needs them. What is wider than one and a half
        columns is laid out as two. All of them are times the factor of the style.
    labels : mapping of str to str, optional
        Texts of the figure, whole, and what stands in their place.
    style : str, one of ``"paper"``, ``"talk"``, ``"poster"``
        All of the figure is larger by one factor, see `STYLES`: for a talk, one column is half a slide of 13.33 in.

    Returns
    -------
    figure : Figure
        Not yet saved: `save_figure` does that.

    Raises
    ------
    ParameterError
        If there is no record, one that has no figure, no such width or style, or no such text.

    Examples
    --------
    >>> common = {"sweep": "freeze", "backbone": "small", "init": "imagenet", "fold": 1, "seed": 0, "n": 400}
    >>> values = {"none": 0.80, "stem": 0.79}
    >>> rows = [common | {"block": block, "accuracy": value} for block, value in values.items()]
    >>> record = Record("freeze", params={"block_names": ["stem"]}, rows=rows, provenance={})
    >>> figure = render([record])
    >>> len(figure.axes)
    1
    """
    if not records:
        raise ParameterError("no record to draw; give at least one folder that holds a record.json")
    panels = [panel_of(record, alone=len(records) == 1) for record in records]
    if width is None:
        width = "double" if len(records) > 1 or panels[0].is_wide(records[0]) else "single"
    factor = factor_of(style)
    width_in = inches(width, style=style) / factor  # laid out as the paper's, then enlarged
    with paper_style():
        strips = strips_of(records, panels, double=width_in > _TWO_COLUMNS_FROM_IN)
        figure = Figure(figsize=(width_in, sum(strip.height_in for strip in strips)))
        FigureCanvasAgg(figure)
        grid = GridSpec(len(strips), 1, figure=figure, height_ratios=[strip.height_in for strip in strips])
        share_scales([draw_strip(figure, grid[k], strip, records, panels) for k, strip in enumerate(strips)])
        if labels:
            rename(figure, labels)
        settle(figure)
        magnify(figure, factor)
    return figure


def spans_columns(figure: Figure, *, style: str = "paper") -> bool:
    """Say whether a figure is laid out for two columns."""
    return bool(figure.get_figwidth() / factor_of(style) > _TWO_COLUMNS_FROM_IN)


def inches(width: str | float, *, style: str = "paper") -> float:
    """Return a figure's width in inches, from a name or from cm; names and limits grow with the style.

    Raises
    ------
    ParameterError
        If it is none, or there is no such style.
    """
    factor = factor_of(style)
    if isinstance(width, str) and width in _WIDTHS:
        return factor * _WIDTHS[width]
    try:
        cm = float(width)
    except ValueError:
        cm = 0.0
    least_cm, most_cm = factor * _LEAST_CM, factor * _MOST_CM
    if not least_cm <= cm <= most_cm:
        raise ParameterError(
            f"width={width!r} is no figure width; choose from {', '.join(_WIDTHS)}, or {least_cm:g} to {most_cm:g} (cm)"
        )
    return cm / _CM_PER_IN


def save_figure(figure: Figure, out: Path | str, *, formats: Sequence[str] = ("pdf", "png")) -> list[Path]:
    """Write a figure, as PDF and as PNG (300 dpi) if nothing else is said, without dates in the files.

    Parameters
    ----------
    figure : Figure
    out : Path
        All files get this stem; the suffix, if there is one, is of `FORMATS`.
    formats : sequence of str, of `FORMATS`
        ``pgf`` needs LaTeX, see `tlprobe.plots.pgf`.

    Returns
    -------
    paths : list of Path
        One a format, in their order; before a pgf file the images that it includes.

    Raises
    ------
    ParameterError
        If `out` has another suffix, there is no such format, or none of LaTeX; nothing is written then.
    ResourceError
        If a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = save_figure(Figure(), f"{folder}/empty")
    >>> [path.name for path in paths]
    ['empty.pdf', 'empty.png']
    """
    out = Path(out)
    if out.suffix and out.suffix.lower()[1:] not in FORMATS:
        raise ParameterError(f"out={str(out)!r} ends in {out.suffix!r}; choose from .{', .'.join(FORMATS)}")
    if unknown := [kind for kind in formats if kind not in FORMATS]:
        raise ParameterError(f"format={unknown[0]!r}; choose from {', '.join(FORMATS)}")
    stem = out.with_suffix("")
    return _write(figure, stem.parent, stem.name, formats)


def save_with_record(record: Record, folder: Path | str, stem: str) -> list[Path]:
    """Draw one record and write ``folder/stem.pdf`` and ``folder/stem.png``; return the two paths."""
    return _write(render([record]), Path(folder), stem, ("pdf", "png"))


def _write(figure: Figure, folder: Path, stem: str, formats: Sequence[str]) -> list[Path]:
    contents: dict[str, bytes] = {}
    with paper_style():  # fonttype and dpi are read only now; the styles differ in the figure itself
        for kind in dict.fromkeys(formats):
            if kind == "pgf":
                contents |= pgf_files(figure, stem, others=tuple(_WITHOUT_DATES))
                continue
            content = io.BytesIO()
            figure.savefig(content, format=kind, dpi=300, metadata=_WITHOUT_DATES[kind])
            contents[f"{stem}.{kind}"] = content.getvalue()
    for name, data in contents.items():  # once all of them are there
        write_atomic(folder / name, data)
    return [folder / name for name in contents]


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
