"""One record on a figure of its own, on the reader's axes, or over the reader's figure: what `Record.plot` calls.

A figure of its own has the paper style; axes and figures that were given keep theirs.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from tlprobe.errors import ParameterError
from tlprobe.plots.figure import render
from tlprobe.plots.panels import panel_of
from tlprobe.records import Record

__all__ = ["draw"]


def draw(
    record: Record, *, ax: Axes | None = None, figure: Figure | SubFigure | None = None
) -> Axes | Figure | SubFigure:
    """Draw a record, see `Record.plot`.

    Raises
    ------
    ParameterError
        If it has no figure, or none on one pair of axes, or both `ax` and `figure` are given.
    """
    if ax is not None and figure is not None:
        raise ParameterError("ax and figure are both given; choose one of them, or neither")
    if ax is not None:
        panel = panel_of(record, alone=False)
        if panel.on != "ax":
            raise ParameterError(f"ax: {record.probe} is drawn on several axes; give figure=, or neither")
        panel.draw(record, ax=ax)
        return ax
    if figure is None:
        return render([record])
    panel = panel_of(record, alone=True)
    if panel.on == "ax":
        panel.draw(record, ax=figure.add_subplot())
    else:
        panel.draw(record, figure=figure)
    return figure
