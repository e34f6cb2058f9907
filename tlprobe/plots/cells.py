"""A study's cells: each sweep over blocks as a panel, its shapes and networks as lines; else a point a cell.

A point is the mean over clips and runs, its bar the 95 % interval over source recordings; the horizontal lines are
the levels every sweep is read against. A cell without a run leaves a gap, and the note counts the runs that are
missing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from tlprobe.plots.style import (
    Look,
    accuracy_axis,
    block_axis,
    init_label,
    init_look,
    legend_above,
    number,
    placeholder,
    readable,
    scope,
    series_look,
    values,
)
from tlprobe.plots.sweep import LEVELS, SHAPE_WORDS, X_LABELS, conditions, treated
from tlprobe.records import Record

__all__ = ["draw", "draw_all", "families", "has_bars", "start_of"]

Rows = Sequence[dict[str, Any]]

_VIEW = ("features", "data_split")
_NETWORK = ("backbone", "start", *_VIEW)
_LINE = (*_NETWORK, "shape", "rest")  # what one line of a panel shares
_DODGE = 0.09  # of a block, between the bars of neighbouring lines


def families(record: Record) -> list[tuple[str, str | None]]:
    """Return the sweeps of a ``cells`` record, each with its partition; none where it has levels alone."""
    found = ((row["sweep"], row["partition"]) for row in record.rows if row["block"] is not None)
    return list(dict.fromkeys(found))


def draw_all(record: Record, *, figure: Figure | SubFigure) -> None:
    """Draw each sweep of a ``cells`` record on axes of its own, one under the other."""
    sweeps = families(record)
    for ax, family in zip(figure.subplots(len(sweeps), 1), sweeps, strict=True):
        draw(record, ax=ax, family=family)


def draw(record: Record, *, ax: Axes, family: tuple[str, str | None] | None = None) -> Axes:
    """Draw one sweep of a study, or its levels where it has no sweep.

    Parameters
    ----------
    record : Record
        Of `tlprobe.studies.cells.cells`.
    ax : Axes
        Is drawn on.
    family : (str, str or None), optional
        Sweep and partition; default: the first, see `families`.

    Returns
    -------
    ax : Axes
    """
    if not values(record.rows, "accuracy").size:
        return placeholder(ax, "no accuracies in this record")
    family = family or next(iter(families(record)), None)
    if family is None:
        return _draw_levels(record, ax=ax)
    rows = [row for row in record.rows if (row["sweep"], row["partition"]) == family and row["block"] is not None]
    blocks = _blocks(record, rows)
    series: dict[tuple[str, ...], Rows] = {}
    for row in rows:
        key = tuple(str(row[name]) for name in _LINE)
        series[key] = [*series.get(key, ()), row]
    names = [_label(key, others=list(series)) for key in series]
    for index, (label, found) in enumerate(zip(names, series.values(), strict=True)):
        shift = (index - (len(series) - 1) / 2) * _DODGE
        _draw_series(ax, found, blocks=blocks, shift=shift, look=series_look(index), label=label)
    levels = [row for row in record.rows if row["sweep"] in LEVELS and row["block"] is None]
    networks = list(dict.fromkeys(key[: len(_NETWORK)] for key in series))
    for row in levels:
        network = tuple(str(row[name]) for name in _NETWORK)
        if network in networks:
            _draw_level(ax, row, whose=_label(network, others=networks))
    block_axis(ax, blocks, label=_x_label(family, rows))
    fields = ("accuracy", "ci_low", "ci_high")
    accuracy_axis(ax, [100 * number(row.get(field)) for row in [*rows, *levels] for field in fields])
    legend_above(ax, note=_note(record, [*rows, *levels]), n_columns=1 if len(series) < 3 else 2)
    return ax


def _blocks(record: Record, rows: Rows) -> list[str]:
    """Return the values of the x axis, input to output; ``none`` comes first."""
    there = {str(row["block"]) for row in rows}
    named = [name for names in record.params.get("block_names", {}).values() for name in names]
    order = ["none", *named, *sorted(there)]  # parts of a partition are numbered
    return [name for name in dict.fromkeys(order) if name in there]


def _label(key: tuple[str, ...], *, others: Sequence[tuple[str, ...]]) -> str | None:
    """Say how a line, or a network, differs from the others of its panel; None where it is the only one."""
    backbone, start, features, split, *swept = key
    words = [readable(backbone), init_label(start), features, split]
    if swept:
        shape, rest = swept
        words += [SHAPE_WORDS.get(shape, shape).removesuffix(":"), f"rest {rest}"]
    differs = (len({other[at] for other in others}) > 1 for at in range(len(key)))
    return ", ".join(word for word, needed in zip(words, differs, strict=True) if needed) or None


def _x_label(family: tuple[str, str | None], rows: Rows) -> str:
    """Say what was done to the network in all lines of a panel; the legend says how they differ."""
    sweep, partition = family
    shapes, rests = ({row[name] for row in rows} for name in ("shape", "rest"))
    what = treated(sweep, *shapes) if len(shapes) == 1 or sweep == "cutoff" else X_LABELS[sweep]
    return what + conditions(min(rests) if len(rests) == 1 else None, partition)


def _draw_series(ax: Axes, rows: Rows, *, blocks: Sequence[str], shift: float, look: Look, label: str | None) -> None:
    means, errors = np.full(len(blocks), np.nan), np.full((2, len(blocks)), np.nan)
    for row in rows:
        at = blocks.index(str(row["block"]))
        means[at], errors[:, at] = _percent(row)
    x = np.arange(len(blocks)) + shift
    # the line apart from the bars: a legend shows it without a bar, and in the order of drawing
    first = int(blocks[0] == "none" and rows[0]["shape"] == "suffix")  # from none: nothing, no neighbour of the stem
    style: dict[str, Any] = {"color": look.color, "marker": look.marker, "zorder": 3}
    ax.plot(x[first:], means[first:], linestyle=look.linestyle, label=label, **style)
    if first:
        ax.plot(x[:1], means[:1], linestyle="", label="_nolegend_", **style)
    if np.isfinite(errors).any():
        ax.errorbar(x, means, yerr=errors, color=look.color, linestyle="", elinewidth=0.8, zorder=3)


def _draw_level(ax: Axes, row: dict[str, Any], *, whose: str | None) -> None:
    """Draw the fully fine-tuned or the random network, with its interval where it is the only one of its kind."""
    mean, _ = _percent(row)
    if not np.isfinite(mean):
        return
    label, color, line = LEVELS[row["sweep"]]
    if whose is not None:
        label = f"{label}, {whose}"
    ax.axhline(mean, color=color, linestyle=line, linewidth=1.0, label=label, zorder=2)
    low, high = (100 * number(row[name]) for name in ("ci_low", "ci_high"))
    if whose is None and np.isfinite([low, high]).all():
        ax.axhspan(low, high, color=color, alpha=0.12, linewidth=0, zorder=1)


def _draw_levels(record: Record, *, ax: Axes) -> Axes:
    """Draw a point a cell: networks along the x axis, or what differs beside them; starts by their looks."""
    rows = [row for row in record.rows if row["block"] is None]
    names = [name for name in ("backbone", *_VIEW) if len({row[name] for row in rows}) > 1] or ["backbone"]
    places = list(dict.fromkeys(tuple(row[name] for name in names) for row in rows))
    starts = list(dict.fromkeys(start_of(row) for row in rows))
    for index, start in enumerate(starts):
        shift = (index - (len(starts) - 1) / 2) * 0.25
        look, label = init_look(start, others=starts), init_label(start)
        for row in rows:
            if start_of(row) != start:
                continue
            mean, error = _percent(row)
            x = places.index(tuple(row[name] for name in names)) + shift
            known = np.isfinite(error).all()
            ax.errorbar(
                [x],
                [mean],
                yerr=error[:, None] if known else None,
                color=look.color,
                marker=look.marker,
                linestyle="",
                elinewidth=0.8,
                label=label,
            )
            label = "_nolegend_"
    ticks = ["\n".join(readable(str(value), limit=22) for value in place if value is not None) for place in places]
    ax.set_xticks(range(len(places)), ticks)
    ax.set_xlim(-0.6, len(places) - 0.4)
    accuracy_axis(ax, [100 * number(row[name]) for row in rows for name in ("accuracy", "ci_low", "ci_high")])
    legend_above(ax, note=_note(record, rows), n_columns=max(len(starts), 1))
    return ax


def start_of(row: Mapping[str, Any]) -> str:
    """Return what the network of a cell started from: ``"random"``, ``"imagenet"`` or a file."""
    return "random" if row.get("sweep") == "random" else str(row.get("start"))


def has_bars(record: Record) -> bool:
    """Say whether any point has an interval for a bar; where there is a sweep, levels are lines without one."""
    swept = [row for row in record.rows if row.get("block") is not None]
    return any(np.isfinite(_percent(row)[1]).any() for row in swept or record.rows)


def _percent(row: Mapping[str, Any]) -> tuple[float, np.ndarray]:
    """Return a cell's accuracy in percent, and how far its interval reaches down and up; NaN where there is none."""
    mean, low, high = (100 * number(row.get(name)) for name in ("accuracy", "ci_low", "ci_high"))
    return mean, np.maximum([mean - low, high - mean], 0)


def _note(record: Record, rows: Rows) -> str:
    """Say what the points rest on."""
    params = record.params
    epochs = params.get("recipe", {}).get("epochs")
    folds, seeds = params.get("folds") or [None], params.get("seeds") or [None]
    about = scope([{"n": max(values(rows, "n"), default=None), "fold": fold, "epochs": epochs} for fold in folds])
    runs = sorted({int(value) for value in values(rows, "n_runs") if value})
    each = f"{runs[0]} to {runs[-1]}" if len(runs) > 1 else str(runs[0])
    parts = [about.replace(" clips each", " clips"), f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"]
    missing = sum(int(row["n_planned"] - row["n_runs"]) for row in rows)
    if missing:
        parts.append(f"{each} runs a point, {missing} missing")
    if values(rows, "ci_low").size:
        parts.append("bars: 95 % over recordings")
    return ", ".join(parts)
