"""Read one recording as a mono waveform at a wanted rate.

Whatever `soundfile` can decode is read, by content and not by file name. A file that cannot be read to
its end is an error: libsndfile decodes half a WAV file to half the samples without a word, so the sizes
that the file itself declares are checked against its real size first.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

from tlprobe.errors import DataError

__all__ = ["SR_MAX", "SR_MIN", "AudioInfo", "info", "load"]

SR_MIN = 4_000  # Hz; below, 128 mel filters do not fit over 10 Hz bins
SR_MAX = 384_000  # Hz; the highest rate that recorders write
_STREAMED = 0x7FFFF000  # sizes from here on say "not known": 0xFFFFFFFF (FFmpeg), a little over this (SoX)
_BLOCK = 1 << 18  # frames read at once: a header that claims 2**36 samples must not allocate them
_OGG_LAST_PAGE = 1 << 17  # bytes from the end in which the last page starts: pages are under 65,308 bytes


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
        Any format that libsndfile decodes: WAV, FLAC, OGG, MP3, AIFF, ...
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
        blocks = []
        try:
            while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block)
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


def _resample(waveform: npt.NDArray[np.float32], *, sr_from: int, sr_to: int) -> npt.NDArray[np.float32]:
    import librosa  # here, because its import takes seconds and most sets need no resampling

    n_samples = -(-len(waveform) * sr_to // sr_from)  # ceil in integers: float ratios can be one sample off
    resampled = librosa.resample(waveform, orig_sr=sr_from, target_sr=sr_to, res_type="soxr_hq")
    fixed = np.zeros(n_samples, np.float32)
    fixed[: len(resampled)] = resampled[:n_samples]
    return fixed


def _open(path: Path) -> soundfile.SoundFile:
    """Open `path` for reading, after the checks that libsndfile does not make."""
    if not path.is_file():
        raise DataError(f"{path} is {'no regular file' if path.exists() else 'missing'}")
    try:
        _check_declared_size(path)
        return soundfile.SoundFile(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (soundfile.SoundFileError, RuntimeError, TypeError) as error:  # TypeError: a .raw name
        raise DataError(f"{path} is no recording that libsndfile can read: {_reason(error)}") from error


def _header(path: Path, file: soundfile.SoundFile) -> AudioInfo:
    if not SR_MIN <= file.samplerate <= SR_MAX:
        raise DataError(f"{path} claims a rate of {file.samplerate} Hz; rates from {SR_MIN} to {SR_MAX} Hz are read")
    if file.frames <= 0:
        raise DataError(f"{path} is empty: it holds no samples")
    return AudioInfo(sr=int(file.samplerate), n_samples=int(file.frames), n_channels=int(file.channels))


def _check_declared_size(path: Path) -> None:
    """Raise DataError if a file of a format that states its size ends before that."""
    size = path.stat().st_size
    if size == 0:
        raise DataError(f"{path} is empty: it has 0 bytes")
    with path.open("rb") as file:
        head = file.read(24)
        if head[:4] == b"OggS":
            file.seek(max(0, size - _OGG_LAST_PAGE))
            if not _ends_ogg(file.read()):
                raise DataError(f"{path} is truncated: its last Ogg page is cut off or not marked as the last")
            return
        promised = _promised_size(file, head)
    if promised > size + 1:  # + 1: a missing padding byte loses no sound
        raise DataError(f"{path} is truncated: its header promises {promised} bytes, it has {size}")


def _promised_size(file: BinaryIO, head: bytes) -> int:
    """Return the size in bytes that a WAV, AIFF, AU or W64 header implies; 0 if it implies none."""
    if len(head) < 24:
        return 0
    if head[:4] == b"riff":  # W64: a GUID, then 64 bits
        return int(struct.unpack("<Q", head[16:24])[0])
    if head[:4] == b".snd":
        start, length = struct.unpack(">II", head[4:12])
        return start + length if length < _STREAMED else 0
    if head[:4] not in (b"RIFF", b"FORM"):
        return 0
    order, audio = ("<I", b"data") if head[:4] == b"RIFF" else (">I", b"SSND")
    ends = [struct.unpack(order, head[4:8])[0] + 8]
    offset = 12
    file.seek(offset)
    while len(chunk := file.read(8)) == 8:
        length = struct.unpack(order, chunk[4:])[0]
        offset += 8 + length
        if chunk[:4] == audio:
            ends.append(offset)
            break
        offset += length % 2  # chunks start at even offsets
        file.seek(offset)
    return max((end for end in ends if end < _STREAMED), default=0)


def _ends_ogg(tail: bytes) -> bool:
    """Return whether the end of an Ogg file holds a whole page that is marked as the last of its stream."""
    # A page: 27 bytes (flags at 5, 4 = last of its stream; segment count at 26), segment sizes, segments
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27 or not page[5] & 4:
        return False
    return len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])


def _reason(error: Exception) -> str:
    """Return libsndfile's own words, without the file name that they repeat."""
    return str(getattr(error, "error_string", error)).strip().rstrip(".")
