"""When is a layer what it will be? Its similarity to its final state, from before the first step on.

One panel a kind of network (and measure), x the epoch, one line a layer, from dark (input) to light (output);
each block has its colours. The dotted line of the same colour is the same measure with the clips permuted,
where there are few enough lines to tell. Several runs of one kind are drawn as their mean.
"""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tlprobe.plots.curve import curve_of
from tlprobe.plots.layers import Layers, layers_of
from tlprobe.plots.series import series_of
from tlprobe.plots.similarity import NOTHING, NULL_LABEL, measure_name, note, rows_of
from tlprobe.plots.style import legend_over, number, panel_title, placeholder, readable, series_look, values
from tlprobe.records import Record

__all__ = ["draw", "height_in", "is_wide"]

_FEW = 6
"""Up to so many layers, each has markers, intervals and its null."""
_LIGHTEST = 0.85  # of viridis; its yellow vanishes on white
_ROW_IN, _REST_IN = 2.1, 0.55


def draw(record: Record, *, figure: Figure | SubFigure) -> list[Axes]:
    """Draw the similarity of each layer to its final state, epoch by epoch.

    Parameters
    ----------
    record : Record
        Of ``tlprobe svcca`` over training; its first treatment of the maps is drawn.
    figure : Figure or SubFigure
        Is drawn on.

    Returns
    -------
    axes : list of Axes
        One a kind of network and measure.
    """
    rows = rows_of(record)
    if not values(rows, "value").size:
        return [placeholder(figure.subplots(), NOTHING)]
    panels, layers = _panels(record), layers_of(rows, record.params)
    n_columns = _n_columns(record)
    grid = figure.add_gridspec(-(-len(panels) // n_columns), n_columns)
    lowest = min(values(rows, "value").min(), 0.0)  # the debiased CKA may be negative
    axes = []
    for index, (title, own) in enumerate(panels):
        row, column = divmod(index, n_columns)
        axes.append(ax := figure.add_subplot(grid[row, column]))
        _draw_panel(ax, own, layers)
        panel_title(ax, title)
        ax.set_ylim(math.floor(10 * lowest) / 10, 1)
        ax.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
        ax.tick_params(labelleft=column == 0)
        ax.set_ylabel("similarity to final state" if column == 0 else "")
        ax.set_xlabel("epoch" if index + n_columns >= len(panels) else "")
    legend_over(figure, axes, note=note(record, rows, samples=True))
    return axes


def height_in(record: Record) -> float:
    """Return the height that the figure of a record wants, in inches."""
    return _ROW_IN * -(-max(len(_panels(record)), 1) // _n_columns(record)) + _REST_IN


def is_wide(record: Record) -> bool:
    """Say whether the figure needs two columns."""
    return len(_panels(record)) > 1


def _n_columns(record: Record) -> int:
    n_kinds = len(series_of(rows_of(record)))
    return n_kinds if n_kinds in (2, 3) else {0: 1, 1: 1, 4: 2}.get(len(_panels(record)), 3)


def _panels(record: Record) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return title and rows of each kind of network and measure."""
    rows = rows_of(record)
    measures = dict.fromkeys(str(row.get("measure")) for row in rows)
    return [
        (f"{series.label} ({measure_name(measure)})", [row for row in series.rows if row.get("measure") == measure])
        for measure in measures
        for series in series_of(rows)
    ]


def _draw_panel(ax: Axes, rows: Sequence[dict[str, Any]], layers: Layers) -> None:
    blocks = list(dict.fromkeys(layers.blocks))
    few = len(layers.blocks) <= _FEW
    rows_at: list[list[dict[str, Any]]] = [[] for _ in layers.blocks]
    for row in rows:
        rows_at[layers.place_of(row)].append(row)
    labelled: set[str] = set()
    for block, own in zip(layers.blocks, rows_at, strict=True):
        curve = curve_of(own, place=lambda row: number(row.get("epoch")))
        index = blocks.index(block)
        color = matplotlib.colormaps["viridis"](_LIGHTEST * index / max(len(blocks) - 1, 1))
        style: dict[str, Any] = {"color": color, "label": "_" if block in labelled else readable(block, limit=16)}
        labelled.add(block)
        if not few:
            ax.plot(curve.x, curve.mean, linewidth=0.5, **style)
            continue
        look = series_look(index)
        ax.plot(curve.x, curve.mean, marker=look.marker, linestyle=look.linestyle, ms=3.5, clip_on=False, **style)
        ax.fill_between(curve.x, *curve.interval, color=color, alpha=0.2, linewidth=0)
        ax.plot(curve.x, curve.null, color=color, linestyle=":", linewidth=0.8)
    if few and values(rows, "null").size:  # one entry for all: the colour says whose null it is
        ax.add_line(Line2D([], [], color="0.3", linestyle=":", linewidth=0.8, label=NULL_LABEL))
    last = max(*values(rows, "epoch"), 1.0)
    ax.set_xlim(-0.03 * last, 1.03 * last)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
