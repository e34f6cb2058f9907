"""A search: how good its trials were on the inner fold, one after the other, and which values that depended on.

Left each trial's accuracy on the fold that choices are made on, and the best so far; right how much of the
accuracies' variance each searched value explains alone. The held-out accuracy of the chosen trial is written above:
it is a number and no point, because no trial was compared by it.
"""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from tlprobe.plots.style import (
    DOUBLE_IN,
    NOTE_PT,
    PALETTE,
    accuracy_axis,
    legend_above,
    number,
    panel_title,
    placeholder,
    readable,
    size_in,
)
from tlprobe.records import Record

__all__ = ["draw", "draw_history", "draw_importance", "height_in"]

_HEIGHT_IN = 2.6
_ROW_IN = 0.17
_LOOKS = (
    ("complete", "complete", "o", PALETTE[0], PALETTE[0]),
    ("pruned", "pruned, after its last epoch", "v", "none", PALETTE[1]),
)


def height_in(record: Record) -> float:
    """Return how high a record's figure is, in inches: a row for each searched value."""
    return max(_HEIGHT_IN, 0.9 + _ROW_IN * len(record.params.get("importance") or ()))


def draw(record: Record, *, figure: Figure | SubFigure) -> None:
    """Draw a search.

    Parameters
    ----------
    record : Record
        Of ``tlprobe tune``.
    figure : Figure or SubFigure
        Is drawn on, two axes side by side; in one column the history alone, as names and bars need the room.
    """
    if figure.bbox.width / figure.dpi < DOUBLE_IN / 2 + 1:
        draw_history(record, ax=figure.subplots())
        return
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    draw_history(record, ax=left)
    draw_importance(record, ax=right)


def draw_history(record: Record, *, ax: Axes) -> Axes:
    """Draw the accuracy of each trial on the inner fold, and the best so far."""
    rows = [row for row in record.rows if math.isfinite(number(row.get("inner_accuracy")))]
    if not rows:
        return placeholder(ax, "no accuracies in this record")
    place = np.array([number(row.get("number")) for row in rows])
    accuracy = np.array([100 * number(row["inner_accuracy"]) for row in rows])
    state = np.array([str(row.get("state")) for row in rows])
    is_complete = state == "complete"
    for name, label, marker, face, edge in _LOOKS:
        if (here := state == name).any():
            ax.plot(
                place[here],
                accuracy[here],
                marker,
                ls="",
                mfc=face,
                mec=edge,
                mew=0.8,
                ms=4,
                label=label,
                clip_on=False,
            )
    if is_complete.any():
        best = np.maximum.accumulate(np.where(is_complete, accuracy, -np.inf))
        known = np.isfinite(best)
        ax.step(place[known], best[known], where="post", color="0.3", lw=1, zorder=1, label="best so far")
    shown = np.isin(state, [name for name, *_ in _LOOKS])
    chosen = record.params.get("chosen") or {}
    at = number(chosen.get("number"))
    if math.isfinite(at):
        ax.plot(
            [at],
            [100 * number(chosen.get("inner_accuracy"))],
            "o",
            ms=8,
            mfc="none",
            clip_on=False,
            mec="0.15",
            mew=0.8,
            ls="",
            label="chosen",
        )
    accuracy_axis(ax, accuracy[shown])
    ax.set_ylabel("accuracy on the inner fold (%)")
    ax.set_xlabel("trial")
    ax.set_xlim(min(place) - 0.6, max(place) + 0.6)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    legend_above(ax, note=_note(record), n_columns=2 if size_in(ax) > 2.2 else 1)
    return ax


def draw_importance(record: Record, *, ax: Axes) -> Axes:
    """Draw how much of the accuracies' variance each searched value explains."""
    importance = record.params.get("importance") or {}
    if not importance:
        return placeholder(ax, f"no importance:\n{record.params.get('why_no_importance') or 'not in this record'}")
    names = sorted(importance, key=lambda name: number(importance[name]))
    shares = [100 * number(importance[name]) for name in names]
    ax.barh(range(len(names)), shares, color=PALETTE[2], height=0.6)
    for place, share in enumerate(shares):
        ax.annotate(
            f"{share:.0f}", (share, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=NOTE_PT
        )
    ax.set_yticks(range(len(names)), [readable(name, limit=20) for name in names])
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.set_xlim(0, 112)
    ax.xaxis.set_ticks([0, 25, 50, 75, 100])
    ax.set_xlabel("share, each value alone (%)")
    n = number(record.params.get("importance_n"))
    of = f", {n:.0f} complete trials" if math.isfinite(n) else ""
    panel_title(ax, f"importance ({record.params.get('importance_evaluator', 'unknown estimate')}{of})")
    return ax


def _note(record: Record) -> str:
    """Say what the points rest on, what is not drawn, and how the chosen one did on the held-out fold."""
    params = record.params
    chosen = params.get("chosen") or {}
    parts = []
    n_inner = number(chosen.get("n_inner"))
    if math.isfinite(n_inner):
        parts.append(f"fold {params.get('inner_fold')}, n = {n_inner:.0f} clips")
    for state in ("failed", "diverged"):
        if n := sum(row.get("state") == state for row in record.rows):
            parts.append(f"{n} {state}")
    held_out, low, high = (100 * number(chosen.get(name)) for name in ("accuracy", "ci_low", "ci_high"))
    if math.isfinite(held_out):
        interval = f" ({low:.1f}\N{EN DASH}{high:.1f})" if math.isfinite(low + high) else ""
        parts.append(f"chosen on held-out fold {params.get('fold')}: {held_out:.1f} %{interval}, n = {chosen.get('n')}")
    return "; ".join(parts)
