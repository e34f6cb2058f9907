"""The log-mel spectrogram of one waveform, at about the cost of its FFTs.

Frames are transformed some at a time, so that their spectra stay in the cache of the processor: windowed into
the head of a zero-padded row (where in the row does not change the power), SciPy's real FFT in float32, squares
in place, and the mel triangles as a few small matrix products, each over the bins that its triangles touch.
Conventions: see `tlprobe.audio.logmel`.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.fft

__all__ = ["Band", "log_mel_spectrogram", "mel_bands"]

_FRAMES = 32  # at a time: 0.6 MB of spectra at 44.1 kHz
_FILTERS = 16  # a band

Array = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Band:
    """Neighbouring mel filters, over the bins that they touch.

    Parameters
    ----------
    first : int
        The first filter's row in the spectrogram.
    bins : slice
        The FFT bins.
    weights : np.ndarray [shape=(n_bins, n_filters), float32]
    """

    first: int
    bins: slice
    weights: Array


def mel_bands(filters: Array) -> list[Band]:
    """Cut mel filters ``(n_mels, n_fft // 2 + 1)`` into bands; outside its bins each filter is zero.

    Examples
    --------
    >>> (band,) = mel_bands(np.array([[0, 1, 0, 0], [0, 0, 2, 0]], np.float32))
    >>> band.bins, band.weights.tolist()
    (slice(1, 3, None), [[1.0, 0.0], [0.0, 2.0]])
    """
    bands = []
    for first in range(0, len(filters), _FILTERS):
        rows = filters[first : first + _FILTERS]
        touched = np.flatnonzero(rows.any(axis=0))
        bins = slice(int(touched[0]), int(touched[-1]) + 1)
        bands.append(Band(first, bins, np.ascontiguousarray(rows[:, bins].T)))
    return bands


def log_mel_spectrogram(
    waveform: Array, *, n_fft: int, hop: int, window: Array, bands: Sequence[Band], offset: float
) -> Array:
    """Return the natural log of the mel power of one waveform.

    Parameters
    ----------
    waveform : np.ndarray [shape=(n_samples,), float32]
        More than ``n_fft // 2`` samples: the edges are reflected.
    n_fft : int > 0
        Length of the FFT.
    hop : int > 0
        Samples between frames; frame i is centred on sample ``i * hop``.
    window : np.ndarray [shape=(at most n_fft,), float32]
        Placed in the middle of the frame.
    bands : sequence of Band
        The mel filters.
    offset : float
        Added to the power before the logarithm.

    Returns
    -------
    spectrogram : np.ndarray [shape=(n_mels, 1 + n_samples // hop), float32]
    """
    n_frames = 1 + len(waveform) // hop
    padded = np.pad(waveform, n_fft // 2, mode="reflect")
    start = (n_fft - len(window)) // 2
    frames = np.lib.stride_tricks.sliding_window_view(padded[start:], len(window))[::hop][:n_frames]
    n_mels = bands[-1].first + bands[-1].weights.shape[1]
    power = np.empty((n_frames, n_mels), np.float32)
    rows = np.zeros((_FRAMES, n_fft), np.float32)
    for at in range(0, n_frames, _FRAMES):
        some = frames[at : at + _FRAMES]
        np.multiply(some, window, out=rows[: len(some), : len(window)])
        parts = scipy.fft.rfft(rows[: len(some)], axis=1).view(np.float32)  # real and imaginary in turns
        np.square(parts, out=parts)
        squares = parts[:, ::2] + parts[:, 1::2]
        for band in bands:
            end = band.first + band.weights.shape[1]
            np.matmul(squares[:, band.bins], band.weights, out=power[at : at + len(some), band.first : end])
    power += np.float32(offset)
    return np.log(power).T
