"""Fig. 3: which parts of a spectrogram speak for the class.

One row a clip: left the image's first channel, right its attributions summed over the channels. All
spectrograms share one scale, which starts at silence, but for MFCCs, whose scale is symmetric about zero; all
attributions share one scale, symmetric about zero. Time is in seconds, frequency in Hz, spaced as the rows are; rows
of MFCCs are coefficients.
"""

import math
import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from tlprobe.plots.style import NOTE_PT, number, placeholder, readable
from tlprobe.records import Record

__all__ = ["MAX_ROWS", "draw", "height_in"]

MAX_ROWS = 8
"""Clips in one figure: what fits on a page. The figure says how many it leaves out."""
PERCENTILE = 99.5
"""The attributions' scale ends at this percentile of their size over all rows: single pixels would set it."""

_TICKS_HZ = (250, 1000, 4000, 16000)  # an octave is about as high everywhere
_LINEAR_TICKS_HZ = (2000, 5000, 10000, 15000, 20000)
_VALUES = {
    "log-mel3": "log-mel power (ln), 25/10 ms channel",
    "log-mel": "log-mel power (ln)",
    "log-spec": "log power (ln)",
    "mfcc": f"coefficient of ln power (scale to {PERCENTILE:g}th percentile without 0)",
    "gammatone": "log power (ln) behind gammatone filters",
}
_ROW_IN, _REST_IN = 1.02, 1.05  # a clip; time axis, colour bars and notes


def height_in(record: Record) -> float:
    """Return the height that the figure of a record wants, in inches."""
    return _ROW_IN * max(min(len(record.rows), MAX_ROWS), 1) + _REST_IN


def draw(record: Record, *, figure: Figure | SubFigure) -> list[Axes]:
    """Draw clips and their attributions.

    Parameters
    ----------
    record : Record
        Of ``tlprobe attribute``, with the arrays ``"spectrogram"`` and ``"attribution"``
        (n, 3, n_mels, width): as `tlprobe.audio.image` makes them, and logit per unit of the network's input.
    figure : Figure or SubFigure
        Is drawn on.

    Returns
    -------
    axes : list of Axes
        Two a row: spectrogram, attribution.
    """
    spectrograms, attributions = record.arrays.get("spectrogram"), record.arrays.get("attribution")
    if spectrograms is None or attributions is None:
        return [placeholder(figure.subplots(), "no attributions in this record")]
    drawable = [row for row in record.rows if 0 <= number(row.get("array_index")) < len(spectrograms)]
    shown = drawable[:MAX_ROWS]
    if not shown:
        return [placeholder(figure.subplots(), "no attributions in this record")]
    order = [int(row["array_index"]) for row in shown]
    images, maps = spectrograms[order, 0], attributions[order].sum(axis=1)
    grid, bars = _grid(figure, len(shown))
    limit = float(np.nanpercentile(np.abs(maps), PERCENTILE)) if np.isfinite(maps).any() else 0.0
    limit = limit if limit > 0 else 1.0  # all zero: any scale will do
    clip_s = number(record.params.get("image", {}).get("clip_s"))
    extent = (0.0, clip_s if math.isfinite(clip_s) else images.shape[-1], -0.5, images.shape[-2] - 0.5)
    for row, axes, image, attribution in zip(shown, grid, images, maps, strict=True):
        left, right = _show(axes[0], image, extent=extent), _show(axes[1], attribution, extent=extent)
        left.set(cmap="PuOr_r" if _features(record) == "mfcc" else "cividis", clim=_scale(record, images))
        right.set(cmap="RdBu_r", clim=(-limit, limit))
        axes[0].set_title(_clip_text(row), loc="left", fontsize=7, pad=2)
        axes[1].set_title(_result_text(row), loc="left", fontsize=7, pad=2)
    _label_axes(grid, record, seconds=math.isfinite(clip_s))
    _colour_bars(figure, bars, left, right, record=record)
    note = "\n".join(textwrap.fill(line, 130) for line in _notes(record, n_shown=len(shown)))
    figure.supxlabel(note, fontsize=NOTE_PT, color="0.3", x=0.01, ha="left", multialignment="left")
    return list(grid.flat)


def _show(ax: Axes, image: np.ndarray, *, extent: tuple[float, float, float, float]) -> AxesImage:
    ax.spines[["top", "right"]].set_visible(True)
    return ax.imshow(image, origin="lower", aspect="auto", extent=extent, interpolation="nearest")


def _features(record: Record) -> str:
    return str(record.params.get("image", {}).get("features"))


def _scale(record: Record, images: np.ndarray) -> tuple[float, float]:
    """Return the ends of the images' scale: silence and the loudest, or about zero for coefficients of both signs."""
    if _features(record) == "mfcc":
        sizes = np.abs(images[:, 1:])  # row 0, the level, is far beyond all others
        limit = float(np.nanpercentile(sizes, PERCENTILE)) if np.isfinite(sizes).any() else 0.0
        limit = limit if limit > 0 else 1.0
        return -limit, limit
    floor = number(record.params.get("silence"))
    silence = floor if math.isfinite(floor) else float(np.nanmin(images))  # of a record that does not name it
    return silence, max(float(np.nanmax(images)), silence + 1) if np.isfinite(images).any() else silence + 1


def _clip_text(row: dict[str, Any]) -> str:
    """Name the clip by its class, or by its file where nobody gave a class."""
    if row.get("label") is not None:
        return f"true: {readable(row['label'])}"
    return f"clip: {readable(str(row.get('clip', '')).rsplit('/', 1)[-1])}"


def _result_text(row: dict[str, Any]) -> str:
    probability, gap = number(row.get("probability")), number(row.get("gap"))
    text = f"predicted: {readable(row.get('predicted'), limit=24)}"
    if math.isfinite(probability):
        text += f" ({probability:.2f})"
    if row.get("target") not in (None, row.get("predicted")):
        text += f", shown: {readable(row['target'], limit=16)}"
    if row.get("baseline") not in (None, "silence"):
        text += f", from {row['baseline']}"
    if math.isfinite(gap):
        text += f", gap {gap:.2g}*" if row.get("gap_absolute") else f", gap {100 * gap:.2g} %"
        text += "" if row.get("reached", True) else " (!)"
    return text


def _ticks_hz(record: Record) -> tuple[int, ...]:
    return _LINEAR_TICKS_HZ if _features(record) == "log-spec" else _TICKS_HZ


def _label_axes(grid: np.ndarray, record: Record, *, seconds: bool) -> None:
    row_hz = np.asarray(record.params.get("row_hz") or (), dtype=np.float64)
    n_rows = grid[0, 0].images[0].get_array().shape[0]
    name = "coefficient" if _features(record) == "mfcc" else "row"
    if row_hz.size == n_rows:
        ticks = [hz for hz in _ticks_hz(record) if row_hz[0] <= hz <= row_hz[-1]]
        grid[0, 0].set_yticks(np.interp(ticks, row_hz, np.arange(n_rows)), [f"{hz}" for hz in ticks])
        name = "Hz"
    for ax in grid[:, 0]:
        ax.set_ylabel(name, fontsize=7)
    for ax in grid[-1]:
        ax.set_xlabel("time (s)" if seconds else "frame")
    grid[0, 0].xaxis.set_major_locator(MaxNLocator(nbins=6))


def _notes(record: Record, *, n_shown: int) -> list[str]:
    steps = sorted({int(row["n_steps"]) for row in record.rows[:n_shown] if row.get("n_steps") is not None})
    counted = f", {' to '.join(map(str, dict.fromkeys((steps[0], steps[-1]))))} steps" if steps else ""
    starts = list(dict.fromkeys(str(row.get("baseline", "silence")) for row in record.rows[:n_shown]))
    text = f"Integrated gradients of the class logit from {', '.join(starts)}{counted}. Gap: relative completeness gap"
    if any(row.get("gap_absolute") for row in record.rows[:n_shown]):
        text += "; * absolute, because the logit differs from that of silence by less than 0.1"
    if not all(row.get("reached", True) for row in record.rows[:n_shown]):
        text += "; (!) beyond the tolerance"
    left_out = len(record.rows) - n_shown
    return [f"{text}.", *([f"{n_shown} of {len(record.rows)} clips; the record holds all."] if left_out else [])]


def _grid(figure: Figure | SubFigure, n_rows: int) -> tuple[np.ndarray, list[Axes]]:
    """Return the axes of the clips (n_rows, 2), which share both axes, and the two of the colour bars."""
    cells = figure.add_gridspec(n_rows + 1, 2, height_ratios=[1] * n_rows + [0.09])
    grid = np.empty((n_rows, 2), dtype=object)
    for row, column in np.ndindex(grid.shape):
        first = grid[0, 0]
        grid[row, column] = ax = figure.add_subplot(cells[row, column], sharex=first, sharey=first)
        ax.tick_params(labelbottom=row == n_rows - 1, labelleft=column == 0)
    return grid, [figure.add_subplot(cells[n_rows, column]) for column in range(2)]


def _colour_bars(
    figure: Figure | SubFigure, axes: list[Axes], left: AxesImage, right: AxesImage, *, record: Record
) -> None:
    """Put one bar under each column: the scale of all its rows."""
    features = _features(record)
    bar = figure.colorbar(
        left, cax=axes[0], orientation="horizontal", extend="both" if features == "mfcc" else "neither"
    )
    bar.set_label(_VALUES.get(features, "value"), fontsize=7)
    if features == "mfcc":
        bar.locator = MaxNLocator(nbins=5, symmetric=True)
        bar.update_ticks()
    else:
        _silence_tick(bar, *left.get_clim())
    bar = figure.colorbar(right, cax=axes[1], orientation="horizontal", extend="both")
    bar.set_label(f"attribution, sum of channels (scale to {PERCENTILE:g}th percentile)", fontsize=7)
    bar.locator = MaxNLocator(nbins=5, symmetric=True)
    bar.update_ticks()


def _silence_tick(bar: Colorbar, silence: float, top: float) -> None:
    levels = [tick for tick in range(-40, 41, 5) if silence + 0.3 * (top - silence) < tick <= top]  # 0.3: room
    named = [f"silence ({silence:.1f})", *map(str, levels)]
    bar.set_ticks([silence, *levels], labels=[name.replace("-", "\N{MINUS SIGN}") for name in named])
    bar.ax.get_xticklabels()[0].set_horizontalalignment("left")
