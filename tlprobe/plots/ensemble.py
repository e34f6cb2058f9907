"""Deep ensemble: what does the mean of several runs' soft-max outputs add to a single run.

Left the single runs and their mean, right the ensemble of them with its interval.
"""

import numpy as np
from matplotlib.axes import Axes

from tlprobe.plots.style import FAINT, PALETTE, accuracy_axis, legend_above, number, placeholder, scope, values
from tlprobe.records import Record

__all__ = ["draw"]


def draw(record: Record, *, ax: Axes) -> Axes:
    """Draw the accuracy of single runs and of their ensemble.

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
    blue, orange = PALETTE[:2]
    single = 100 * values(record.params.get("single") or (), "accuracy")
    spread = np.linspace(-0.1, 0.1, single.size) if single.size > 1 else np.zeros(single.size)
    ax.plot(spread, single, "o", color=blue, alpha=FAINT, markeredgewidth=0)
    shown = [*single]
    means = 100 * values(rows, "single_mean")
    if means.size:
        ax.plot([-0.2, 0.2], [means[0], means[0]], color=blue, linewidth=1.4)
        shown.append(means[0])
    for x, row in enumerate(rows, start=1):
        accuracy, low, high = (100 * number(row.get(name)) for name in ("accuracy", "ci_low", "ci_high"))
        error = np.maximum([[accuracy - low], [high - accuracy]], 0)
        known = np.isfinite(error).all()
        ax.errorbar([x], [accuracy], yerr=error if known else None, color=orange, marker="s", elinewidth=0.8)
        shown += [accuracy, low, high]
    sizes = [_size(row.get("members")) for row in rows]
    names = ["single runs\n(line: mean)", *(f"ensemble\nof {size}" if size else "ensemble" for size in sizes)]
    ax.set_xticks(range(len(names)), names)
    ax.set_xlim(-0.6, len(rows) + 0.6)
    accuracy_axis(ax, shown)
    legend_above(ax, note=scope([{"fold": record.params.get("fold"), **row} for row in rows]))
    return ax


def _size(members: object) -> str:
    """Return how many runs are in an ensemble, given their number or their names."""
    if isinstance(members, list | tuple):
        return str(len(members))
    count = number(members)
    return f"{count:.0f}" if np.isfinite(count) else ""
