"""Deep ensemble: what does the mean of several runs' soft-max outputs add to a single run.

Left the single runs and their mean, then the one network of their mean weights (where there is one), right the
ensemble of them; the last two with their intervals. Of several folds or networks, the three side by side for each.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from tlprobe.plots.style import (
    FAINT,
    PALETTE,
    accuracy_axis,
    block_axis,
    legend_above,
    number,
    placeholder,
    readable,
    scope,
    values,
)
from tlprobe.records import Record

__all__ = ["draw"]

_BESIDE = 0.25  # of one fold's parts, along x


def draw(record: Record, *, ax: Axes) -> Axes:
    """Draw the accuracy of single runs, of their weight soup and of their ensemble.

    Parameters
    ----------
    record : Record
        Of ``tlprobe ensemble``, or of several with ``backbone`` and ``fold``, see `tlprobe.studies.members.together`;
        ``params["single"]`` lists the single runs, row after row.
    ax : Axes
        Is drawn on.

    Returns
    -------
    ax : Axes
    """
    rows = [row for row in record.rows if np.isfinite(number(row.get("accuracy")))]
    if not rows:
        return placeholder(ax, "no accuracies in this record")
    return _draw_groups(record, rows, ax=ax) if len(rows) > 1 else _draw_one(record, rows, ax=ax)


def _draw_one(record: Record, rows: Sequence[Mapping[str, Any]], *, ax: Axes) -> Axes:
    """Draw one ensemble: its parts have names on the x axis."""
    blue, orange, green = PALETTE[:3]
    single = 100 * values(record.params.get("single") or (), "accuracy")
    shown = _runs(ax, 0, single, rows[0], color=blue)
    names = ["single\nruns"]
    if np.isfinite(number(rows[0].get("soup_accuracy"))):
        shown += _estimate(ax, len(names), rows[0], prefix="soup_", color=green, marker="D")
        names.append("weight\nsoup")
    size = _size(rows[0].get("members"))
    shown += _estimate(ax, len(names), rows[0], prefix="", color=orange, marker="s")
    names.append(f"ensemble\nof {size}" if size else "ensemble")
    ax.set_xticks(range(len(names)), names)
    ax.set_xlim(-0.6, len(names) - 0.4)
    accuracy_axis(ax, shown)
    about = scope([{"fold": record.params.get("fold"), **row} for row in rows])
    line = "line: mean" if values(rows, "single_mean").size else ""
    bars = "bars: 95 % intervals" if values(rows, "ci_low").size else ""
    legend_above(ax, note=", ".join(filter(None, (about, line, bars))))
    return ax


def _draw_groups(record: Record, rows: Sequence[Mapping[str, Any]], *, ax: Axes) -> Axes:
    """Draw several ensembles, each with its single runs and its soup: the legend names the parts."""
    blue, orange, green = PALETTE[:3]
    single = [100 * number(run.get("accuracy")) for run in record.params.get("single") or ()]
    shown: list[float] = []
    at = 0
    for x, row in enumerate(rows):
        n = int(number(row["members"]))
        shown += _runs(ax, x - _BESIDE, np.array(single[at : at + n]), row, color=blue, half=0.14)
        at += n
        if np.isfinite(number(row.get("soup_accuracy"))):
            shown += _estimate(ax, x, row, prefix="soup_", color=green, marker="D")
        shown += _estimate(ax, x + _BESIDE, row, prefix="", color=orange, marker="s")
    networks = {str(row.get("backbone")) for row in rows}
    names = [" ".join((readable(row.get("backbone"), limit=16),) * (len(networks) > 1)) for row in rows]
    folds = [f"fold {row['fold']}" if row.get("fold") is not None else "" for row in rows]
    block_axis(ax, [" ".join(filter(None, pair)) for pair in zip(names, folds, strict=True)], label="")
    ax.set_xlim(-0.55, len(rows) - 0.45)
    accuracy_axis(ax, shown)
    sizes = sorted({_size(row.get("members")) for row in rows})
    parts = {
        "single runs, mean": (blue, "o"),
        "weight soup": (green, "D"),
        f"ensemble of {' or '.join(sizes)}": (orange, "s"),
    }
    for label, (color, marker) in parts.items():
        if marker != "D" or values(rows, "soup_accuracy").size:
            ax.plot([], [], color=color, marker=marker, linestyle="-" if marker == "o" else "", label=label)
    about = scope([{**row, "fold": None} for row in rows])
    bars = "bars: 95 % intervals" if values(rows, "ci_low").size else ""
    legend_above(ax, note=", ".join(filter(None, (about and f"{about} each", bars))))
    return ax


def _runs(
    ax: Axes, x: float, single: npt.NDArray[Any], row: Mapping[str, Any], *, color: str, half: float = 0.2
) -> list[float]:
    """Draw single runs as dots around `x`, and their mean as a line; return the accuracies."""
    spread = np.linspace(-half / 2, half / 2, single.size) if single.size > 1 else np.zeros(single.size)
    ax.plot(x + spread, single, "o", color=color, alpha=FAINT, markeredgewidth=0)
    mean = 100 * number(row.get("single_mean"))
    if not np.isfinite(mean):
        return [*single]
    ax.plot([x - half, x + half], [mean, mean], color=color, linewidth=1.4)
    return [*single, mean]


def _estimate(
    ax: Axes, x: float, row: Mapping[str, Any], *, prefix: str, color: str, marker: str
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
