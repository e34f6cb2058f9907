"""A waveform of a given length."""

from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Fit", "fit_length"]

Fit = Literal["exact", "padded", "cropped"]


def fit_length(
    waveform: npt.NDArray[np.float32], *, n_samples: int, repeat: bool = False
) -> tuple[npt.NDArray[np.float32], Fit]:
    """Return `waveform` with exactly `n_samples` samples, and what was done to it.

    Parameters
    ----------
    waveform : np.ndarray [shape=(n,)]
    n_samples : int > 0
        A shorter waveform gets silence at its end, a longer one keeps its centre.
    repeat : bool
        A shorter one is repeated from its start instead.

    Returns
    -------
    fitted : np.ndarray [shape=(n_samples,)]
    fit : {"exact", "padded", "cropped"}

    Examples
    --------
    >>> fit_length(np.array([1.0, 2.0, 3.0, 4.0], np.float32), n_samples=2)
    (array([2., 3.], dtype=float32), 'cropped')
    >>> fit_length(np.array([1.0], np.float32), n_samples=2)
    (array([1., 0.], dtype=float32), 'padded')
    >>> fit_length(np.array([1.0, 2.0], np.float32), n_samples=5, repeat=True)
    (array([1., 2., 1., 2., 1.], dtype=float32), 'padded')
    """
    n = len(waveform)
    if n < n_samples:
        return np.resize(waveform, n_samples) if repeat else np.pad(waveform, (0, n_samples - n)), "padded"
    if n > n_samples:
        start = (n - n_samples) // 2
        return waveform[start : start + n_samples], "cropped"
    return waveform, "exact"
