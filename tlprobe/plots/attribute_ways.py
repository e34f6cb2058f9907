"""The same clips explained by several networks, methods or baselines, one below the other.

One column a clip: its spectrogram, then a row for each method and baseline of each network. Each row has a scale of its
own, symmetric about zero, with its bar: one for all would leave rows blank.
"""

import math
import textwrap
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from tlprobe.plots.style import NOTE_PT, init_label, number, readable
from tlprobe.plots.time_frequency import (
    PERCENTILE,
    attribution_bar,
    attribution_limit,
    extent_of,
    label_axes,
    show_attribution,
    show_spectrogram,
    spectrogram_bar,
    spectrogram_scale,
)
from tlprobe.records import Record

__all__ = [
    "UNITS",
    "by_way",
    "chosen_note",
    "draw",
    "gap_note",
    "gap_text",
    "has_several",
    "height_in",
    "row_text",
    "target_text",
    "way_text",
]

MAX_CLIPS, MAX_WAYS = 4, 12
"""What fits on a page; the figure says what it leaves out."""

_ROW_IN, _REST_IN = 0.8, 0.95
UNITS = {  # of a method's maps; relevance of grad-cam has none
    "integrated-gradients": "logits",
    "gradient-x-input": "logits",
    "deeplift": "logits",
    "occlusion": "logits",
    "smoothgrad": "logits a unit",
    "guided-backprop": "logits a unit",
    "grad-cam": "",
}

_Row = Mapping[str, Any]


def has_several(record: Record) -> bool:
    """Say whether a record has a clip in more than one way."""
    return len(by_way(record.rows)) > 1


def height_in(record: Record) -> float:
    """Return the height that the figure of such a record wants, in inches."""
    return _ROW_IN * (min(len(by_way(record.rows)), MAX_WAYS) + 1) + _REST_IN


def draw(record: Record, rows: Sequence[_Row], *, figure: Figure | SubFigure) -> list[Axes]:
    """Draw the rows of such a record whose arrays are there; return the axes row by row, spectrograms first."""
    ways = _in_turns(by_way(rows))
    shown = dict(list(ways.items())[:MAX_WAYS])
    n_clips = min(MAX_CLIPS, *(len(own) for own in shown.values()))
    first = next(iter(shown.values()))[:n_clips]
    images = record.arrays["spectrogram"][[int(row["image_index"]) for row in first], 0]
    extent, axis = extent_of(record, images, first)
    grid, bars = _grid(figure, len(shown) + 1, n_clips)
    scale = spectrogram_scale(record, images)
    several_networks = len({row.get("run") for row in rows}) > 1
    for ax, row, image in zip(grid[0], first, images, strict=True):
        left = show_spectrogram(ax, image, record=record, scale=scale, extent=extent)
        ax.set_title(_clip_text(row, with_prediction=not several_networks), loc="left", fontsize=6.5, pad=2)
    spectrogram_bar(figure, bars[0], left, record=record)
    bars[0].set_ylabel("ln power" if record.params.get("row_hz") else "value", fontsize=7)
    for axes, bar, own in zip(grid[1:], bars[1:], shown.values(), strict=True):
        maps = record.arrays["attribution"][[int(row["array_index"]) for row in own[:n_clips]]].sum(axis=1)
        limit = attribution_limit(maps)
        for ax, row, attribution in zip(axes, own, maps, strict=False):
            right = show_attribution(ax, attribution, limit=limit, extent=extent)
            text = ", ".join(filter(None, (_answer_text(row) if several_networks else "", gap_text(row))))
            ax.set_title(text, loc="left", fontsize=6.5, pad=2)
        attribution_bar(figure, bar, right, label=UNITS.get(str(own[0].get("method")), ""))
    label_axes(record, left=list(grid[:, 0]), bottom=list(grid[-1]), n_rows=images.shape[-2], axis=axis)
    for ax, own in zip(grid[1:, 0], shown.values(), strict=True):
        ax.set_ylabel(textwrap.fill(row_text(own[0], rows), 15), fontsize=6.5)
    note = "\n".join(textwrap.fill(line, 130) for line in _notes(record, rows, n_clips=n_clips, n_ways=len(ways)))
    figure.supxlabel(note, fontsize=NOTE_PT, color="0.3", x=0.01, ha="left", multialignment="left")
    return list(grid.flat)


def way_text(row: _Row) -> str:
    """Say how a row was explained.

    >>> way_text({"method": "grad-cam", "block": "block2"}), way_text({"baseline": "mean"})
    ('grad-cam at block2', 'integrated gradients from mean')
    """
    method = str(row.get("method") or "integrated-gradients")
    text = method.replace("integrated-gradients", "integrated gradients").replace("-x-", " x ")
    if row.get("block"):
        text += f" at {row['block']}"
    if row.get("baseline"):
        text += f" from {row['baseline']}"
    return text


def gap_text(row: _Row) -> str:
    """Say how far a row's attributions miss their sum; nothing where they have none."""
    gap = number(row.get("gap"))
    if not math.isfinite(gap):
        return ""
    relative = "gap < 0.01 %" if gap < 1e-4 else f"gap {100 * gap:.3g} %"
    text = f"gap {gap:.2g}*" if row.get("gap_absolute") else relative
    return text + (" (!)" if row.get("reached") is False else "")


def gap_note(rows: Sequence[_Row]) -> str:
    """Say what a gap is, where some row has one."""
    if not any(math.isfinite(number(row.get("gap"))) for row in rows):
        return ""
    text = "Gap: relative completeness gap"
    if any(row.get("gap_absolute") for row in rows):
        text += "; * absolute, because the logit differs from that of the baseline by less than 0.1"
    if any(row.get("reached") is False for row in rows):
        text += "; (!) beyond the tolerance"
    return f"{text}."


def chosen_note(record: Record) -> list[str]:
    """Say by which rule the clips were chosen."""
    why = record.params.get("chosen")
    return [f"Clips: {why}."] if why else []


def _key(row: _Row) -> tuple[Hashable, ...]:
    return tuple(row.get(name) for name in ("run", "method", "baseline", "block"))


def by_way(rows: Sequence[_Row]) -> dict[tuple[Hashable, ...], list[_Row]]:
    """Return the rows of each network, method, baseline and block."""
    found: dict[tuple[Hashable, ...], list[_Row]] = {}
    for row in rows:
        found.setdefault(_key(row), []).append(row)
    return found


def _in_turns(ways: Mapping[tuple[Hashable, ...], list[_Row]]) -> dict[tuple[Hashable, ...], list[_Row]]:
    """Return the same method of all networks next to each other, so that what does not fit is missing of all."""
    methods = list(dict.fromkeys(key[1:] for key in ways))
    return {key: ways[key] for key in sorted(ways, key=lambda key: methods.index(key[1:]))}


def _clip_text(row: _Row, *, with_prediction: bool) -> str:
    text = readable(row["label"] if row.get("label") is not None else str(row.get("clip", "")).rsplit("/", 1)[-1])
    return f"{text}\n{_answer_text(row)}" if with_prediction else text


def _answer_text(row: _Row) -> str:
    probability = number(row.get("probability"))
    text = f"{readable(row.get('predicted'), limit=14)}"
    if math.isfinite(probability):
        text += f" ({probability:.2f})"
    return text + target_text(row, limit=12)


def target_text(row: _Row, *, limit: int) -> str:
    """Say which class is explained, where it is not the predicted one."""
    if row.get("target") in (None, row.get("predicted")):
        return ""
    probability = number(row.get("target_probability"))
    said = f" ({probability:.2f})" if math.isfinite(probability) else ""
    return f", shown: {readable(row['target'], limit=limit)}{said}"


def row_text(row: _Row, rows: Sequence[_Row]) -> str:
    """Say what tells a row of maps from the others."""
    parts = []
    if len({other.get("run") for other in rows}) > 1:
        parts.append(_network_text(row, rows))
    if len({way_text(other) for other in rows}) > 1:
        parts.append(way_text(row))
    return ", ".join(parts)


def _network_text(row: _Row, rows: Sequence[_Row]) -> str:
    """Name a network by its start and treatment; where others are called the same, by what differs, at last its run."""
    alike = {str(other.get("run")): other for other in rows if _kind_text(other) == _kind_text(row)}
    text = _kind_text(row)
    for name in ("backbone", "seed"):
        if len({other.get(name) for other in alike.values()}) > 1:
            text += f", {'seed ' if name == 'seed' else ''}{readable(row.get(name), limit=20)}"
            alike = {run: other for run, other in alike.items() if other.get(name) == row.get(name)}
    return text if len(alike) == 1 else f"{text}, {readable(row.get('run'), limit=24)}"


def _kind_text(row: _Row) -> str:
    if row.get("treatment") is None:
        return readable(row.get("run"), limit=24)
    text = init_label(str(row.get("init")))
    blocks = str(row.get("blocks") or "").split()
    if not blocks:
        return text if row["treatment"] == "random" else f"{text}, {row['treatment']}"
    span = blocks[0] if len(blocks) == 1 else f"{blocks[0]} to {blocks[-1]}"
    return f"{text}, {row['treatment']} {span}"


def _notes(record: Record, rows: Sequence[_Row], *, n_clips: int, n_ways: int) -> list[str]:
    ways = {way_text(row) for row in rows}
    what = next(iter(ways)) if len(ways) == 1 else "attributions"
    explained = "the predicted class" if all(row.get("target") == row.get("predicted") for row in rows) else "a class"
    text = f"{what[0].upper()}{what[1:]} of the logit of {explained}"
    text += f"; each row's scale ends at its {PERCENTILE:g}th percentile."
    notes = [" ".join(filter(None, (text, gap_note(rows)))), *chosen_note(record)]
    n_all = max(len(own) for own in by_way(record.rows).values())
    if n_clips < n_all or n_ways > MAX_WAYS:
        n_shown = min(n_ways, MAX_WAYS)
        notes.append(f"{n_clips} of {n_all} clips, {n_shown} of {n_ways} rows of maps; the record holds all.")
    if refused := record.params.get("refused"):
        several = len({row.get("run") for row in rows}) > 1
        left_out = (f"{one['way']} of {one['run']}" if several else one["way"] for one in refused)
        notes.append(f"Wrong for the network and left out: {', '.join(left_out)}.")
    return notes


def _grid(figure: Figure | SubFigure, n_rows: int, n_columns: int) -> tuple[np.ndarray, list[Axes]]:
    """Return the axes of the images, which share both axes, and of a colour bar a row."""
    cells = figure.add_gridspec(n_rows, n_columns + 1, width_ratios=[*[1] * n_columns, 0.03])
    grid = np.empty((n_rows, n_columns), dtype=object)
    for row, column in np.ndindex(grid.shape):
        first = grid[0, 0]
        grid[row, column] = ax = figure.add_subplot(cells[row, column], sharex=first, sharey=first)
        ax.tick_params(labelbottom=row == n_rows - 1, labelleft=column == 0)
    return grid, [figure.add_subplot(cells[row, n_columns]) for row in range(n_rows)]
