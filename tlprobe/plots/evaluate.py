"""Confusion: which classes the network takes for which.

Rows are true classes, columns predictions; each row is divided by its number of clips, so a cell is the
share of the clips of one class. A class without clips is left blank. Of recordings without labels, a bar
each shows the probability of the class that the network names.
"""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tlprobe.plots.style import NOTE_PT, PALETTE, number, placeholder, readable
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
    if n_classes(record) == 0:
        return 0.7 + 0.2 * max(min(len(record.rows), _FEW), 3)
    return 6.3 if is_wide(record) else 3.1


def draw(record: Record, *, ax: Axes) -> Axes:
    """Draw the confusion matrix of an evaluation.

    Parameters
    ----------
    record : Record
        Of ``tlprobe eval``, with the array ``"confusion"`` (1, C, C), counts true x predicted, and the
        names of the classes in ``params["classes"]``; or with rows that have ``clip``, ``predicted`` and
        ``probability``.
    ax : Axes
        Is drawn on.

    Returns
    -------
    ax : Axes
    """
    import seaborn as sns  # here: it brings pandas, which no other figure needs

    n = n_classes(record)
    if n == 0:
        return _draw_named(record, ax=ax)
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


def _draw_named(record: Record, *, ax: Axes) -> Axes:
    rows = [row for row in record.rows if math.isfinite(number(row.get("probability")))]
    if not rows:
        return placeholder(ax, "no confusion matrix:\nthe clips have no labels")
    shown = rows[:_FEW]
    places = np.arange(len(shown))
    percent = [100 * number(row["probability"]) for row in shown]
    ax.barh(places, percent, height=0.6, color=PALETTE[0])
    names = [readable(str(row.get("clip", "")).rsplit("/", 1)[-1], limit=20) for row in shown]
    ax.set_yticks(places, names, fontsize=6.5)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    for place, row, value in zip(places, shown, percent, strict=True):
        inside = value > 50
        ax.annotate(
            readable(row.get("predicted"), limit=20),
            (value, place),
            xytext=(-3 if inside else 3, 0),
            textcoords="offset points",
            ha="right" if inside else "left",
            va="center",
            fontsize=6.5,
            color="white" if inside else "0.1",
        )
    ax.set_xlim(0, 100)
    ax.set_xlabel("probability of the predicted class (%)")
    if len(rows) > len(shown):
        ax.set_title(f"{len(shown)} of {len(rows)} clips", loc="left", fontsize=NOTE_PT, color="0.3", pad=3)
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
