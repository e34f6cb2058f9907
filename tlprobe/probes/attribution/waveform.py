"""The waveform of a clip as it is drawn above its spectrogram: the least and the greatest sample of each column."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tlprobe.audio.length import fit_length
from tlprobe.audio.load import load
from tlprobe.audio.settings import ImageSettings

__all__ = ["peaks"]


def peaks(file: Path, part: tuple[float | None, float | None], settings: ImageSettings) -> npt.NDArray[np.float32]:
    """Return the extremes of a recording in the time of each column of its image.

    Parameters
    ----------
    file : Path
    part : (float or None, float or None), in seconds
        The part of it that is shown.
    settings : ImageSettings
        Its clips' length, width, and what becomes of shorter ones.

    Returns
    -------
    peaks : np.ndarray [shape=(2, width), float32]
        Least and greatest, full scale at +-1.

    Raises
    ------
    DataError
        If the recording cannot be used.
    """
    waveform = load(file, sr=settings.sr, start_s=part[0], end_s=part[1], channel=settings.channel)
    if settings.short != "stretch" or len(waveform) > settings.n_samples:
        waveform = fit_length(waveform, n_samples=settings.n_samples, repeat=settings.short == "repeat")[0]
    edges = np.linspace(0, len(waveform), settings.width + 1)
    first = np.minimum(edges[:-1].astype(int), len(waveform) - 1)
    last = np.maximum(np.ceil(edges[1:]).astype(int), first + 1)
    return np.array(
        [[end(waveform[a:b]) for a, b in zip(first, last, strict=True)] for end in (np.min, np.max)], np.float32
    )
