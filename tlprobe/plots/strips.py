"""Panels on a page: in strips from top to bottom, each one wide panel or a grid of narrow ones."""

from collections.abc import Sequence
from string import ascii_lowercase
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from tlprobe.plots.panels import Panel
from tlprobe.records import Record

__all__ = ["Strip", "draw_strip", "strips_of"]

_COLUMNS = {1: 1, 2: 2, 4: 2}  # panels -> columns at double width; else 3


class Strip(NamedTuple):
    """A horizontal part of the figure: the panels of these numbers, 0 is a."""

    numbers: list[int]
    n_rows: int
    n_columns: int
    height_in: float


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
) -> None:
    """Draw the panels of one strip, with their letters where there are several in the figure."""
    cells = place.subgridspec(strip.n_rows, strip.n_columns)
    accuracies: dict[tuple[int, int], Axes] = {}
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
            if panel.shares_accuracy and ax.get_ylabel():  # a placeholder has no axis to share
                accuracies[cell] = ax
    _share_accuracy(accuracies)


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
