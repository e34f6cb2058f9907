"""Deep ensemble: what does the mean of several runs' soft-max outputs add to a single run.

Left the single runs and their mean, then the one network of their mean weights (where there is one), right the
ensemble of them; the last two with their intervals.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tlprobe.plots.style import FAINT, PALETTE, accuracy_axis, legend_above, number, placeholder, scope, values
from tlprobe.records import Record

__all__ = ["draw"]


def draw(record: Record, *, ax: Axes) -> Axes:
    """Draw the accuracy of single runs, of their weight soup and of their ensemble.

    Parameters
    ----------
    record : Record
        Of ``tlprobe ensemble``; ``params["single"]`` lists the single runs.
    ax : Axes
        Is drawn on.

    Returns
    -------
    ax : Axes
    """
    rows = [row for row in record.rows if np.isfinite(number(row.get("accuracy")))]
    if not rows:
        return placeholder(ax, "no accuracies in this record")
    blue, orange, green = PALETTE[:3]
    single = 100 * values(record.params.get("single") or (), "accuracy")
    spread = np.linspace(-0.1, 0.1, single.size) if single.size > 1 else np.zeros(single.size)
    ax.plot(spread, single, "o", color=blue, alpha=FAINT, markeredgewidth=0)
    shown = [*single]
    names = ["single\nruns"]
    means = 100 * values(rows, "single_mean")
    if means.size:
        ax.plot([-0.2, 0.2], [means[0], means[0]], color=blue, linewidth=1.4)
        shown.append(means[0])
    for row in rows:
        if np.isfinite(number(row.get("soup_accuracy"))):
            shown += _estimate(ax, len(names), row, prefix="soup_", color=green, marker="D")
            names.append("weight\nsoup")
        size = _size(row.get("members"))
        shown += _estimate(ax, len(names), row, prefix="", color=orange, marker="s")
        names.append(f"ensemble\nof {size}" if size else "ensemble")
    ax.set_xticks(range(len(names)), names)
    ax.set_xlim(-0.6, len(names) - 0.4)
    accuracy_axis(ax, shown)
    about = scope([{"fold": record.params.get("fold"), **row} for row in rows])
    line = "line: mean" if means.size else ""
    bars = "bars: 95 % intervals" if values(rows, "ci_low").size else ""
    legend_above(ax, note=", ".join(filter(None, (about, line, bars))))
    return ax


def _estimate(
    ax: Axes, x: int, row: Mapping[str, Any], *, prefix: str, color: str, marker: str
) -> tuple[float, float, float]:
    """Draw one accuracy with its interval, if it has one; return them, in percent."""
    accuracy, low, high = (100 * number(row.get(prefix + name)) for name in ("accuracy", "ci_low", "ci_high"))
    error = np.maximum([[accuracy - low], [high - accuracy]], 0)
    known = np.isfinite(error).all()
    ax.errorbar([x], [accuracy], yerr=error if known else None, color=color, marker=marker, elinewidth=0.8)
    return accuracy, low, high


def _size(members: object) -> str:
    """Return how many runs are in an ensemble, given their number or their names."""
    if isinstance(members, list | tuple):
        return str(len(members))
    count = number(members)
    return f"{count:.0f}" if np.isfinite(count) else ""
