"""The log-mel spectrogram of one waveform, at about the cost of its FFTs.

Frames are transformed some at a time, so that their spectra stay in the cache of the processor: windowed into
the head of a zero-padded row (where in the row does not change the power), SciPy's real FFT in float32, squares
in place, and the mel triangles as one sparse product. No BLAS: its sums depend on its number of threads in the
last bits, and an image must be the same in a worker process and in a notebook.
Conventions: see `tlprobe.audio.logmel`.
"""

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.sparse

__all__ = ["log_mel_spectrogram"]

_FRAMES = 32  # at a time: 0.6 MB of spectra at 44.1 kHz

Array = npt.NDArray[np.float32]


def log_mel_spectrogram(
    waveform: Array, *, n_fft: int, hop: int, window: Array, filters: scipy.sparse.csr_array, offset: float
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
    filters : scipy.sparse.csr_array [shape=(n_mels, n_fft // 2 + 1), float32]
        The mel triangles.
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
    power = np.empty((filters.shape[0], n_frames), np.float32)
    rows = np.zeros((_FRAMES, n_fft), np.float32)
    for at in range(0, n_frames, _FRAMES):
        some = frames[at : at + _FRAMES]
        np.multiply(some, window, out=rows[: len(some), : len(window)])
        parts = scipy.fft.rfft(rows[: len(some)], axis=1).view(np.float32)  # real and imaginary in turns
        np.square(parts, out=parts)
        squares = parts[:, ::2] + parts[:, 1::2]
        power[:, at : at + len(some)] = filters @ np.ascontiguousarray(squares.T)
    power += np.float32(offset)
    return np.log(power)
