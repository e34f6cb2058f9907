"""Mel filters: HTK's scale, triangles of height 1 (no area norm) from 0 Hz to sr/2.

Those of librosa's ``filters.mel(htk=True, norm=None)``, whose import takes three seconds in each worker.
Reference: Palanisamy et al. 2020, https://arxiv.org/abs/2007.11154, section 3, and its code.
"""

import math

import numpy as np
import numpy.typing as npt

from tlprobe.audio.settings import ImageSettings
from tlprobe.errors import ParameterError

__all__ = ["mel_centres_hz", "mel_edges_hz", "mel_filters"]


def mel_edges_hz(settings: ImageSettings) -> npt.NDArray[np.float64]:
    """Return the corners of the mel triangles: filter i rises from edge i to i + 1 and falls to i + 2.

    Returns
    -------
    edges : np.ndarray [shape=(n_mels + 2,)], in Hz
        Rising from 0 to sr/2, evenly spaced in HTK mels, 2595 log10(1 + f / 700).
    """
    top = 2595 * math.log10(1 + settings.sr / 2 / 700)
    edges: npt.NDArray[np.float64] = 700 * (10 ** (np.linspace(0, top, settings.n_mels + 2) / 2595) - 1)
    return edges


def mel_centres_hz(settings: ImageSettings) -> npt.NDArray[np.float64]:
    """Return the peaks of the mel triangles ``(n_mels,)``, in Hz, rising."""
    return mel_edges_hz(settings)[1:-1]


def mel_filters(settings: ImageSettings) -> npt.NDArray[np.float32]:
    """Return the weight of each FFT bin's power in each mel band.

    Returns
    -------
    filters : np.ndarray [shape=(n_mels, n_fft // 2 + 1), float32], in [0, 1]

    Raises
    ------
    ParameterError
        If a triangle is so narrow that no bin lies in it.
    """
    edges = mel_edges_hz(settings)
    bins = np.arange(settings.n_fft // 2 + 1) * settings.sr / settings.n_fft
    holds = np.searchsorted(bins, edges[2:], "left") - np.searchsorted(bins, edges[:-2], "right")
    n_empty = int((holds <= 0).sum())
    if n_empty:
        raise ParameterError(
            f"n_mels={settings.n_mels} leaves {n_empty} mel filters empty at sr={settings.sr} Hz; take fewer"
        )
    low, peak, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((bins - low) / (peak - low), (high - bins) / (high - peak))
    filters: npt.NDArray[np.float32] = np.clip(triangles, 0, None).astype(np.float32)
    return filters
