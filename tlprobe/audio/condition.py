"""What should be known of a recording that can be used: clipped, silent, padded, misnamed, out of phase.

None of these is an error. Conventions: shares are in [0, 1]; full scale is +-1.
"""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from tlprobe.audio.load import AudioInfo, decode
from tlprobe.errors import DataError

__all__ = ["CANCELLED_FROM", "CLIPPED_FROM", "PADDED_FROM", "Condition", "cancelled_share", "condition_of"]

CLIPPED_FROM = 1e-3
"""Share of clipped samples from which on a recording counts as clipped."""
PADDED_FROM = 0.5
"""Share of digital silence at the ends from which on a recording is mostly padding."""
CANCELLED_FROM = 0.2
"""Share of energy that averaging the channels may lose before it is told."""

_CLIP_LEVEL = 1 - 2.0**-7  # full scale of 8 bit is 1 - 1/128 on its positive side
_CLIP_RUN = 3  # samples in a row at that level: one alone is a peak

_SUFFIXES = {
    "WAV": {".wav", ".wave", ".bwf"},
    "WAVEX": {".wav", ".wave", ".bwf"},
    "RF64": {".wav", ".wave", ".rf64", ".bwf"},
    "W64": {".w64", ".wav"},
    "FLAC": {".flac"},
    "OGG": {".ogg", ".oga", ".opus"},
    "MP3": {".mp3"},
    "AIFF": {".aif", ".aiff", ".aifc"},
    "AU": {".au", ".snd"},
    "CAF": {".caf"},
    "NIST": {".sph", ".wav", ".nist"},
}


@dataclasses.dataclass(frozen=True)
class Condition:
    """What is noted of a recording.

    Parameters
    ----------
    header : AudioInfo
    format, subtype : str
        libsndfile's names, such as ``WAV`` and ``PCM_16``.
    peak : float >= 0
        Largest absolute sample.
    clipped_share : float
        Of samples in runs of three or more at full scale.
    silent : bool
        Whether all samples are zero.
    padded_share : float
        Of exact zeros before the first and after the last sample that is none; 1 for silence.
    cancelled_share : float
        Of the channels' energy, what their average loses: 0 for equal channels, 1/2 for unrelated ones of
        equal loudness, 1 for opposite ones.
    wrong_suffix : bool
        Whether the file is named like another format.
    """

    header: AudioInfo
    format: str
    subtype: str
    peak: float
    clipped_share: float
    silent: bool
    padded_share: float
    cancelled_share: float
    wrong_suffix: bool

    def notes(self) -> tuple[str, ...]:
        """Return the words for what is out of the ordinary; none for a sound recording.

        Examples
        --------
        >>> Condition(AudioInfo(8000, 10, 1), "WAV", "PCM_16", 0.0, 0.0, True, 1.0, 0.0, False).notes()
        ('silent',)
        """
        if self.silent:
            return ("silent", *(("wrong suffix",) if self.wrong_suffix else ()))
        found = {
            "clipped": self.clipped_share >= CLIPPED_FROM,
            "mostly padding": self.padded_share >= PADDED_FROM,
            "channels cancel": self.cancelled_share > CANCELLED_FROM,
            "wrong suffix": self.wrong_suffix,
        }
        return tuple(name for name, holds in found.items() if holds)


def condition_of(path: Path) -> Condition:
    """Decode a recording to its end and return its condition.

    Raises
    ------
    DataError
        If it cannot be used, as `tlprobe.audio.load.decode` says.
    """
    samples, header = decode(path)
    try:
        about = soundfile.info(path)
    except (soundfile.SoundFileError, RuntimeError) as error:  # it changed under our hands
        raise DataError(f"{path} cannot be read any more: {error}") from error
    loud = np.flatnonzero(samples.any(axis=1))
    n = len(samples)
    padded = n if not len(loud) else n - (int(loud[-1]) - int(loud[0]) + 1)
    allowed = _SUFFIXES.get(about.format)
    return Condition(
        header=header,
        format=about.format,
        subtype=about.subtype,
        peak=float(np.abs(samples).max()),
        clipped_share=_clipped(samples),
        silent=not len(loud),
        padded_share=padded / n,
        cancelled_share=cancelled_share(samples),
        wrong_suffix=allowed is not None and path.suffix.lower() not in allowed,
    )


def cancelled_share(samples: npt.NDArray[np.float32]) -> float:
    """Return the share of the channels' energy that their average loses.

    Parameters
    ----------
    samples : np.ndarray [shape=(n_samples, n_channels)]

    Examples
    --------
    >>> cancelled_share(np.array([[1, 1], [0.5, 0.5]], np.float32))
    0.0
    >>> cancelled_share(np.array([[1, -1], [0.5, -0.5]], np.float32))
    1.0
    """
    if samples.shape[1] == 1:
        return 0.0
    energy = float(np.square(samples, dtype=np.float64).mean())
    if energy == 0:
        return 0.0
    kept = float(np.square(samples.mean(axis=1, dtype=np.float64)).mean())
    return max(0.0, 1 - kept / energy)


def _clipped(samples: npt.NDArray[np.float32]) -> float:
    """Return the share of samples that are in runs at full scale."""
    full = np.abs(samples) >= _CLIP_LEVEL
    if not full.any():
        return 0.0
    count = 0
    for channel in full.T:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], channel, [False]]).astype(np.int8)))
        lengths = edges[1::2] - edges[::2]
        count += int(lengths[lengths >= _CLIP_RUN].sum())
    return count / full.size
