"""Waveforms as log-mel images: what an ImageNet network is shown of a sound.

Three channels are three spectrograms of one clip, with windows/hops of 25/10, 50/25 and 100/50 ms, so
that one channel is sharp in time and another in frequency; each is resized to the same (n_mels, width).

Conventions: power spectrogram, centred frames with reflected edges, periodic Hann window; one FFT length
for all three, of a tenth of a second (10 Hz bins), shorter windows zero-padded within it; mel scale of
HTK, triangles of height 1 (no area norm) from 0 Hz to sr/2; natural log of (power + 1e-6). This is
librosa's ``melspectrogram(htk=True, norm=None)`` followed by ``np.log``.
Reference: Palanisamy et al. 2020, https://arxiv.org/abs/2007.11154, section 3, and its code.
"""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse
from pydantic import BaseModel, ConfigDict, Field

from tlprobe.audio.load import SR_MAX, SR_MIN
from tlprobe.audio.spectrogram import log_mel_spectrogram
from tlprobe.errors import ParameterError

__all__ = [
    "CLIP_S_LIMIT",
    "LOG_FLOOR",
    "LOG_OFFSET",
    "WINDOWS_MS",
    "ImageSettings",
    "LogMel",
    "fit_length",
    "mel_centres_hz",
    "mel_edges_hz",
    "resize_weights",
]

LOG_OFFSET = 1e-6  # added to the power before the log (the paper's code)
LOG_FLOOR = math.log(LOG_OFFSET)  # what digital silence becomes, about -13.8
WINDOWS_MS = ((25, 10), (50, 25), (100, 50))  # (window, hop) of the three channels, in ms
CLIP_S_LIMIT = 3600.0  # seconds; an hour at 16 kHz takes about 5 GB to transform, and a mistyped 1e5 all there is
_BINS_PER_HZ = 0.1  # n_fft = sr / 10: 10 Hz bins, narrow enough for 128 mel filters

Fit = Literal["exact", "padded", "cropped"]


class ImageSettings(BaseModel):
    """All that decides what a clip's image looks like; stored in each run and used again by every probe.

    Parameters
    ----------
    sr : int in [4000, 384000], in Hz
        Rate that clips are resampled to.
    clip_s : float in (0, 3600], in seconds
        Shorter clips are padded with silence at the end, longer ones cropped at the centre.
    channels : {"windows", "copy"}
        Three windows as three channels, or the 25/10 ms one three times.
    n_mels : int > 0
        Rows of the image.
    width : int > 0
        Columns of the image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sr: int = Field(ge=SR_MIN, le=SR_MAX)
    clip_s: float = Field(gt=0, le=CLIP_S_LIMIT, allow_inf_nan=False)
    channels: Literal["windows", "copy"] = "windows"
    n_mels: int = Field(default=128, ge=1)
    width: int = Field(ge=1)

    @property
    def n_samples(self) -> int:
        """Samples of one clip: `clip_s` at `sr`, rounded up as resampling does."""
        return math.ceil(self.clip_s * self.sr - 1e-6)

    @property
    def n_fft(self) -> int:
        """FFT length, the same for all windows: a tenth of a second, so bins are 10 Hz apart."""
        return round(self.sr * _BINS_PER_HZ)


def fit_length(waveform: npt.NDArray[np.float32], *, n_samples: int) -> tuple[npt.NDArray[np.float32], Fit]:
    """Return `waveform` with exactly `n_samples` samples, and what was done to it.

    Parameters
    ----------
    waveform : np.ndarray [shape=(n,)]
    n_samples : int > 0
        A shorter waveform gets silence at its end, a longer one keeps its centre.

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
    """
    n = len(waveform)
    if n < n_samples:
        return np.pad(waveform, (0, n_samples - n)), "padded"
    if n > n_samples:
        start = (n - n_samples) // 2
        return waveform[start : start + n_samples], "cropped"
    return waveform, "exact"


class LogMel:
    """Turn waveforms of one length into log-mel images.

    Parameters
    ----------
    settings : ImageSettings

    Raises
    ------
    ParameterError
        If the clips are too short for the transform, or a mel filter would be empty.
    """

    def __init__(self, settings: ImageSettings):
        self.settings = settings
        self.n_samples = settings.n_samples
        n_fft = settings.n_fft
        if self.n_samples <= n_fft // 2:  # reflected edges need more samples than they add
            shortest_s = (n_fft // 2 + 1) / settings.sr
            raise ParameterError(f"clip_s={settings.clip_s} is too short: at least {shortest_s:.4f} s are needed")
        self._filters = scipy.sparse.csr_array(_mel_filters(settings))
        pairs = WINDOWS_MS[:1] if settings.channels == "copy" else WINDOWS_MS
        self._windows = [
            (_hann(round(settings.sr * window_ms / 1000)), round(settings.sr * hop_ms / 1000))
            for window_ms, hop_ms in pairs
        ]
        n_frames = [1 + self.n_samples // hop for _, hop in self._windows]
        self._columns = [scipy.sparse.csr_array(resize_weights(n, settings.width).T) for n in n_frames]

    def __call__(self, waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the image of a waveform.

        Parameters
        ----------
        waveform : np.ndarray [shape=(n_samples,), float32]
            Full scale at +-1.

        Returns
        -------
        image : np.ndarray [shape=(3, n_mels, width), float32]
            Natural log of power, at least ``LOG_FLOOR``; row 0 is the lowest frequency.

        Raises
        ------
        ParameterError
            If the waveform does not have `n_samples` samples.
        """
        if waveform.shape != (self.n_samples,):
            raise ParameterError(
                f"a waveform of shape {waveform.shape} does not fit ({self.n_samples},); see fit_length"
            )
        spectrograms = self.spectrograms(waveform)
        channels = [(columns @ power.T).T for power, columns in zip(spectrograms, self._columns, strict=True)]
        image: npt.NDArray[np.float32] = np.stack(channels if len(channels) == 3 else channels * 3)
        return image

    def spectrograms(self, waveform: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        """Return the log-mel spectrograms before the resize, each (n_mels, n_frames of its hop)."""
        return [
            log_mel_spectrogram(
                waveform, n_fft=self.settings.n_fft, hop=hop, window=window, filters=self._filters, offset=LOG_OFFSET
            )
            for window, hop in self._windows
        ]


def resize_weights(n_in: int, n_out: int) -> npt.NDArray[np.float32]:
    """Return the matrix ``(n_in, n_out)`` that resizes a row linearly; shrinking, it is antialiased.

    The same as PIL's bilinear resize and torch's ``interpolate(mode="bilinear", antialias=True)``: triangles as
    wide as two output cells, or two input cells where these are wider, each cut off at the edges and scaled to 1.

    Examples
    --------
    >>> resize_weights(4, 2).T.astype(float).round(3).tolist()
    [[0.429, 0.429, 0.143, 0.0], [0.0, 0.143, 0.429, 0.429]]
    """
    scale = n_in / n_out
    centres = (np.arange(n_out) + 0.5) * scale
    distance = np.abs(np.arange(n_in)[:, None] + 0.5 - centres) / max(scale, 1.0)
    weights = np.clip(1 - distance, 0, None)
    scaled: npt.NDArray[np.float32] = (weights / weights.sum(axis=0)).astype(np.float32)
    return scaled


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
    """Return the frequency that each row of the image stands for.

    Returns
    -------
    centres : np.ndarray [shape=(n_mels,)], in Hz
        Peaks of the mel triangles, rising; the labels of a frequency axis.
    """
    return mel_edges_hz(settings)[1:-1]


def _hann(n: int) -> npt.NDArray[np.float32]:
    """Return the periodic Hann window of `n` samples."""
    window: npt.NDArray[np.float32] = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)
    return window


def _mel_filters(settings: ImageSettings) -> npt.NDArray[np.float32]:
    """Return the mel filters (n_mels, n_fft // 2 + 1), none of them empty.

    Those of ``librosa.filters.mel(htk=True, norm=None)``, whose import takes three seconds in each worker.
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
