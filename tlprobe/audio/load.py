"""Read one recording as a mono waveform at a wanted rate.

What `soundfile` can decode is read, by content and not by file name. A file that cannot be read to its end
is an error, which libsndfile often does not see: what the file itself says of its length is checked first,
in all but a few rare formats.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from tlprobe.audio.declared_size import promised_size
from tlprobe.audio.mpeg import exact_length
from tlprobe.audio.ogg import check_pages
from tlprobe.errors import DataError

__all__ = ["SR_MAX", "SR_MIN", "UNCHECKED_FORMATS", "AudioInfo", "info", "is_utf8", "load"]

SR_MIN = 4_000  # Hz; below, 128 mel filters do not fit over 10 Hz bins
SR_MAX = 384_000  # Hz; the highest rate that recorders write
_BLOCK = 1 << 18  # frames read at once: a header that claims 2**36 samples must not allocate them

UNCHECKED_FORMATS = frozenset({"AVR", "IRCAM", "MAT4", "MAT5", "MPC2K", "PAF", "PVF", "WVE", "XI"})
"""libsndfile's names of rare formats that are read, but whose end nobody checks: half a file passes for a whole."""


@dataclass(frozen=True)
class AudioInfo:
    """What a recording's header says.

    Parameters
    ----------
    sr : int in [4000, 384000], in Hz
    n_samples : int > 0
        Samples of one channel.
    n_channels : int > 0
    """

    sr: int
    n_samples: int
    n_channels: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sr


def info(path: Path) -> AudioInfo:
    """Return rate, length and channels of a recording, from its header.

    Raises
    ------
    DataError
        If the file is missing, empty, truncated or no recording, or its rate is outside 4-384 kHz.
    """
    with _open(path) as file:
        return _header(path, file)


def load(path: Path, *, sr: int) -> npt.NDArray[np.float32]:
    """Return a recording as a mono waveform.

    Parameters
    ----------
    path : Path
        Any format that libsndfile decodes, WAV, FLAC, OGG, MP3, AIFF, ...
    sr : int > 0, in Hz
        Wanted rate; another one is resampled (soxr, high quality).

    Returns
    -------
    waveform : np.ndarray [shape=(n_samples,), float32]
        Mean of the channels, full scale at +-1; resampled, it has ceil(n * sr / sr_file) samples.

    Raises
    ------
    DataError
        If the file is missing, empty, truncated, silent or no recording, or holds NaN or infinity.
    """
    with _open(path) as file:
        header = _header(path, file)
        blocks, left = [], header.n_samples  # no further: to libsndfile, a long tag behind an MP3 is an error
        try:
            while len(block := file.read(min(_BLOCK, left), dtype="float32", always_2d=True)):
                blocks.append(block)
                left -= len(block)
        except (soundfile.SoundFileError, RuntimeError) as error:
            raise DataError(f"{path} cannot be decoded, damaged or truncated: {_reason(error)}") from error
    samples = np.concatenate(blocks) if blocks else np.zeros((0, 1), np.float32)
    if len(samples) < header.n_samples:
        raise DataError(f"{path} is truncated: {len(samples)} of the {header.n_samples} samples its header promises")
    if not np.isfinite(samples).all():
        raise DataError(f"{path} holds samples that are NaN or infinite")
    if not samples.any():
        raise DataError(f"{path} is silent: all its {len(samples)} samples are zero")
    mono: npt.NDArray[np.float32] = samples.mean(axis=1)
    if not mono.any():
        raise DataError(f"{path} is silent once its {header.n_channels} channels are averaged: they cancel")
    return mono if header.sr == sr else _resample(mono, sr_from=header.sr, sr_to=sr)


def is_utf8(name: str) -> bool:
    r"""Return whether a file name is text: Linux allows any bytes, libsndfile and our hashes do not.

    Examples
    --------
    >>> is_utf8("caf\u00e9.wav"), is_utf8("caf\udce9.wav")
    (True, False)
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _resample(waveform: npt.NDArray[np.float32], *, sr_from: int, sr_to: int) -> npt.NDArray[np.float32]:
    n_samples = -(-len(waveform) * sr_to // sr_from)  # ceil in integers: float ratios can be one sample off
    resampled = soxr.resample(waveform, sr_from, sr_to, quality="HQ")
    fixed = np.zeros(n_samples, np.float32)
    fixed[: len(resampled)] = resampled[:n_samples]
    return fixed


def _open(path: Path) -> soundfile.SoundFile:
    """Open `path` for reading, after the checks that libsndfile does not make."""
    if not is_utf8(str(path)):
        raise DataError(f"{str(path)!a} is no name in UTF-8; rename it")
    if not path.is_file():
        raise DataError(f"{path} is {'no regular file' if path.exists() else 'missing'}")
    try:
        _check_whole(path)
        return soundfile.SoundFile(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (soundfile.SoundFileError, RuntimeError, TypeError) as error:  # TypeError: a .raw name
        raise DataError(f"{path} is no recording that libsndfile can read: {_reason(error)}") from error


def _check_whole(path: Path) -> None:
    """Raise DataError if a file ends before it says it does."""
    size = path.stat().st_size
    if size == 0:
        raise DataError(f"{path} is empty: it has 0 bytes")
    promised = promised_size(path)
    if promised > size:
        raise DataError(f"{path} is truncated: its header promises {promised} bytes, it has {size}")
    with path.open("rb") as file:
        is_ogg = file.read(4) == b"OggS"
    if is_ogg:
        check_pages(path)


def _header(path: Path, file: soundfile.SoundFile) -> AudioInfo:
    if not SR_MIN <= file.samplerate <= SR_MAX:
        raise DataError(f"{path} claims a rate of {file.samplerate} Hz; rates from {SR_MIN} to {SR_MAX} Hz are read")
    if file.frames <= 0:
        raise DataError(f"{path} is empty: it holds no samples")
    n_samples = exact_length(path, told=file.frames) if file.format == "MP3" else file.frames
    return AudioInfo(sr=int(file.samplerate), n_samples=int(n_samples), n_channels=int(file.channels))


def _reason(error: Exception) -> str:
    """Return libsndfile's own words, without the file name that they repeat."""
    return str(getattr(error, "error_string", error)).strip().rstrip(".")
