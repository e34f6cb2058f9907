"""Fig. 3: which parts of a spectrogram speak for the class.

One row a clip: the image's first channel, its attributions summed over the channels, and these laid over the
spectrogram; or, where the record asks for it, the attributions of each channel. All spectrograms share one scale, which
starts at silence, but for MFCCs, whose scale is symmetric about zero; all attributions share one scale, symmetric about
zero. Time is in seconds, frequency in Hz, spaced as the rows are; rows of MFCCs are coefficients. A record of several
networks, methods or baselines is drawn by `tlprobe.plots.attribute_ways`.
"""

import dataclasses
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from tlprobe.plots import attribute_ways
from tlprobe.plots.style import NOTE_PT, number, placeholder, readable
from tlprobe.plots.time_frequency import (
    OVERLAY_SMOOTHING,
    PERCENTILE,
    Scale,
    attribution_bar,
    attribution_limit,
    extent_of,
    label_axes,
    show_attribution,
    show_overlay,
    show_spectrogram,
    smoothed,
    spectrogram_bar,
    spectrogram_scale,
)
from tlprobe.records import Record

__all__ = ["MAX_ROWS", "Scales", "draw", "draw_rows", "drawable", "height_in", "scales_of"]

MAX_ROWS = 8
"""Clips in one figure: what fits on a page. The figure says how many it leaves out."""

_ROW_IN, _STRIP_IN, _REST_IN = 1.02, 0.28, 1.05  # a clip; its waveform; time axis, colour bars and notes
_NOTHING = "no attributions in this record"


@dataclasses.dataclass(frozen=True)
class Scales:
    """The scales that all rows of a figure share."""

    spectrogram: Scale
    limit: float
    overlay_limit: float


def height_in(record: Record) -> float:
    """Return the height that the figure of a record wants, in inches."""
    if attribute_ways.has_several(record):
        return attribute_ways.height_in(record)
    row_in = _ROW_IN + (_STRIP_IN if "peaks" in record.arrays else 0.0)
    return row_in * max(min(len(record.rows), MAX_ROWS), 1) + _REST_IN


def draw(record: Record, *, figure: Figure | SubFigure) -> list[Axes]:
    """Draw clips and their attributions.

    Parameters
    ----------
    record : Record
        Of ``tlprobe attribute``, with the arrays ``"spectrogram"`` and ``"attribution"``.
    figure : Figure or SubFigure
        Is drawn on.

    Returns
    -------
    axes : list of Axes
        Row by row: of a clip spectrogram, attribution and overlay, or spectrogram, attribution and each channel's.
    """
    rows = drawable(record)
    if not rows:
        return [placeholder(figure.subplots(), _NOTHING)]
    if attribute_ways.has_several(record):
        return attribute_ways.draw(record, rows, figure=figure)
    shown = rows[:MAX_ROWS]
    axes = draw_rows(record, shown, figure=figure, scales=scales_of(record, shown))
    left_out = len(record.rows) - len(shown)
    notes = _notes(record, shown)
    if left_out:
        notes.append(f"{len(shown)} of {len(record.rows)} clips; the record holds all.")
    note = "\n".join(textwrap.fill(line, 130) for line in notes)
    figure.supxlabel(note, fontsize=NOTE_PT, color="0.3", x=0.01, ha="left", multialignment="left")
    return axes


def drawable(record: Record) -> list[dict[str, Any]]:
    """Return the rows whose arrays are there."""
    spectrograms, attributions = record.arrays.get("spectrogram"), record.arrays.get("attribution")
    if spectrograms is None or attributions is None:
        return []
    lengths = {"array_index": len(attributions), "image_index": len(spectrograms)}
    return [row for row in record.rows if all(0 <= number(row.get(name)) < n for name, n in lengths.items())]


def scales_of(record: Record, rows: Sequence[Mapping[str, Any]]) -> Scales:
    """Return the scales that some rows share; of their channels too, where these are shown."""
    images = record.arrays["spectrogram"][[int(row["image_index"]) for row in rows], 0]
    maps = record.arrays["attribution"][[int(row["array_index"]) for row in rows]].sum(axis=1)
    overlays = np.stack([smoothed(attribution) for attribution in maps])
    return Scales(spectrogram_scale(record, images), attribution_limit(maps), attribution_limit(overlays))


def draw_rows(
    record: Record, rows: Sequence[Mapping[str, Any]], *, figure: Figure | SubFigure, scales: Scales
) -> list[Axes]:
    """Draw a row a clip, with the colour bars under the columns.

    Parameters
    ----------
    record : Record
    rows : sequence of mapping
        Its drawable ones that are shown, at least one.
    figure : Figure or SubFigure
        Is drawn on.
    scales : Scales

    Returns
    -------
    axes : list of Axes
        As `draw`.
    """
    order = [int(row["image_index"]) for row in rows]
    images = record.arrays["spectrogram"][order, 0]
    attributions = record.arrays["attribution"][[int(row["array_index"]) for row in rows]]
    peaks = record.arrays["peaks"][order] if "peaks" in record.arrays else None
    names = ["spectrogram", "attribution", *(record.params.get("channels") or ("overlay",))]
    grid, strips, bars = _grid(figure, len(rows), len(names), with_strips=peaks is not None)
    extent, axis = extent_of(record, images, rows)
    for number_, (row, axes) in enumerate(zip(rows, grid, strict=True)):
        image, channels = images[number_], attributions[number_]
        total = channels.sum(axis=0)
        left = show_spectrogram(axes[0], image, record=record, scale=scales.spectrogram, extent=extent)
        right = show_attribution(axes[1], total, limit=scales.limit, extent=extent)
        if names[2] == "overlay":
            limit = scales.overlay_limit
            over = show_overlay(axes[2], image, smoothed(total), scale=scales.spectrogram, limit=limit, extent=extent)
        else:
            for ax, channel in zip(axes[2:], channels, strict=True):
                show_attribution(ax, channel, limit=scales.limit, extent=extent)
        heads = axes[:2]
        if peaks is not None:
            heads = strips[number_]
            _waveform(heads[0], peaks[number_], extent[1])
            heads[1].axis("off")
        heads[0].set_title(_clip_text(row, with_file=len(names) == 3), loc="left", fontsize=7, pad=2)
        heads[1].set_title(_result_text(row), loc="left", fontsize=7, pad=2)
    label_axes(record, left=list(grid[:, 0]), bottom=list(grid[-1]), n_rows=images.shape[-2], axis=axis)
    spectrogram_bar(figure, bars[0], left, record=record, orientation="horizontal")
    unit = attribute_ways.UNITS.get(str(rows[0].get("method")), "")
    named = f"attribution{f' ({unit})' if unit else ''}, sum of channels"
    attribution_bar(figure, bars[1], right, label=named, orientation="horizontal")
    if names[2] == "overlay":
        attribution_bar(figure, bars[2], over, label="the same, smoothed", orientation="horizontal")
    for ax, name in zip(grid[-1, 2:], names[2:], strict=True):
        if name != "overlay":
            ax.set_xlabel(f"{ax.get_xlabel()}\n{name}")
    return list(grid.flat)


def _waveform(ax: Axes, peaks: np.ndarray, end: float) -> None:
    columns = np.linspace(0, end, peaks.shape[1])
    ax.fill_between(columns, *peaks, color="0.25", linewidth=0.3)
    limit = max(float(np.abs(peaks).max()), 1e-3)
    ax.set(xlim=(0, end), ylim=(-limit, limit))
    ax.axis("off")


def _clip_text(row: Mapping[str, Any], *, with_file: bool) -> str:
    """Name the clip by its class, or by its file where nobody gave a class."""
    file = str(row.get("clip", "")).rsplit("/", 1)[-1]
    part = "" if row.get("start_s") is None else f" from {row['start_s']:g} s"
    if row.get("label") is not None and not with_file:  # narrow columns; the note names the files
        return f"true: {readable(row['label'], limit=20)}"
    if row.get("label") is not None:
        return f"true: {readable(row['label'], limit=20)} ({readable(file.rpartition('.')[0] or file, limit=16)}{part})"
    return f"clip: {readable(file)}{part}"


def _result_text(row: Mapping[str, Any]) -> str:
    probability = number(row.get("probability"))
    text = f"predicted: {readable(row.get('predicted'), limit=24)}"
    if math.isfinite(probability):
        text += f" ({probability:.2f})"
    text += attribute_ways.target_text(row, limit=16)
    gap = attribute_ways.gap_text(row)
    return f"{text}, {gap}" if gap else text


def _notes(record: Record, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    way = attribute_ways.way_text(rows[0])
    text = f"{way[0].upper()}{way[1:]}, of the class logit"
    steps = sorted({int(row["n_steps"]) for row in rows if row.get("n_steps") is not None})
    if steps:
        text += f", {' to '.join(map(str, dict.fromkeys((steps[0], steps[-1]))))} steps"
    text += f"; their scale ends at the {PERCENTILE:g}th percentile."
    if not record.params.get("channels"):
        text += f" Overlay: smoothed by a Gaussian of {OVERLAY_SMOOTHING:g} cells, on a scale of its own."
    notes = [f"{text} {attribute_ways.gap_note(rows)}".rstrip(), *attribute_ways.chosen_note(record)]
    if record.params.get("channels"):
        files = (readable(str(row.get("clip", "")).rsplit("/", 1)[-1], limit=24) for row in rows)
        notes.append(f"Files: {', '.join(files)}.")
    return notes


def _grid(
    figure: Figure | SubFigure, n_rows: int, n_columns: int, *, with_strips: bool
) -> tuple[np.ndarray, np.ndarray, list[Axes]]:
    """Return the axes of the clips, which share both axes, two above each for its waveform, and those of the bars."""
    each = [_STRIP_IN, _ROW_IN] if with_strips else [_ROW_IN]
    cells = figure.add_gridspec(n_rows * len(each) + 1, n_columns, height_ratios=[*each * n_rows, 0.09])
    grid = np.empty((n_rows, n_columns), dtype=object)
    for row, column in np.ndindex(grid.shape):
        first = grid[0, 0]
        cell = cells[row * len(each) + len(each) - 1, column]
        grid[row, column] = ax = figure.add_subplot(cell, sharex=first, sharey=first)
        ax.tick_params(labelbottom=row == n_rows - 1, labelleft=column == 0)
    strips = np.empty((n_rows if with_strips else 0, 2), dtype=object)
    for row, column in np.ndindex(strips.shape):
        strips[row, column] = figure.add_subplot(cells[2 * row, column])
    each_bar = (0, 1, 2) if n_columns == 3 else (0, slice(1, None))  # channels have the scale of their sum
    return grid, strips, [figure.add_subplot(cells[-1, place]) for place in each_bar]
