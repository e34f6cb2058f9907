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

__all__ = ["ENDS_S", "PLACES", "by_class", "padding_columns", "shortcuts"]

ENDS_S = 0.1
"""Seconds at each end."""

PLACES = ("padding", "above", "ends")
"""Where no sound event should be."""

_SAME = 1e-3  # of log power: what a column of silence may be off after the resize


def shortcuts(
    attribution: npt.NDArray[np.float32], image: npt.NDArray[np.float32], settings: ImageSettings, *, above_hz: float
) -> dict[str, float | None]:
    """Return where an attribution lies.

    Parameters
    ----------
    attribution, image : np.ndarray [shape=(3, n_mels, width)]
        The latter as `tlprobe.audio.image` makes it.
    settings : ImageSettings
    above_hz : float > 0, in Hz

    Returns
    -------
    shares : dict
        ``padding``, ``above`` and ``ends``, and with ``_area`` the part of the image, all in [0, 1]. None where the map
        is zero everywhere, and for ``above`` where rows are no frequencies.
    """
    size = np.abs(attribution.sum(axis=0, dtype=np.float64))
    total = float(size.sum())
    hz = row_hz(settings)
    ends = max(1, round(ENDS_S / settings.clip_s * settings.width))
    at_ends = np.zeros(settings.width, bool)
    at_ends[:ends] = at_ends[-ends:] = True
    masks: dict[str, npt.NDArray[np.bool_] | None] = {
        "padding": np.broadcast_to(padding_columns(image, settings), size.shape),
        "above": None if hz is None else np.broadcast_to((hz > above_hz)[:, None], size.shape),
        "ends": np.broadcast_to(at_ends, size.shape),
    }
    shares: dict[str, float | None] = {}
    for name, mask in masks.items():
        shares[name] = None if mask is None or not total else float(size[mask].sum()) / total
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
        is None: ``n`` clips, and of each of `PLACES` the mean share and, with ``_area``, what it is of the image; None
        where no clip has one. Clips whose class is not known count among all.
    """
    table: list[dict[str, Any]] = []
    ways: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        way = " ".join(str(row[name]) for name in ("method", "baseline", "block") if row[name] is not None)
        ways.setdefault((row["run"], way), []).append(row)
    for (run, way), own in ways.items():
        for label in (None, *sorted({row["label"] for row in own if row["label"] is not None})):
            these = own if label is None else [row for row in own if row["label"] == label]
            means = {
                name: _mean([row[f"on_{name}"] for row in these])
                for place in PLACES
                for name in (place, f"{place}_area")
            }
            table.append({"run": run, "way": way, "label": label, "n": len(these), **means})
    return table


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return statistics.fmean(there) if there else None


def padding_columns(image: npt.NDArray[np.float32], settings: ImageSettings) -> npt.NDArray[np.bool_]:
    """Return which columns are silence on all channels, at the beginning or the end without a break."""
    silent = (np.abs(image - silence_image(settings)) < _SAME).all(axis=(0, 1))
    padded: npt.NDArray[np.bool_] = np.logical_and.accumulate(silent) | np.logical_and.accumulate(silent[::-1])[::-1]
    return padded
