"""The spectrogram of one waveform, in bands, at about the cost of its FFTs.

Frames are transformed some at a time, so that their spectra stay in the cache of the processor: windowed into
the head of a zero-padded row (where in the row does not change the power), SciPy's real FFT in float32, squares
in place, and the bands as one sparse product. No BLAS: its sums depend on its number of threads in the
last bits, and an image must be the same in a worker process and in a notebook.
Conventions: see `tlprobe.audio.settings`.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.sparse

__all__ = ["bands_of_log", "log_of_bands"]

_FRAMES = 32  # at a time: 0.6 MB of spectra at 44.1 kHz

Array = npt.NDArray[np.float32]


def log_of_bands(
    waveform: Array, *, n_fft: int, hop: int, window: Array, filters: scipy.sparse.csr_array, offset: float
) -> Array:
    """Return the natural log of the power of one waveform in bands.

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
    filters : scipy.sparse.csr_array [shape=(n_bands, n_fft // 2 + 1), float32]
        What each bin's power counts in each band.
    offset : float
        Added to the power before the logarithm.

    Returns
    -------
    spectrogram : np.ndarray [shape=(n_bands, 1 + n_samples // hop), float32]
    """
    power = np.empty((filters.shape[0], 1 + len(waveform) // hop), np.float32)
    for at, squares in _power(waveform, n_fft=n_fft, hop=hop, window=window):
        power[:, at : at + squares.shape[1]] = filters @ squares
    power += np.float32(offset)
    return np.log(power)


def bands_of_log(
    waveform: Array, *, n_fft: int, hop: int, window: Array, filters: scipy.sparse.csr_array, offset: float
) -> Array:
    """Return bands of the natural log of the power of one waveform: `log_of_bands` with the logarithm first.

    Parameters
    ----------
    waveform, n_fft, hop, window, offset
        As of `log_of_bands`.
    filters : scipy.sparse.csr_array [shape=(n_bands, n_fft // 2 + 1), float32]
        What each bin's log power counts in each band.

    Returns
    -------
    spectrogram : np.ndarray [shape=(n_bands, 1 + n_samples // hop), float32]
    """
    bands = np.empty((filters.shape[0], 1 + len(waveform) // hop), np.float32)
    for at, squares in _power(waveform, n_fft=n_fft, hop=hop, window=window):
        squares += np.float32(offset)
        bands[:, at : at + squares.shape[1]] = filters @ np.log(squares, out=squares)
    return bands


def _power(waveform: Array, *, n_fft: int, hop: int, window: Array) -> Iterator[tuple[int, Array]]:
    """Yield the power of the bins ``(n_fft // 2 + 1, some frames)``, and which frame is the first."""
    n_frames = 1 + len(waveform) // hop
    padded = np.pad(waveform, n_fft // 2, mode="reflect")
    start = (n_fft - len(window)) // 2
    frames = np.lib.stride_tricks.sliding_window_view(padded[start:], len(window))[::hop][:n_frames]
    rows = np.zeros((_FRAMES, n_fft), np.float32)
    for at in range(0, n_frames, _FRAMES):
        some = frames[at : at + _FRAMES]
        np.multiply(some, window, out=rows[: len(some), : len(window)])
        parts = scipy.fft.rfft(rows[: len(some)], axis=1).view(np.float32)  # real and imaginary in turns
        np.square(parts, out=parts)
        yield at, np.ascontiguousarray((parts[:, ::2] + parts[:, 1::2]).T)
