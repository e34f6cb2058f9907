"""The same clips explained by several networks, methods or baselines, one below the other.

One column a clip: its spectrogram, then a row for each network, method and baseline. Maps of one method share a scale,
symmetric about zero; different methods have different units, and scales of their own.
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

__all__ = ["by_way", "chosen_note", "draw", "gap_note", "gap_text", "has_several", "height_in", "row_text", "way_text"]

MAX_CLIPS, MAX_WAYS = 4, 12
"""What fits on a page; the figure says what it leaves out."""

_ROW_IN, _REST_IN = 0.8, 0.95
_UNITS = {
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
    ways = by_way(rows)
    shown = dict(list(ways.items())[:MAX_WAYS])
    n_clips = min(MAX_CLIPS, *(len(own) for own in shown.values()))
    first = next(iter(shown.values()))[:n_clips]
    images = record.arrays["spectrogram"][[int(row["image_index"]) for row in first], 0]
    extent, seconds = extent_of(record, images)
    grid, bars = _grid(figure, len(shown) + 1, n_clips)
    scale = spectrogram_scale(record, images)
    several_networks = len({row.get("run") for row in rows}) > 1
    for ax, row, image in zip(grid[0], first, images, strict=True):
        left = show_spectrogram(ax, image, record=record, scale=scale, extent=extent)
        ax.set_title(_clip_text(row, with_prediction=not several_networks), loc="left", fontsize=6.5, pad=2)
    spectrogram_bar(figure, bars[0], left, record=record)
    bars[0].set_ylabel("ln power" if record.params.get("row_hz") else "value", fontsize=7)
    limits = _limits(record, shown, n_clips)
    for axes, bar, (way, own) in zip(grid[1:], bars[1:], shown.items(), strict=True):
        for ax, row in zip(axes, own[:n_clips], strict=True):
            attribution = record.arrays["attribution"][int(row["array_index"])].sum(axis=0)
            right = show_attribution(ax, attribution, limit=limits[way], extent=extent)
            text = ", ".join(filter(None, (_answer_text(row) if several_networks else "", gap_text(row))))
            ax.set_title(text, loc="left", fontsize=6.5, pad=2)
        attribution_bar(figure, bar, right, label=_UNITS.get(str(own[0].get("method")), ""))
    label_axes(record, left=list(grid[:, 0]), bottom=list(grid[-1]), n_rows=images.shape[-2], seconds=seconds)
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
    text = f"gap {gap:.2g}*" if row.get("gap_absolute") else f"gap {100 * gap:.2g} %"
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


def _limits(
    record: Record, shown: Mapping[tuple[Hashable, ...], Sequence[_Row]], n_clips: int
) -> dict[tuple[Hashable, ...], float]:
    """Return where the scale of each way ends: one for all ways of the same method and block."""
    together: dict[tuple[Any, Any], list[np.ndarray]] = {}
    for own in shown.values():
        maps = record.arrays["attribution"][[int(row["array_index"]) for row in own[:n_clips]]].sum(axis=1)
        together.setdefault((own[0].get("method"), own[0].get("block")), []).append(maps)
    limits = {key: attribution_limit(np.concatenate(maps)) for key, maps in together.items()}
    return {way: limits[own[0].get("method"), own[0].get("block")] for way, own in shown.items()}


def _clip_text(row: _Row, *, with_prediction: bool) -> str:
    text = readable(row["label"] if row.get("label") is not None else str(row.get("clip", "")).rsplit("/", 1)[-1])
    return f"{text}\n{_answer_text(row)}" if with_prediction else text


def _answer_text(row: _Row) -> str:
    probability = number(row.get("probability"))
    text = f"{readable(row.get('predicted'), limit=14)}"
    return f"{text} ({probability:.2f})" if math.isfinite(probability) else text


def row_text(row: _Row, rows: Sequence[_Row]) -> str:
    """Say what tells a row of maps from the others."""
    parts = []
    if len({other.get("run") for other in rows}) > 1:
        parts.append(_network_text(row))
    if len({way_text(other) for other in rows}) > 1:
        parts.append(way_text(row))
    return ", ".join(parts)


def _network_text(row: _Row) -> str:
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
    shown = f"{next(iter(ways))} of the class logit" if len(ways) == 1 else "attributions of the class logit"
    text = f"{shown[0].upper()}{shown[1:]}; scales end at the {PERCENTILE:g}th percentile"
    text += ", one for the rows of a method." if len(ways) < n_ways else ", one a method."
    notes = [" ".join(filter(None, (text, gap_note(rows)))), *chosen_note(record)]
    n_all = max(len(own) for own in by_way(record.rows).values())
    if n_clips < n_all or n_ways > MAX_WAYS:
        left_out = (
            f"{n_clips} of {n_all} clips, {min(n_ways, MAX_WAYS)} of {n_ways} rows of maps; the record holds all."
        )
        notes.append(left_out)
    if refused := record.params.get("refused"):
        notes.append(f"Wrong for this network and left out: {', '.join(refused)}.")
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
