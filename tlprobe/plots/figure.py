"""From records to files: one record as its own figure, several as the panels a, b, c of one.

Nothing here touches pyplot: no window opens, no figure stays behind. The same records give the same
bytes, so a figure in version control changes only when its numbers do.
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Any, Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import GridSpec, SubplotSpec
from matplotlib.transforms import Bbox

from tlprobe.errors import ParameterError
from tlprobe.files import write_atomic
from tlprobe.plots import attribute, ensemble, evaluate, fit, pretrained_vs_random, svcca, sweep
from tlprobe.plots.style import DOUBLE_IN, SINGLE_IN, paper_style
from tlprobe.records import Record

__all__ = ["PROBES", "render", "save_figure", "save_with_record"]

_DRAW: dict[str, Callable[..., Axes]] = {
    "svcca": svcca.draw,
    "fuse": sweep.draw,
    "freeze": sweep.draw,
    "cutoff": sweep.draw,
    "ensemble": ensemble.draw,
    "eval": evaluate.draw,
    "fit": fit.draw,
    "pretrained_vs_random": pretrained_vs_random.draw,
}
PROBES = (*_DRAW, "attribute")
"""The probes whose records have a figure."""

_SHARES_ACCURACY = ("fuse", "freeze", "cutoff", "ensemble")
_PANEL_IN = 2.4
_COLUMNS = {1: 1, 2: 2, 4: 2}  # panels -> columns at double width; else 3
_WIDTHS = {"single": SINGLE_IN, "double": DOUBLE_IN}


class _Strip(NamedTuple):
    """A horizontal part of the figure: one wide record, or a grid of narrow ones."""

    numbers: list[int]
    n_rows: int
    n_columns: int
    height_in: float


def render(records: Sequence[Record], *, width: Literal["single", "double"] | None = None) -> Figure:
    """Draw records as one figure.

    Parameters
    ----------
    records : sequence of Record
        One gives its own figure; several become panels a, b, c, ... in this order. Panels of accuracies
        share one y axis.
    width : str, one of ``"single"`` (3.25 in), ``"double"`` (6.75 in); optional
        By default two columns for several panels, for attributions and for confusions of many classes.

    Returns
    -------
    figure : Figure
        Not yet saved: `save_figure` does that.

    Raises
    ------
    ParameterError
        If there is no record, one of a probe without a figure, or no such width.
    """
    if not records:
        raise ParameterError("no record to draw; give at least one folder that holds a record.json")
    for record in records:
        if record.probe not in PROBES:
            raise ParameterError(f"probe={record.probe!r} has no figure; choose from {', '.join(PROBES)}")
    if width is None:
        width = "double" if len(records) > 1 or _is_wide(records[0]) else "single"
    if width not in _WIDTHS:
        raise ParameterError(f"width={width!r} is no figure width; choose from {', '.join(_WIDTHS)}")
    with paper_style():
        strips = _strips(records, double=width == "double")
        figure = Figure(figsize=(_WIDTHS[width], sum(strip.height_in for strip in strips)))
        FigureCanvasAgg(figure)
        grid = GridSpec(len(strips), 1, figure=figure, height_ratios=[strip.height_in for strip in strips])
        for number, strip in enumerate(strips):
            _draw_strip(figure, grid[number], strip, records)
        _settle(figure)
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


def _is_wide(record: Record) -> bool:
    return record.probe == "attribute" or (record.probe == "eval" and evaluate.is_wide(record))


def _strips(records: Sequence[Record], *, double: bool) -> list[_Strip]:
    """Cut the panels into strips: each wide record is one, each run of narrow records is one."""
    runs: list[list[int]] = []
    for number, record in enumerate(records):
        if runs and not _is_wide(record) and not _is_wide(records[runs[-1][-1]]):
            runs[-1].append(number)
        else:
            runs.append([number])
    strips = []
    for numbers in runs:
        n_columns = _COLUMNS.get(len(numbers), 3) if double else 1
        if any(records[number].probe == "eval" for number in numbers):  # its names and colour bar need the room
            n_columns = min(n_columns, 2)
        n_rows = -(-len(numbers) // n_columns)
        height = max(_height_in(records[number], alone=len(records) == 1) for number in numbers)
        strips.append(_Strip(numbers, n_rows, n_columns, height * n_rows))
    return strips


def _height_in(record: Record, *, alone: bool) -> float:
    if record.probe == "attribute":
        return attribute.height_in(record)
    if record.probe == "eval":
        return evaluate.height_in(record)
    return 1.6 * _PANEL_IN if record.probe == "fit" and alone else _PANEL_IN


def _draw_strip(figure: Figure, place: SubplotSpec, strip: _Strip, records: Sequence[Record]) -> None:
    cells = place.subgridspec(strip.n_rows, strip.n_columns)
    accuracies: dict[tuple[int, int], Axes] = {}
    for index, number in enumerate(strip.numbers):
        record, cell = records[number], divmod(index, strip.n_columns)
        letter = ascii_lowercase[number % 26] if len(records) > 1 else ""
        if record.probe == "attribute":
            part = figure.add_subfigure(cells[cell])
            attribute.draw(record, figure=part)
            _letter_above(part, letter)
        elif record.probe == "fit" and not letter:
            two = cells[cell].subgridspec(2, 1, height_ratios=(3, 2))
            above = fit.draw(record, ax=figure.add_subplot(two[0]))
            fit.draw_loss(record, ax=figure.add_subplot(two[1], sharex=above))
            above.set_xlabel("")
            above.tick_params(labelbottom=False)
        else:
            ax = _DRAW[record.probe](record, ax=figure.add_subplot(cells[cell]))
            _letter_beside(ax, letter)
            if record.probe in _SHARES_ACCURACY and ax.get_ylabel():  # a placeholder has no axis to share
                accuracies[cell] = ax
    _share_accuracy(accuracies)


def _settle(figure: Figure) -> None:
    """Lay the figure out now, under the paper style, and for good.

    The solver of constrained layout walks through sets, so its last digits change from call to call;
    rounded to 1e-5 of the figure they don't, and neither do the files' bytes.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for part in figure.subfigs:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(5))
    for ax in figure.axes:  # those of the parts too
        ax.set_position(Bbox(ax.get_position(original=True).get_points().round(5)))
        locator: Callable[..., Bbox] | None = ax.get_axes_locator()  # of a colour bar with arrows at its ends
        ax.apply_aspect(locator(ax, None) if locator is not None else None)


def _share_accuracy(panels: dict[tuple[int, int], Axes]) -> None:
    """Give panels of accuracies one range; where two stand side by side, one label does for both."""
    if len(panels) < 2:
        return
    limits = [ax.get_ylim() for ax in panels.values()]
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    first = next(iter(panels.values()))
    for (row, column), ax in panels.items():
        if ax is not first:
            ax.sharey(first)
        if (row, column - 1) in panels:
            ax.set_ylabel("")
            ax.tick_params(labelleft=False)
    first.set_ylim(low, high)


def _letter_beside(ax: Axes, letter: str) -> None:
    if letter:
        ax.annotate(
            letter,
            xy=(0, 1),
            xycoords="axes fraction",
            xytext=(-8, 4),
            textcoords="offset points",
            fontsize=9,
            fontweight="bold",
            ha="right",
        )


def _letter_above(part: SubFigure, letter: str) -> None:
    if letter:
        part.suptitle(letter, x=0.01, ha="left", fontsize=9, fontweight="bold")
