"""Figs. 2b, 2c and the cutoff panel: accuracy against the block up to which something was done.

Points are the trials of the sweep with their intervals; the horizontal lines are the two levels every
sweep is read against, fully fine-tuned and random initialisation, with their intervals as bands. Where
several trials share a block (folds, seeds), the point is their mean, and the single trials are drawn
faintly behind it in place of an interval.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from tlprobe.plots.style import (
    FAINT,
    PALETTE,
    Look,
    accuracy_axis,
    block_axis,
    legend_above,
    number,
    placeholder,
    readable,
    scope,
    series_look,
    values,
)
from tlprobe.records import Record

__all__ = ["LEVELS", "SHAPE_WORDS", "X_LABELS", "draw"]

X_LABELS = {"fuse": "pretrained", "freeze": "frozen", "cutoff": "network ends"}
"""What is done to the network, by probe; a shape's word follows."""

SHAPE_WORDS = {"prefix": "up to", "suffix": "from", "single": "alone:", "except": "all but"}

LEVELS: dict[str, tuple[str, str, Any]] = {
    "full": ("fully fine-tuned", "0.15", "--"),
    "random": ("random init", PALETTE[1], (0, (4, 1.5, 1, 1.5))),
}

Rows = Sequence[dict[str, Any]]


def draw(record: Record, *, ax: Axes) -> Axes:
    """Draw one sweep: fuse, freeze or cutoff.

    Parameters
    ----------
    record : Record
        Of ``tlprobe fuse``, ``freeze`` or ``cutoff``; ``params["blocks"]`` gives the order of the x axis.
    ax : Axes
        Is drawn on.

    Returns
    -------
    ax : Axes
    """
    probe = record.probe
    if not values(record.rows, "accuracy").size:
        return placeholder(ax, "no accuracies in this record")
    swept = [str(row.get("block")) for row in record.rows if row.get("treatment") == probe]
    blocks = list(dict.fromkeys([*map(str, record.params.get("blocks") or ()), *swept]))
    backbones = list(dict.fromkeys(str(row.get("backbone")) for row in record.rows))
    several = len(backbones) > 1
    points: list[dict[str, Any]] = []
    for index, backbone in enumerate(backbones):
        rows = _of(record, backbone)
        trials = [_distinct(row for row in rows if _is_point(row, record=record, block=block)) for block in blocks]
        points += [row for here in trials for row in here]
        _draw_points(ax, trials, look=series_look(index), label=readable(backbone) if several else None)
    epochs = values(_own(points, probe=probe), "epochs")
    for treatment, (index, backbone) in itertools.product(LEVELS, enumerate(backbones)):
        level = _distinct(row for row in _of(record, backbone) if row.get("treatment") == treatment)
        color = series_look(index).color if several else None
        _draw_level(ax, level, treatment=treatment, color=color, swept=epochs)
    block_axis(ax, blocks, label=_x_label(record))
    fields = ("accuracy", "ci_low", "ci_high")
    accuracy_axis(ax, [100 * number(row.get(field)) for row in record.rows for field in fields])
    legend_above(ax, note=scope(_own(points, probe=probe)))
    return ax


def _x_label(record: Record) -> str:
    """Say what was done to the network up to, from, alone in or in all but the blocks on the axis."""
    what, rest, partition = X_LABELS[record.probe], record.params.get("rest"), record.params.get("partition")
    word = "after" if record.probe == "cutoff" else SHAPE_WORDS[str(record.params.get("shape", "prefix"))]
    about = [f"rest {rest}"] if rest not in (None, "random", "trained") else []
    about += [f"parts equal by {str(partition).partition('/')[0]}"] if partition else []
    return f"{what} {word}" + (f" ({', '.join(about)})" if about else "")


def _of(record: Record, backbone: str) -> Rows:
    return [row for row in record.rows if str(row.get("backbone")) == backbone]


def _is_point(row: dict[str, Any], *, record: Record, block: str) -> bool:
    """Say whether a row is the trial of the sweep at `block`; some of those are the levels themselves."""
    probe, prefix = record.probe, record.params.get("shape", "prefix") in (None, "prefix")
    level = row.get("treatment")
    coincides = {
        "fuse": level == ("random" if block == "none" else "full") if prefix else level in ("full", "random"),
        "freeze": level == "full" and (block == "none" or not prefix),
        "cutoff": level in ("full", "random"),  # the uncut network, whatever it started from
    }
    return row.get("block") == block and bool(level == probe or coincides[probe])


def _own(points: Rows, *, probe: str) -> Rows:
    """Leave out the points that are the levels, which a run given by the user may have trained for longer."""
    return [row for row in points if row.get("treatment") == probe] or points


def _distinct(rows: Any) -> list[dict[str, Any]]:
    """Keep one row a run: a level that is also a point of the sweep may be listed twice."""
    runs = {tuple(row.get(name) for name in ("fold", "seed", "epochs", "accuracy")): row for row in rows}
    return list(runs.values())


def _draw_points(ax: Axes, trials: Sequence[Rows], *, look: Look, label: str | None) -> None:
    means = np.full(len(trials), np.nan)
    errors = np.full((2, len(trials)), np.nan)
    for x, rows in enumerate(trials):
        single = 100 * values(rows, "accuracy")
        if not single.size:
            continue
        means[x] = single.mean()
        if single.size > 1:
            ax.plot(np.full(single.size, x), single, look.marker, color=look.color, alpha=FAINT, ms=2.5, mew=0)
        else:
            row = next(row for row in rows if np.isfinite(number(row.get("accuracy"))))
            ends = 100 * np.array([number(row.get("ci_low")), number(row.get("ci_high"))])
            errors[:, x] = np.maximum([means[x] - ends[0], ends[1] - means[x]], 0)
    # the line apart from the bars: a legend shows it without a bar, and in the order of drawing
    ax.plot(means, color=look.color, marker=look.marker, linestyle=look.linestyle, label=label, zorder=3)
    if np.isfinite(errors).any():
        ax.errorbar(
            np.arange(len(trials)), means, yerr=errors, color=look.color, linestyle="", elinewidth=0.8, zorder=3
        )


def _draw_level(ax: Axes, rows: Rows, *, treatment: str, color: str | None, swept: np.ndarray) -> None:
    """Draw one level; in the `color` of its backbone where there are several, and then without a band."""
    accuracies = 100 * values(rows, "accuracy")
    if not accuracies.size:
        return
    label, own_color, line = LEVELS[treatment]
    epochs = set(values(rows, "epochs"))
    if swept.size and epochs and epochs != set(swept):  # a level trained for longer must not pass for an equal
        label += f" ({', '.join(f'{value:g}' for value in sorted(epochs))} epochs)"
    look: dict[str, Any] = {"linestyle": line, "linewidth": 1.0}
    ax.axhline(accuracies.mean(), color=color or own_color, label="_nolegend_" if color else label, zorder=2, **look)
    if color:  # one entry for all backbones: the colour says whose level it is
        if label not in ax.get_legend_handles_labels()[1]:
            ax.add_line(Line2D([], [], color="0.3", label=label, **look))
        return
    ends = values(rows, "ci_low"), values(rows, "ci_high")
    if accuracies.size > 1:
        ax.axhspan(accuracies.min(), accuracies.max(), color=own_color, alpha=0.12, linewidth=0, zorder=1)
    elif ends[0].size and ends[1].size:
        ax.axhspan(100 * ends[0][0], 100 * ends[1][0], color=own_color, alpha=0.12, linewidth=0, zorder=1)
