"""Figs. 2b, 2c and the cutoff panel: accuracy against the block up to which something was done.

Points are the trials of the sweep with their intervals; the horizontal lines are the two levels every
sweep is read against, fully fine-tuned and random initialisation, with their intervals as bands. Where
several trials share a block (folds, seeds), the point is their mean, and the single trials are drawn
faintly behind it in place of an interval.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
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

__all__ = ["LEVELS", "SHAPE_WORDS", "X_LABELS", "conditions", "distinct", "draw", "has_bars", "treated"]

X_LABELS = {"fuse": "pretrained", "freeze": "frozen", "cutoff": "network ends"}
"""What is done to the network, by probe; a shape's word follows."""

SHAPE_WORDS = {"prefix": "up to", "suffix": "from", "single": "alone:", "except": "all but"}

LEVELS: dict[str, tuple[str, str, Any]] = {
    "full": ("fully fine-tuned", "0.15", "--"),
    "random": ("random init", PALETTE[1], (0, (4, 1.5, 1, 1.5))),
}

_OF_A_RUN = ("run", "backbone", "init", "fold", "seed", "epochs", "accuracy")  # no two runs share all of them

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
    blocks, backbones = _blocks(record), _backbones(record)
    several = len(backbones) > 1
    points: list[dict[str, Any]] = []
    for index, backbone in enumerate(backbones):
        trials = _trials(record, backbone)
        points += [row for here in trials for row in here]
        _draw_points(ax, trials, look=series_look(index), label=readable(backbone) if several else None)
    epochs = values(_own(points, probe=probe), "epochs")
    for treatment, (index, backbone) in itertools.product(LEVELS, enumerate(backbones)):
        level = distinct(row for row in _of(record, backbone) if row.get("treatment") == treatment)
        color = series_look(index).color if several else None
        _draw_level(ax, level, treatment=treatment, color=color, swept=epochs)
    block_axis(ax, blocks, label=_x_label(record))
    fields = ("accuracy", "ci_low", "ci_high")
    accuracy_axis(ax, [100 * number(row.get(field)) for row in record.rows for field in fields])
    legend_above(ax, note=scope(_own(points, probe=probe)))
    return ax


def _x_label(record: Record) -> str:
    """Say what was done to the network up to, from, alone in or in all but the blocks on the axis."""
    rest, partition = record.params.get("rest"), record.params.get("partition")
    return treated(record.probe, record.params.get("shape")) + conditions(rest, partition)


def treated(sweep: object, shape: object) -> str:
    """Return what is done to the network at a block whose name follows.

    >>> treated("freeze", "prefix"), treated("fuse", "single"), treated("cutoff", None)
    ('frozen up to', 'pretrained alone:', 'network ends after')
    """
    word = "after" if sweep == "cutoff" else SHAPE_WORDS.get(str(shape or "prefix"), str(shape))
    return f"{X_LABELS.get(str(sweep), 'swept')} {word}"


def conditions(rest: object, partition: object) -> str:
    """Return what else holds in a sweep, where it is not the usual: what the other blocks get, and equal parts.

    >>> conditions("shuffled", "params/4"), conditions("random", None)
    (' (rest shuffled, parts equal by params)', '')
    """
    about = [f"rest {rest}"] if rest not in (None, "random", "trained") else []
    about += [f"parts equal by {str(partition).partition('/')[0]}"] if partition else []
    return f" ({', '.join(about)})" if about else ""


def has_bars(record: Record) -> bool:
    """Say whether any point of a sweep has an interval for a bar: of several runs, the runs are drawn in its place."""
    trials = (rows for backbone in _backbones(record) for rows in _trials(record, backbone))
    return any(np.isfinite(_bar(rows)).any() for rows in trials)


def distinct(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Keep one row a run: a level that is also a point of the sweep may be listed twice."""
    runs = {tuple(row.get(name) for name in _OF_A_RUN): dict(row) for row in rows}
    return list(runs.values())


def _blocks(record: Record) -> list[str]:
    """Return the places of the x axis: those of the parameters, then what else was swept."""
    swept = [str(row.get("block")) for row in record.rows if row.get("treatment") == record.probe]
    return list(dict.fromkeys([*map(str, record.params.get("blocks") or ()), *swept]))


def _backbones(record: Record) -> list[str]:
    return list(dict.fromkeys(str(row.get("backbone")) for row in record.rows))


def _trials(record: Record, backbone: str) -> list[Rows]:
    """Return the runs of one network at each place of the x axis."""
    rows = _of(record, backbone)
    return [distinct(row for row in rows if _is_point(row, record=record, block=block)) for block in _blocks(record)]


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


def _bar(rows: Rows) -> npt.NDArray[np.float64]:
    """Return how far the interval of a point reaches down and up, in percent; NaN unless it is of one run."""
    there = [row for row in rows if np.isfinite(number(row.get("accuracy")))]
    if len(there) != 1:
        return np.full(2, np.nan)
    mean, low, high = (100 * number(there[0].get(name)) for name in ("accuracy", "ci_low", "ci_high"))
    return np.maximum([mean - low, high - mean], 0)


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
        errors[:, x] = _bar(rows)
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
