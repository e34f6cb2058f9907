"""Panels on a page: in strips from top to bottom, each one wide panel or a grid of narrow ones.

Panels of the same quantity have one y axis, wherever they are on the page.
"""

from collections.abc import Iterable, Sequence
from string import ascii_lowercase
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import FixedLocator

from tlprobe.plots.panels import Panel
from tlprobe.records import Record

__all__ = ["Placed", "Strip", "draw_strip", "share_scales", "strips_of"]

_COLUMNS = {1: 1, 2: 2, 4: 2}  # panels -> columns at double width; else 3


class Strip(NamedTuple):
    """A horizontal part of the figure: the panels of these numbers, 0 is a."""

    numbers: list[int]
    n_rows: int
    n_columns: int
    height_in: float


class Placed(NamedTuple):
    """Axes in a strip, on row and column, and the name of the y scale that they share with others."""

    ax: Axes
    row: int
    column: int
    scale: str


def strips_of(records: Sequence[Record], panels: Sequence[Panel], *, double: bool) -> list[Strip]:
    """Cut the panels into strips: each wide record is one, each run of narrow records of one kind is one.

    Parameters
    ----------
    records : sequence of Record
    panels : sequence of Panel
        How each of them is drawn.
    double : bool
        Whether the figure has two columns; at one, all panels are below each other.
    """
    wide = [panel.is_wide(record) for record, panel in zip(records, panels, strict=True)]
    runs: list[list[int]] = []
    for number in range(len(records)):
        last = runs[-1][-1] if runs else number
        alike = panels[number].on == panels[last].on  # parts and axes in one grid would be given each other's margins
        if runs and alike and not wide[number] and not wide[last]:
            runs[-1].append(number)
        else:
            runs.append([number])
    strips = []
    for numbers in runs:
        beside = min(panels[number].beside(records[number]) for number in numbers)
        n_columns = min(_COLUMNS.get(len(numbers), 3), beside) if double else 1
        n_rows = -(-len(numbers) // n_columns)
        height_in = max(panels[number].height_in(records[number]) for number in numbers)
        strips.append(Strip(numbers, n_rows, n_columns, height_in * n_rows))
    return strips


def draw_strip(
    figure: Figure, place: SubplotSpec, strip: Strip, records: Sequence[Record], panels: Sequence[Panel]
) -> list[Placed]:
    """Draw the panels of one strip, with their letters where there are several in the figure.

    Returns
    -------
    placed : list of Placed
        Those with a scale to share.
    """
    cells = place.subgridspec(strip.n_rows, strip.n_columns)
    placed = []
    for index, number in enumerate(strip.numbers):
        panel, cell = panels[number], divmod(index, strip.n_columns)
        letter = ascii_lowercase[number % 26] if len(records) > 1 else ""
        if panel.on == "figure":
            part = figure.add_subfigure(cells[cell])
            if letter:  # over all that the panel puts at its own top
                part.suptitle(letter, x=0.01, ha="left", fontsize=9, fontweight="bold")
                part = part.add_subfigure(part.add_gridspec(1, 1)[0])
            panel.draw(records[number], figure=part)
        else:
            ax = panel.draw(records[number], ax=figure.add_subplot(cells[cell]))
            _letter_beside(ax, letter)
            if (scale := panel.scale(records[number])) and ax.get_ylabel():  # a placeholder has no axis to share
                placed.append(Placed(ax, *cell, scale))
    return placed


def share_scales(strips: Sequence[Sequence[Placed]]) -> None:
    """Give the panels of one scale one range; where two of one label stand side by side, it stands there once.

    A logarithmic axis is shared with others like it only.
    """
    by_scale: dict[tuple[str, str], list[Axes]] = {}
    for placed in strips:
        for panel in placed:
            by_scale.setdefault(_axis_of(panel)[:2], []).append(panel.ax)
    for axes in by_scale.values():
        _share(axes)
    for placed in strips:
        there = {(panel.row, panel.column): panel for panel in placed}
        for panel in reversed(placed):  # a label is compared before it goes
            left = there.get((panel.row, panel.column - 1))
            if left and _axis_of(left) == _axis_of(panel):
                panel.ax.set_ylabel("")
                panel.ax.tick_params(labelleft=False)


def _axis_of(panel: Placed) -> tuple[str, str, str]:
    return panel.scale, panel.ax.get_yscale(), panel.ax.get_ylabel()


def _share(axes: Sequence[Axes]) -> None:
    if len(axes) < 2:
        return
    first, *others = axes
    limits = [ax.get_ylim() for ax in axes]
    ticks = _named_ticks(axes)
    for ax in others:
        ax.sharey(first)
    first.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    if ticks:
        first.yaxis.set_major_locator(FixedLocator(ticks))


def _named_ticks(axes: Iterable[Axes]) -> list[float]:
    """Return the ticks of axes that name theirs; of one, they may end before those of another begin."""
    named = (ax.yaxis for ax in axes if isinstance(ax.yaxis.get_major_locator(), FixedLocator))
    return sorted({float(tick) for axis in named for tick in axis.get_majorticklocs()})


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
