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

__all__ = [
    "DECODED_S_MAX",
    "SR_MAX",
    "SR_MIN",
    "UNCHECKED_FORMATS",
    "AudioInfo",
    "decode",
    "info",
    "is_utf8",
    "load",
    "to_mono",
    "to_rate",
]

SR_MIN = 4_000  # Hz; below, 128 mel filters do not fit over 10 Hz bins
SR_MAX = 384_000  # Hz; the highest rate that recorders write
DECODED_S_MAX = 3600  # seconds; an hour of stereo at 44.1 kHz takes 1.3 GB
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


def decode(
    path: Path, *, start_s: float | None = None, end_s: float | None = None
) -> tuple[npt.NDArray[np.float32], AudioInfo]:
    """Return the samples of a recording, or of a part of it, as they are in the file.

    Parameters
    ----------
    path : Path
        Any format that libsndfile decodes, WAV, FLAC, OGG, MP3, AIFF, ...
    start_s, end_s : float >= 0, in seconds, or None
        The part; None: from its beginning, to its end.

    Returns
    -------
    samples : np.ndarray [shape=(n_samples, n_channels), float32]
        Full scale at +-1.
    header : AudioInfo
        Of the whole file.

    Raises
    ------
    DataError
        If the file is missing, empty, truncated or no recording, holds NaN or infinity, or the part begins behind
        its end; or it is longer than `DECODED_S_MAX`.
    """
    with _open(path) as file:
        header = _header(path, file)
        start = round((start_s or 0) * header.sr)
        end = header.n_samples if end_s is None else min(header.n_samples, round(end_s * header.sr))
        if start >= end:
            raise DataError(f"{path} is {header.duration_s:g} s long; nothing is left of {start_s or 0:g} to {end_s} s")
        if end - start > DECODED_S_MAX * header.sr:
            raise DataError(
                f"{path} is {(end - start) / header.sr:.0f} s long; at most {DECODED_S_MAX} s are decoded at once: "
                "cut it into windows"
            )
        seeks = file.format != "MP3"  # which is decoded from its beginning to be exact
        blocks, at = [], start if seeks else 0
        try:
            if at:
                file.seek(at)
            left = end - at  # no further: to libsndfile, a long tag behind an MP3 is an error
            while len(block := file.read(min(_BLOCK, left), dtype="float32", always_2d=True)):
                blocks.append(block)
                left -= len(block)
        except (soundfile.SoundFileError, RuntimeError) as error:
            raise DataError(f"{path} cannot be decoded, damaged or truncated: {_reason(error)}") from error
    samples = np.concatenate(blocks) if blocks else np.zeros((0, 1), np.float32)
    if len(samples) < end - at:
        raise DataError(
            f"{path} is truncated: {at + len(samples)} of the {header.n_samples} samples its header promises"
        )
    samples = samples[start - at :]
    if not np.isfinite(samples).all():
        raise DataError(f"{path} holds samples that are NaN or infinite")
    return samples, header


def load(
    path: Path,
    *,
    sr: int,
    start_s: float | None = None,
    end_s: float | None = None,
    channel: int | None = None,
) -> npt.NDArray[np.float32]:
    """Return a recording, or a part of it, as a mono waveform.

    Parameters
    ----------
    path : Path
        Any format that libsndfile decodes.
    sr : int > 0, in Hz
        Wanted rate; another one is resampled (soxr, high quality).
    start_s, end_s : float >= 0, in seconds, or None
        The part, as `decode` takes it.
    channel : int >= 1 or None
        None: the mean of the channels.

    Returns
    -------
    waveform : np.ndarray [shape=(n_samples,), float32]
        Full scale at +-1. Silence is all zeros.

    Raises
    ------
    DataError
        As `decode` and `to_mono`.
    """
    samples, header = decode(path, start_s=start_s, end_s=end_s)
    return to_rate(to_mono(samples, channel=channel, path=path), sr_from=header.sr, sr_to=sr)


def to_mono(samples: npt.NDArray[np.float32], *, channel: int | None, path: Path) -> npt.NDArray[np.float32]:
    """Return the mean of the channels, or one of them.

    Parameters
    ----------
    samples : np.ndarray [shape=(n_samples, n_channels)]
    channel : int >= 1 or None
        None: the mean.
    path : Path
        Of the recording, for the error.

    Raises
    ------
    DataError
        If there is no such channel.
    """
    n_channels = samples.shape[1]
    if channel is None:
        mean: npt.NDArray[np.float32] = samples.mean(axis=1)
        return mean
    if channel > n_channels:
        raise DataError(f"{path} has no channel {channel}; it has {n_channels}")
    return np.ascontiguousarray(samples[:, channel - 1])


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


def to_rate(waveform: npt.NDArray[np.float32], *, sr_from: int, sr_to: int) -> npt.NDArray[np.float32]:
    """Return a waveform at another rate (soxr, high quality): ceil(n * sr_to / sr_from) samples."""
    if sr_from == sr_to:
        return waveform
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
