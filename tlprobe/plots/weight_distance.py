"""How far each block's convolution weights, and its batch-norm statistics, are from where fine-tuning began.

One line for each kind of network, x the blocks in order; y 0 is a block that did not move. Several runs of
one kind are drawn as their mean with the single runs behind it. Kept epochs are rows of the record, but
only the final state is drawn.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from tlprobe.plots.series import Series, series_of
from tlprobe.plots.style import FAINT, block_axis, legend_above, placeholder, scope, values
from tlprobe.records import Record

__all__ = ["draw", "draw_batch_norm"]

_LOG_FROM = 20
"""From this ratio of the largest to the smallest value on, a linear axis would flatten the small ones."""

_STATISTICS: dict[str, dict[str, Any]] = {
    "bn_mean_shift": {"label": "mean, in std before", "linestyle": "-"},
    "bn_log_std_shift": {"label": "log std", "linestyle": "--", "mfc": "white"},
}


def draw(record: Record, *, ax: Axes) -> Axes:
    """Draw how far the convolution (and dense) weights of each block moved.

    Parameters
    ----------
    record : Record
        Of `tlprobe.weight_distance`; ``params["blocks"]`` gives the order of the blocks.
    ax : Axes
        Is drawn on.

    Returns
    -------
    ax : Axes
    """
    rows, blocks = _final(record), _blocks(record)
    shown = values(rows, "relative_l2")
    if not shown.size:
        return placeholder(ax, "no weight distances in this record")
    for series in series_of(rows):
        look = {"label": series.label, "linestyle": series.look.linestyle}
        _draw_field(ax, series, "relative_l2", blocks=blocks, style=look)
    block_axis(ax, blocks, label="block")
    _distance_axis(ax, shown)
    ax.set_ylabel("relative change of\nconvolution weights")
    legend_above(ax, note=scope(rows))
    return ax


def draw_batch_norm(record: Record, *, ax: Axes) -> Axes:
    """Draw how far each block's batch-norm statistics moved, in the colours of `draw`; arguments as there."""
    rows, blocks = _final(record), _blocks(record)
    if not any(values(rows, field).size for field in _STATISTICS):
        placeholder(ax, "no batch-norm statistics in this record")
        if blocks:  # the axis may be shared with that of `draw`
            block_axis(ax, blocks, label="block")
        return ax
    for series in series_of(rows):
        for field, style in _STATISTICS.items():
            _draw_field(ax, series, field, blocks=blocks, style=style | {"label": "_"})
    for style in _STATISTICS.values():  # one entry for all: the colour says whose it is
        ax.add_line(Line2D([], [], color="0.3", marker="o", **style))
    block_axis(ax, blocks, label="block")
    _linear_axis(ax)
    ax.set_ylabel("batch-norm shift (rms)")
    legend_above(ax, n_columns=len(_STATISTICS))
    return ax


def _final(record: Record) -> list[dict[str, Any]]:
    return [row for row in record.rows if row.get("epoch") is None]


def _blocks(record: Record) -> list[str]:
    found = [str(row.get("block")) for row in record.rows]
    return list(dict.fromkeys([*map(str, record.params.get("blocks") or ()), *found]))


def _draw_field(ax: Axes, series: Series, field: str, *, blocks: Sequence[str], style: dict[str, Any]) -> None:
    means = np.full(len(blocks), np.nan)
    for x, block in enumerate(blocks):
        single = values([row for row in series.rows if str(row.get("block")) == block], field)
        if single.size > 1:
            faint = {**style, "label": None, "linestyle": "", "alpha": FAINT, "ms": 2.5, "mew": 0.5}
            ax.plot(np.full(single.size, x), single, color=series.look.color, marker=series.look.marker, **faint)
        means[x] = single.mean() if single.size else np.nan
    # no clipping: a block at 0 keeps its whole marker
    ax.plot(means, color=series.look.color, marker=series.look.marker, clip_on=False, **style)


def _distance_axis(ax: Axes, shown: np.ndarray) -> None:
    """Make the y axis logarithmic where the values ask for it; a block that did not move has no place there."""
    low, high = float(shown.min()), float(shown.max())
    if low <= 0 or high <= _LOG_FROM * low:
        return _linear_axis(ax)
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if math.log10(high / low) < 2 else (1,)
    ax.set_yscale("log")
    ax.set_ylim(low / 1.4, high * 1.4)
    ax.yaxis.set_major_locator(FixedLocator([step * 10.0**decade for decade in decades for step in steps]))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(NullLocator())
    return None


def _linear_axis(ax: Axes) -> None:
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
