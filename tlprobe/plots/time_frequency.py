"""Spectrograms and attributions as images: their scales, axes in seconds and Hz, and colour bars."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from scipy import ndimage

from tlprobe.plots.style import number
from tlprobe.records import Record

__all__ = [
    "OVERLAY_SMOOTHING",
    "PERCENTILE",
    "attribution_bar",
    "attribution_limit",
    "extent_of",
    "features_of",
    "label_axes",
    "show_attribution",
    "show_overlay",
    "show_spectrogram",
    "smoothed",
    "spectrogram_bar",
    "spectrogram_scale",
]

PERCENTILE = 99.5
"""The attributions' scale ends at this percentile of their size over all that share it: single pixels would set it."""

OVERLAY_SMOOTHING = 2.0
"""Standard deviation of the Gaussian of an overlay, in rows and columns."""

_TICKS_HZ = (250, 1000, 4000, 16000)  # an octave is about as high everywhere
_LINEAR_TICKS_HZ = (2000, 5000, 10000, 15000, 20000)
_VALUES = {
    "log-mel3": "log-mel power (ln), 25 ms",
    "log-mel": "log-mel power (ln)",
    "log-spec": "log power (ln)",
    "mfcc": "coefficient of ln power",
    "gammatone": "log power (ln), gammatone",
}
_NAME_SHARE = 0.7  # of a bar's length, at most, that the name of its end takes
_SEEN_FROM = 0.15  # of the scale: an overlay shows attributions from here on, and whole from its end on

Extent = tuple[float, float, float, float]
Scale = tuple[float, float]


def features_of(record: Record) -> str:
    """Return what the images of a record show."""
    return str(record.params.get("image", {}).get("features"))


def extent_of(record: Record, image: np.ndarray, rows: Sequence[Mapping[str, Any]]) -> tuple[Extent, str]:
    """Return where the images of some rows lie, and what their time axis is called.

    It is in seconds if the record knows their length; where clips of several lengths were stretched, in shares.
    """
    clip_s = number(record.params.get("image", {}).get("clip_s"))
    end, axis = (clip_s, "time (s)") if math.isfinite(clip_s) else (float(image.shape[-1]), "frame")
    if any(row.get("shown_s") not in (None, clip_s) for row in rows):
        end, axis = 1.0, "share of the clip"
    return (0.0, end, -0.5, image.shape[-2] - 0.5), axis


def spectrogram_scale(record: Record, images: np.ndarray) -> Scale:
    """Return the ends of the images' scale: silence and the loudest, or about zero for coefficients of both signs."""
    if features_of(record) == "mfcc":
        sizes = np.abs(images[:, 1:])  # row 0, the level, is far beyond all others
        limit = float(np.nanpercentile(sizes, PERCENTILE)) if np.isfinite(sizes).any() else 0.0
        limit = limit if limit > 0 else 1.0
        return -limit, limit
    floor = number(record.params.get("silence"))
    silence = floor if math.isfinite(floor) else float(np.nanmin(images))  # of a record that does not name it
    return silence, max(float(np.nanmax(images)), silence + 1) if np.isfinite(images).any() else silence + 1


def attribution_limit(maps: np.ndarray) -> float:
    """Return where the symmetric scale of some maps ends."""
    limit = float(np.nanpercentile(np.abs(maps), PERCENTILE)) if np.isfinite(maps).any() else 0.0
    return limit if limit > 0 else 1.0  # all zero: any scale will do


def show_spectrogram(ax: Axes, image: np.ndarray, *, record: Record, scale: Scale, extent: Extent) -> AxesImage:
    """Draw one, ``(n_rows, n_columns)``."""
    found = _show(ax, image, extent)
    found.set(cmap="PuOr_r" if features_of(record) == "mfcc" else "cividis", clim=scale)
    return found


def show_attribution(ax: Axes, attribution: np.ndarray, *, limit: float, extent: Extent) -> AxesImage:
    """Draw one, ``(n_rows, n_columns)``: red speaks for the class, blue against it."""
    found = _show(ax, attribution, extent)
    found.set(cmap="RdBu_r", clim=(-limit, limit))
    return found


def smoothed(attribution: np.ndarray) -> np.ndarray:
    """Return an attribution ``(n_rows, n_columns)`` averaged over its surroundings: an overlay of specks shows none."""
    found: np.ndarray = ndimage.gaussian_filter(attribution.astype(np.float64), OVERLAY_SMOOTHING, mode="nearest")
    return found


def show_overlay(
    ax: Axes, image: np.ndarray, attribution: np.ndarray, *, scale: Scale, limit: float, extent: Extent
) -> ScalarMappable:
    """Draw a spectrogram in grey, and on it a `smoothed` attribution, the more opaque the greater; return its scale."""
    below = _show(ax, image, extent)
    below.set(cmap="gray_r", clim=(scale[0], scale[1] + 0.3 * (scale[1] - scale[0])))  # mid grey at most: colours show
    share = np.clip(np.nan_to_num(attribution / limit), -1, 1)
    colours = colormaps["RdBu_r"](0.5 + 0.5 * share)
    colours[..., 3] = np.clip((np.abs(share) - _SEEN_FROM) / (1 - _SEEN_FROM), 0, 1) ** 0.5
    _show(ax, colours, extent)
    return ScalarMappable(Normalize(-limit, limit), "RdBu_r")


def label_axes(record: Record, *, left: Sequence[Axes], bottom: Sequence[Axes], n_rows: int, axis: str) -> None:
    """Name the axes and set the ticks of images that share both axes."""
    row_hz = np.asarray(record.params.get("row_hz") or (), dtype=np.float64)
    name = "coefficient" if features_of(record) == "mfcc" else "row"
    if row_hz.size == n_rows:
        of_features = _LINEAR_TICKS_HZ if features_of(record) == "log-spec" else _TICKS_HZ
        ticks = [hz for hz in of_features if row_hz[0] <= hz <= row_hz[-1]]
        left[0].set_yticks(np.interp(ticks, row_hz, np.arange(n_rows)), [f"{hz}" for hz in ticks])
        name = "Hz"
    for ax in left:
        ax.set_ylabel(name, fontsize=7)
    for ax in bottom:
        ax.set_xlabel(axis)
    left[0].xaxis.set_major_locator(MaxNLocator(nbins=4 if len(bottom) > 3 else 6))


def spectrogram_bar(figure: Figure | SubFigure, cax: Axes, image: AxesImage, *, record: Record, **layout: Any) -> None:
    """Draw the bar of a spectrogram, its end at silence named."""
    features = features_of(record)
    bar = figure.colorbar(image, cax=cax, extend="both" if features == "mfcc" else "neither", **layout)
    bar.set_label(_VALUES.get(features, "value"), fontsize=7)
    if features == "mfcc":
        bar.locator = MaxNLocator(nbins=5, symmetric=True)
        bar.update_ticks()
    elif layout.get("orientation") == "horizontal":
        _silence_tick(bar, *image.get_clim())
    else:
        bar.locator = MaxNLocator(nbins=4)
        bar.update_ticks()


def attribution_bar(figure: Figure | SubFigure, cax: Axes, image: ScalarMappable, *, label: str, **layout: Any) -> None:
    """Draw the bar of attributions."""
    bar = figure.colorbar(image, cax=cax, extend="both", **layout)
    bar.set_label(label, fontsize=7)
    bar.locator = MaxNLocator(nbins=5 if layout.get("orientation") == "horizontal" else 3, symmetric=True)
    bar.update_ticks()


def _show(ax: Axes, image: np.ndarray, extent: Extent) -> AxesImage:
    ax.spines[["top", "right"]].set_visible(True)
    return ax.imshow(image, origin="lower", aspect="auto", extent=extent, interpolation="nearest")


def _silence_tick(bar: Colorbar, silence: float, top: float) -> None:
    levels = [tick for tick in range(-40, 41, 5) if silence + _NAME_SHARE * (top - silence) < tick <= top]
    named = [f"silence ({silence:.1f})", *map(str, levels)]
    bar.set_ticks([silence, *levels], labels=[name.replace("-", "\N{MINUS SIGN}") for name in named])
    bar.ax.get_xticklabels()[0].set_horizontalalignment("left")
