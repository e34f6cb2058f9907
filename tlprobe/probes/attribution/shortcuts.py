"""Shortcuts: how much of an attribution lies where no sound event should be.

Shares of the absolute attribution, summed over channels: on digital silence at a clip's ends (padding), above a
frequency, and in the first and last 100 ms. Beside each, the share of the image that it is: what a map that prefers
nothing would have there.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tlprobe.audio.image import row_hz, silence_image
from tlprobe.audio.settings import ImageSettings
from tlprobe.errors import ParameterError
from tlprobe.probes.attribution.ways import Way

__all__ = ["ENDS_S", "PLACES", "by_class", "cut_of", "padding_columns", "shortcuts", "sounding_columns"]

ENDS_S = 0.1
"""Seconds at each end."""

PLACES = ("padding", "above", "ends")
"""Where no sound event should be."""

_SAME = 1e-3  # of log power: what a column of silence may be off after the resize


def cut_of(settings: ImageSettings, above_hz: float | None) -> float:
    """Return the frequency above which a share is told: the given one, or half of what the images show.

    Raises
    ------
    ParameterError
        If nothing is shown above it, or rows are no frequencies.
    """
    if above_hz is None:
        return settings.sr / 4
    if row_hz(settings) is None:
        raise ParameterError(f"above_hz={above_hz:g}: the rows of {settings.features} are no frequencies")
    if not 0 < above_hz < settings.sr / 2:
        raise ParameterError(f"above_hz={above_hz:g} is not between 0 and the images' {settings.sr / 2:g} Hz")
    return above_hz


def shortcuts(
    attribution: npt.NDArray[np.float32],
    image: npt.NDArray[np.float32],
    settings: ImageSettings,
    *,
    above_hz: float,
    shown_s: float | None = None,
    from_silence: bool = False,
) -> dict[str, float | None]:
    """Return where an attribution lies.

    Parameters
    ----------
    attribution, image : np.ndarray [shape=(3, n_mels, width)]
        The latter as `tlprobe.audio.image` makes it.
    settings : ImageSettings
    above_hz : float > 0, in Hz
    shown_s : float > 0, in seconds, optional
        Of the clip, that the image shows; default: ``settings.clip_s``.
    from_silence : bool
        Whether the map says what changes against silence: on padding it is then 0 whatever the network does.

    Returns
    -------
    shares : dict
        ``padding``, ``above`` and ``ends``, and with ``_area`` the part of the image, all in [0, 1]. None where the map
        is zero everywhere; all of a silent clip, whose map is rounding; ``padding`` against silence; and ``above``
        where rows are no frequencies.
    """
    if not sounding_columns(image, settings).any():
        return dict.fromkeys(name for place in PLACES for name in (place, f"{place}_area"))
    size = np.abs(attribution.sum(axis=0, dtype=np.float64))
    total = float(size.sum())
    hz = row_hz(settings)
    ends = max(1, round(ENDS_S / (settings.clip_s if shown_s is None else shown_s) * settings.width))
    at_ends = np.zeros(settings.width, bool)
    at_ends[:ends] = at_ends[-ends:] = True
    masks: dict[str, npt.NDArray[np.bool_] | None] = {
        "padding": np.broadcast_to(padding_columns(image, settings), size.shape),
        "above": None if hz is None else np.broadcast_to((hz > above_hz)[:, None], size.shape),
        "ends": np.broadcast_to(at_ends, size.shape),
    }
    shares: dict[str, float | None] = {}
    for name, mask in masks.items():
        by_construction = name == "padding" and from_silence
        known = mask is not None and total and not by_construction
        shares[name] = float(size[mask].sum()) / total if known else None
        shares[f"{name}_area"] = None if mask is None else float(mask.mean())
    return shares


def by_class(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the mean shares of each class, and of all clips.

    Parameters
    ----------
    rows : sequence of mapping
        Of a record of `tlprobe.probes.attribute.attribute`.

    Returns
    -------
    table : list of dict
        For each run and way to explain (``run``, ``way``) a row a class, sorted, and one of all clips, whose ``label``
        is None: ``n`` clips, ``n_silent`` of them that have no shares, and of each of `PLACES` the mean share and, with
        ``_area``, what it is of the image; None where no clip has one. Clips whose class is not known count among all.
    """
    table: list[dict[str, Any]] = []
    ways: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        ways.setdefault((row["run"], Way.of(row).text), []).append(row)
    for (run, way), own in ways.items():
        for label in (None, *sorted({row["label"] for row in own if row["label"] is not None})):
            these = own if label is None else [row for row in own if row["label"] == label]
            means = {
                name: _mean([row[f"on_{name}"] for row in these])
                for place in PLACES
                for name in (place, f"{place}_area")
            }
            n_silent = sum(row["on_ends_area"] is None for row in these)
            table.append({"run": run, "way": way, "label": label, "n": len(these), "n_silent": n_silent, **means})
    return table


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return statistics.fmean(there) if there else None


def sounding_columns(image: npt.NDArray[np.float32], settings: ImageSettings) -> npt.NDArray[np.bool_]:
    """Return which columns are more than digital silence, on some channel."""
    sounding: npt.NDArray[np.bool_] = (np.abs(image - silence_image(settings)) >= _SAME).any(axis=(0, 1))
    return sounding


def padding_columns(image: npt.NDArray[np.float32], settings: ImageSettings) -> npt.NDArray[np.bool_]:
    """Return which columns are silence on all channels, at the beginning or the end without a break."""
    silent = ~sounding_columns(image, settings)
    padded: npt.NDArray[np.bool_] = np.logical_and.accumulate(silent) | np.logical_and.accumulate(silent[::-1])[::-1]
    return padded
