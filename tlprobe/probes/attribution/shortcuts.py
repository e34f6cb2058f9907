"""Shortcuts: how much of an attribution lies where no sound event should be.

Shares of the absolute attribution, summed over channels: on digital silence at a clip's ends (padding), above a
frequency, and in the first and last 100 ms. Beside each, the share of the image that it is: what a map that prefers
nothing would have there.
"""

import numpy as np
import numpy.typing as npt

from tlprobe.audio.image import row_hz, silence_image
from tlprobe.audio.settings import ImageSettings

__all__ = ["ENDS_S", "padding_columns", "shortcuts"]

ENDS_S = 0.1
"""Seconds at each end."""

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


def padding_columns(image: npt.NDArray[np.float32], settings: ImageSettings) -> npt.NDArray[np.bool_]:
    """Return which columns are silence on all channels, at the beginning or the end without a break."""
    silent = (np.abs(image - silence_image(settings)) < _SAME).all(axis=(0, 1))
    padded: npt.NDArray[np.bool_] = np.logical_and.accumulate(silent) | np.logical_and.accumulate(silent[::-1])[::-1]
    return padded
