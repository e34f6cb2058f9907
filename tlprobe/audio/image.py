"""Waveforms as images: what an ImageNet network is shown of a sound.

An image is (3, n_mels, width). Rows are frequency, from low to high (of ``mfcc``: coefficients), columns are time.

- ``log-mel3``: three log-mel spectrograms, with windows/hops of 25/10, 50/25 and 100/50 ms, so that one channel is
  sharp in time and another in frequency. librosa's ``melspectrogram(htk=True, norm=None)``, then ``np.log``.
- ``log-mel``: the 25/10 ms one, three times.
- ``log-spec``: the log of the power of that window's FFT bins from 0 Hz to sr/2, resized to n_mels rows.
- ``mfcc``: the DCT-II (orthonormal) of ``log-mel`` along frequency. All n_mels coefficients are kept, a row each: the
  first 20 or 40 alone would have to be stretched to the image's height, which blurs an axis whose rows are not
  neighbours in any sense, and would know less of the sound than the other representations do. Row 0, the level, is
  by far the largest.
- ``gammatone``: the log power behind ERB-spaced gammatone filters, see `tlprobe.audio.gammatone`.

All are resized to `width` columns after the logarithm; all but ``log-mel3`` have three equal channels. Silence is a
constant image: ln(1e-6) everywhere, but for ``mfcc`` in row 0, sqrt(n_mels) ln(1e-6), and 0 in the others.
Conventions: see `tlprobe.audio.settings`.
Reference: Palanisamy et al. 2020, https://arxiv.org/abs/2007.11154, section 3, and its code.
"""

import math

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.sparse

from tlprobe.audio.gammatone import gammatone_centres_hz, gammatone_gains
from tlprobe.audio.mel import mel_centres_hz, mel_filters
from tlprobe.audio.resize import resize_weights
from tlprobe.audio.settings import LOG_FLOOR, LOG_OFFSET, ImageSettings
from tlprobe.audio.spectrogram import bands_of_log, log_of_bands
from tlprobe.errors import ParameterError

__all__ = ["ImageMaker", "row_hz", "silence_image"]

Array = npt.NDArray[np.float32]


class ImageMaker:
    """Turn waveforms of one length into images.

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
        self._filters = scipy.sparse.csr_array(_filters(settings))
        self._windows = [
            (_hann(round(settings.sr * window_ms / 1000)), round(settings.sr * hop_ms / 1000))
            for window_ms, hop_ms in settings.windows_ms
        ]
        self._columns = self._columns_of(self.n_samples)

    def __call__(self, waveform: Array) -> Array:
        """Return the image of a waveform.

        Parameters
        ----------
        waveform : np.ndarray [shape=(n_samples,), float32]
            Full scale at +-1.

        Returns
        -------
        image : np.ndarray [shape=(3, n_mels, width), float32]
            Natural log of power, at least ``LOG_FLOOR``, or its cepstrum; row 0 is the lowest frequency.

        Raises
        ------
        ParameterError
            If the waveform does not have `n_samples` samples.
        """
        if waveform.shape != (self.n_samples,):
            raise ParameterError(
                f"a waveform of shape {waveform.shape} does not fit ({self.n_samples},); see fit_length"
            )
        return self._image(waveform, self._columns)

    def stretched(self, waveform: Array) -> Array:
        """Return the image of a waveform of any length, resized to the same width.

        Parameters
        ----------
        waveform : np.ndarray [shape=(n,), float32]
            What is too short for the transform gets silence at its end: at least 50 ms are shown.

        Returns
        -------
        image : np.ndarray [shape=(3, n_mels, width), float32]
        """
        shortest = self.settings.n_fft // 2 + 1
        padded = np.pad(waveform, (0, max(0, shortest - len(waveform))))
        return self._image(padded, self._columns_of(len(padded)))

    def _columns_of(self, n_samples: int) -> list[scipy.sparse.csr_array]:
        n_frames = [1 + n_samples // hop for _, hop in self._windows]
        return [scipy.sparse.csr_array(resize_weights(n, self.settings.width).T) for n in n_frames]

    def _image(self, waveform: Array, columns: list[scipy.sparse.csr_array]) -> Array:
        spectrograms = self.spectrograms(waveform)
        channels = [(weights @ rows.T).T for rows, weights in zip(spectrograms, columns, strict=True)]
        image: Array = np.stack(channels if len(channels) == 3 else channels * 3)
        return image

    def spectrograms(self, waveform: Array) -> list[Array]:
        """Return what becomes the channels before the resize in time, each (n_mels, n_frames of its hop)."""
        spectrogram = bands_of_log if self.settings.features == "log-spec" else log_of_bands
        found = [
            spectrogram(
                waveform, n_fft=self.settings.n_fft, hop=hop, window=window, filters=self._filters, offset=LOG_OFFSET
            )
            for window, hop in self._windows
        ]
        if self.settings.features == "mfcc":
            return [scipy.fft.dct(rows, axis=0, norm="ortho") for rows in found]
        return found


def silence_image(settings: ImageSettings) -> Array:
    """Return what digital silence becomes.

    Returns
    -------
    image : np.ndarray [shape=(3, n_mels, width), float32]
        Constant in time.
    """
    rows = np.full(settings.n_mels, LOG_FLOOR, np.float32)
    if settings.features == "mfcc":
        rows[:] = 0
        rows[0] = math.sqrt(settings.n_mels) * LOG_FLOOR
    return np.broadcast_to(rows[:, None], (3, settings.n_mels, settings.width)).copy()


def row_hz(settings: ImageSettings) -> npt.NDArray[np.float64] | None:
    """Return the frequency that each row of the image stands for.

    Returns
    -------
    hz : np.ndarray [shape=(n_mels,)] or None, in Hz
        Rising; the labels of a frequency axis. None for ``mfcc``, whose rows are coefficients 0, 1, ...
    """
    if settings.features == "mfcc":
        return None
    if settings.features == "gammatone":
        return gammatone_centres_hz(settings)
    if settings.features == "log-spec":
        bins = np.arange(settings.n_fft // 2 + 1) * settings.sr / settings.n_fft
        hz: npt.NDArray[np.float64] = bins @ resize_weights(len(bins), settings.n_mels).astype(np.float64)
        return hz
    return mel_centres_hz(settings)


def _filters(settings: ImageSettings) -> Array:
    """Return what each FFT bin counts in each row, (n_mels, n_fft // 2 + 1)."""
    if settings.features == "log-spec":
        return resize_weights(settings.n_fft // 2 + 1, settings.n_mels).T
    if settings.features == "gammatone":
        return gammatone_gains(settings)
    return mel_filters(settings)


def _hann(n: int) -> Array:
    """Return the periodic Hann window of `n` samples."""
    window: Array = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)
    return window
