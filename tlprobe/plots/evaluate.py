"""Confusion: which classes the network takes for which.

Rows are true classes, columns predictions; each row is divided by its number of clips, so a cell is the
share of the clips of one class. A class without clips is left blank.
"""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tlprobe.plots.style import NOTE_PT, number, placeholder, readable
from tlprobe.records import Record

__all__ = ["draw", "height_in", "is_wide"]

_FEW = 12  # up to this many classes the shares are written into the cells, and one column's width will do
_MANY = 60  # beyond, type of 5 pt would overlap: every second class is named


def n_classes(record: Record) -> int:
    """Return the number of classes of the confusion matrix; 0 without one."""
    confusion = record.arrays.get("confusion")
    return 0 if confusion is None else int(confusion.shape[-1])


def is_wide(record: Record) -> bool:
    """Say whether the figure needs two columns."""
    return n_classes(record) > _FEW


def height_in(record: Record) -> float:
    """Return the height that the figure of a record wants, in inches."""
    return 6.3 if is_wide(record) else 3.1


def draw(record: Record, *, ax: Axes) -> Axes:
    """Draw the confusion matrix of an evaluation.

    Parameters
    ----------
    record : Record
        Of ``tlprobe eval``, with the array ``"confusion"`` (1, C, C), counts true x predicted, and the
        names of the classes in ``params["classes"]``.
    ax : Axes
        Is drawn on.

    Returns
    -------
    ax : Axes
    """
    import seaborn as sns  # here: it brings pandas, which no other figure needs

    n = n_classes(record)
    if n == 0:
        return placeholder(ax, "no confusion matrix:\nthe clips have no labels")
    counts = np.asarray(record.arrays["confusion"], dtype=np.float64).reshape(n, n)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
    given = [str(name) for name in record.params.get("classes") or ()]
    names = given if len(given) == n else [str(index) for index in range(n)]
    few, step = n <= _FEW, math.ceil(n / _MANY)
    sns.heatmap(
        100 * shares,
        mask=~np.isfinite(shares),
        ax=ax,
        vmin=0,
        vmax=100,
        cmap="Blues",
        square=True,
        annot=few,
        fmt=".0f",
        annot_kws={"size": 6},
        linewidths=0.4,
        linecolor="0.85",
        xticklabels=False,
        yticklabels=False,
        cbar_kws={
            "label": "share of the clips of a class (%)",
            "shrink": 0.7,
            "aspect": 30,
            "pad": 0.02,
            "ticks": range(0, 101, 20),
        },
    )
    for cell in ax.texts:  # zeros are noise
        cell.set_visible(cell.get_text() != "0")
    labels = [readable(name, limit=20) for name in names[::step]]
    size = 6.5 if few else 5.5
    style: dict[str, Any] = {"fontsize": size}
    ax.set_xticks(np.arange(0, n, step) + 0.5, labels, rotation=90, **style)
    ax.set_yticks(np.arange(0, n, step) + 0.5, labels, rotation=0, **style)
    ax.tick_params(length=1.5, pad=1)
    every = "" if step == 1 else f" (1 of {step} named)"
    ax.set_xlabel(f"predicted class{every}")
    ax.set_ylabel(f"true class{every}")
    if note := _accuracy_text(record):
        ax.set_title(note, loc="left", fontsize=NOTE_PT, color="0.3", pad=3)
    return ax


def _accuracy_text(record: Record) -> str:
    row = record.rows[0] if record.rows else {}
    accuracy, low, high, n = (number(row.get(name)) for name in ("accuracy", "ci_low", "ci_high", "n"))
    if not math.isfinite(accuracy):
        return ""
    text = f"accuracy {100 * accuracy:.1f} %"
    if math.isfinite(low) and math.isfinite(high):
        text += f" ({100 * low:.1f}\N{EN DASH}{100 * high:.1f})"
    return text + (f", n = {n:.0f} clips" if math.isfinite(n) else "")
