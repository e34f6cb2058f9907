"""Do two clips hold the same sound? Equal samples by a hash, near copies by their spectrogram and waveform.

A near copy is the same recording at another gain, rate or bit depth, after a lossy codec, shifted by up to a second,
or with some of its ends cut off. Other speed, pitch, filters and mixtures are not looked for. Two normalised
cross-correlations decide:

1. of fingerprints: log-mel power, 32 bands, 10 frames a second. The mean of each frame is taken away, then that of each
   band: neither gain, nor colour, nor the loudness curve that all door knocks share is left. All pairs are compared.
2. of waveforms, for the few pairs whose fingerprints agree: beeps of two alarm clocks look alike.

Clips with less than about 0.3 s of sound have a hash only, silent and constant ones not even that. Of long ones the
first minute counts. Two steady tones of one pitch are near copies.

Measured on ESC-50 at 16 kHz, 8 bit. Of copies of 200 random clips were found: all at gain 0.3, as OGG, as MP3 (its
default, and 32 kbit/s), in 8 bit at gain 0.3, in mu-law, at 8 and 22.05 kHz, and 0.3 s later; 198 as IMA ADPCM, and cut
where they reach 1 % of their peak; 192 without 0.5 s at the start and 1 s at the end; 181 without their first second
(the other 19 keep at most a tenth of their energy). MP3 at 8 kbit/s is beyond it: 30 of 100. Of all pairs of the 2000
clips, 340 have fingerprints that agree, and 6 also waveforms: five of different sources, all above 0.94 (the next pair
is at 0.88), and one of the same. Comparing them takes 6 s of one core; the time grows with the square of the clips.
"""

import dataclasses
import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
import scipy.fft
import scipy.sparse
import soxr

from tlprobe.audio.load import info, load
from tlprobe.bars import progress_bar
from tlprobe.data.dataset import Clip, Dataset
from tlprobe.errors import DataError, ParameterError, list_errors

__all__ = [
    "NEAR_FINGERPRINT",
    "NEAR_WAVEFORM",
    "N_BANDS",
    "Fingerprints",
    "compared_waveform",
    "fingerprint_of",
    "fingerprints",
    "hash_of",
    "narrow_waveform",
    "overlap_correlation",
    "waveform_similarity",
]

NEAR_FINGERPRINT = 0.7
"""Fingerprints of near copies correlate at least so much."""

NEAR_WAVEFORM = 0.9
"""Waveforms of near copies correlate at least so much."""

N_BANDS = 32
_SCHEMA = 2  # raise it when the same recording would get another fingerprint
_SR = 8_000  # Hz; what is compared lies below 4 kHz, so that a copy at a low rate is found
_HOP, _WINDOW = 800, 1600  # samples at _SR
_BAND_HZ = (100.0, 3800.0)
_FLOOR = 1e-3  # of the mean power: codecs and few bits change what is weaker
_ACTIVE = 1e-4  # of the loudest frame's power; weaker frames at the ends are silence around the sound
_MIN_FRAMES = 4
_MAX_S = 60
_LAG, _LAG_ANCHORED = 8800, 3200  # samples at _SR, between the clips' beginnings, and between their anchors
_FINE = 4  # steps of a lag
_TINY = 1e-30
_MOST, _SOME = 0.5, 0.2  # of the energy of one clip, and of the other, lies where they overlap

_Wave = npt.NDArray[np.float32]
_Found = tuple[bytes, _Wave, tuple[int, int]]  # hash, frames, anchors
_ARRAYS = ("hashes", "frames", "starts", "anchors")
_NOTHING = np.zeros((0, N_BANDS), np.float32), (0, 0)


@dataclasses.dataclass(frozen=True, eq=False)
class Fingerprints:
    """Hashes and fingerprints of the clips of a data set, in their order.

    Parameters
    ----------
    hashes : np.ndarray [shape=(n_clips, 32), uint8]
        SHA-256 of the decoded samples; all zero for a silent or constant clip.
    frames : np.ndarray [shape=(n_frames, 32), float16]
        Of all clips, one behind the other, without the silence around them.
    starts : np.ndarray [shape=(n_clips + 1,), int64]
        Where each clip's frames begin in `frames`, and the end; a clip without a fingerprint has none.
    anchors : np.ndarray [shape=(n_clips, 2), int64]
        Frames of silence before each clip's own, and its loudest frame, counted from the clip's beginning.
    channel : int >= 1 or None
        Of the recordings, what was heard; None: the mean of their channels.
    """

    hashes: npt.NDArray[np.uint8]
    frames: npt.NDArray[np.float16]
    starts: npt.NDArray[np.int64]
    anchors: npt.NDArray[np.int64]
    channel: int | None = None

    def __len__(self) -> int:
        return len(self.hashes)

    def to_bytes(self) -> bytes:
        """Return all of it as a safetensors file."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        about = {"schema": np.array([_SCHEMA]), "channel": np.array([self.channel or 0])}
        return safetensors.numpy.save({**arrays, **about})

    @classmethod
    def from_bytes(cls, data: bytes) -> "Fingerprints":
        """Return what `to_bytes` wrote.

        Raises
        ------
        DataError
            If it is damaged, or was written by a version with other fingerprints.
        """
        try:
            arrays = safetensors.numpy.load(data)
        except safetensors.SafetensorError as error:
            raise DataError(f"these {len(data)} bytes are no fingerprints: {error}") from error
        if set(arrays) != {*_ARRAYS, "schema", "channel"} or arrays.pop("schema").tolist() != [_SCHEMA]:
            raise DataError(f"these {len(data)} bytes are no fingerprints of schema {_SCHEMA}")
        return cls(channel=int(arrays.pop("channel")[0]) or None, **arrays)


def fingerprints(
    dataset: Dataset, *, channel: int | None = None, jobs: int | None = None, progress: bool | None = None
) -> Fingerprints:
    """Return the hash and the fingerprint of each clip; a file with several clips is decoded once.

    Parameters
    ----------
    dataset : Dataset
    channel : int >= 1 or None
        What is heard of recordings with several; None: their mean.
    jobs : int > 0
        Files decoded at a time, by threads. Default: the number of CPU cores.
    progress : bool
        Show a progress bar. Default: only on a terminal.

    Raises
    ------
    DataError
        If recordings cannot be used; all of them are counted, the first five named.
    ParameterError
        If `jobs` is no positive number.
    """
    if jobs is not None and jobs < 1:
        raise ParameterError(f"jobs={jobs} is too few; at least 1 is needed")
    clips_in: dict[str, list[int]] = {}
    for i, clip in enumerate(dataset.clips):
        clips_in.setdefault(clip.path, []).append(i)

    def of_file(path: str) -> list[_Found] | str:
        try:
            sr = info(dataset.root / path).sr
            waveform = load(dataset.root / path, sr=sr, channel=channel)
        except DataError as error:
            return str(error)
        parts = (_part(dataset.clips[i], waveform, sr) for i in clips_in[path])
        return [(hash_of(part, sr), *fingerprint_of(narrow_waveform(part, sr))) for part in parts]

    found: dict[int, _Found] = {}
    errors = []
    pool = ThreadPoolExecutor(jobs or os.cpu_count() or 1)
    try:
        results = pool.map(of_file, clips_in)
        bar = progress_bar(results, show=progress, total=len(clips_in), desc="fingerprints", unit="file")
        for indices, result in zip(clips_in.values(), bar, strict=True):
            if isinstance(result, str):
                errors.append(result)
            else:
                found.update(zip(indices, result, strict=True))
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for the other files
    if errors:
        raise DataError(list_errors(errors))
    hashes, frames, anchors = zip(*(found[i] for i in range(len(found))), strict=True) if found else ((), (), ())
    return Fingerprints(
        hashes=np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32),
        frames=np.concatenate([_NOTHING[0], *frames]).astype(np.float16),
        starts=np.cumsum([0, *map(len, frames)]),
        anchors=np.array(anchors, dtype=np.int64).reshape(-1, 2),
        channel=channel,
    )


def hash_of(waveform: _Wave, sr: int) -> bytes:
    """Return the SHA-256 of a waveform without the digital silence at its ends; zeros if it is constant.

    The same samples at another rate `sr`, in Hz, are another sound.
    """
    sounding = np.flatnonzero(waveform)
    if not len(sounding) or (waveform == waveform[0]).all():
        return bytes(32)
    samples = waveform[sounding[0] : sounding[-1] + 1] + np.float32(0)  # which makes -0.0 a 0.0
    return hashlib.sha256(f"{sr}\n".encode() + samples.astype("<f4").tobytes()).digest()


def narrow_waveform(waveform: _Wave, sr: int) -> _Wave:
    """Return the first minute of a waveform at 8 kHz, scaled, without its constant part: what is compared."""
    first = waveform[: _MAX_S * sr]
    if not first.any():
        return first
    scaled = first / np.abs(first).max()  # floats can be huge: their power would be infinite
    centred = scaled - scaled.mean(dtype=np.float64).astype(np.float32)
    resampled: _Wave = centred if sr == _SR else soxr.resample(centred, sr, _SR, quality="HQ")
    return resampled


def fingerprint_of(waveform: _Wave) -> tuple[_Wave, tuple[int, int]]:
    """Return the fingerprint of a waveform at 8 kHz.

    Parameters
    ----------
    waveform : np.ndarray [shape=(n_samples,), float32]
        See `narrow_waveform`.

    Returns
    -------
    frames : np.ndarray [shape=(n_frames, 32), float32]
        Natural log of mel power, its mean over each frame and over each band taken away; no frames if it has none.
    anchors : tuple of int
        Frames of silence before the first, and the loudest frame of the waveform.
    """
    padded = np.pad(waveform, _HOP)  # a sound at the very edge is framed as one with silence around it
    if len(padded) < _WINDOW:
        return _NOTHING
    framed = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    squares = np.square(scipy.fft.rfft(framed * _HANN, axis=1).view(np.float32))  # of real and imaginary parts in turns
    power = (_MEL @ (squares[:, ::2] + squares[:, 1::2]).T).T  # (n_frames, 32); sparse: no BLAS within threads
    total = power.sum(axis=1)
    active = np.flatnonzero(total > _ACTIVE * total.max())
    if len(active) < _MIN_FRAMES:
        return _NOTHING
    power = power[active[0] : active[-1] + 1]
    frames = np.log(power / power.mean() + np.float32(_FLOOR))
    frames -= frames.mean(axis=1, keepdims=True)
    frames -= frames.mean(axis=0)
    return frames, (int(active[0]), int(total.argmax()))


def waveform_similarity(a: _Wave, b: _Wave, *, apart: Iterable[int] = ()) -> float:
    """Return the greatest correlation of two waveforms over their shifts, in [0, 1]; polarity does not count.

    Parameters
    ----------
    a, b : np.ndarray [shape=(n_samples > 0,), float32]
        See `narrow_waveform`.
    apart : iterable of int
        Frames that each anchor lies later in `a` than in `b`: shifts about these are tried too.
    """
    n = scipy.fft.next_fast_len(len(a) + len(b), real=True)
    spectrum = scipy.fft.rfft(a, n) * np.conj(scipy.fft.rfft(b, n))
    fine = np.abs(scipy.fft.irfft(spectrum, _FINE * n)) * _FINE  # copies lie parts of a sample apart
    products = fine.reshape(n, _FINE).max(axis=1)  # at a lag: the sum of a[t + lag] * b[t]
    around = np.arange(-_LAG_ANCHORED, _LAG_ANCHORED + 1)
    lags = np.concatenate([np.arange(-_LAG, _LAG + 1), *(around + frames * _HOP for frames in apart)])
    lags = lags[(lags < len(a)) & (lags > -len(b))]
    energy_a, energy_b = (np.concatenate([[0.0], np.cumsum(np.square(x, dtype=np.float64))]) for x in (a, b))
    begin, end = np.maximum(lags, 0), np.minimum(lags + len(b), len(a))  # of the overlap, in a
    shared = energy_a[end] - energy_a[begin], energy_b[end - lags] - energy_b[begin - lags]
    best = overlap_correlation(products[lags], shared, (energy_a[-1], energy_b[-1])).max(initial=0.0)
    return min(float(best), 1.0)  # between samples the energy is that of the nearest


def overlap_correlation(products: Any, shared: tuple[Any, Any], whole: tuple[Any, Any]) -> Any:
    """Return the sums of products over their energies where two sounds overlap; -1 where too little of them does.

    `shared` and `whole` are the energies of the two in the overlap, and of all of them.
    """
    parts = [part / np.maximum(all_of_it, _TINY) for part, all_of_it in zip(shared, whole, strict=True)]
    enough = (np.maximum(*parts) >= _MOST) & (np.minimum(*parts) >= _SOME)
    return np.where(enough, products / np.sqrt(np.maximum(shared[0] * shared[1], _TINY)), -1)


def compared_waveform(dataset: Dataset, clip: int, *, channel: int | None = None) -> _Wave:
    """Return what `waveform_similarity` compares of a clip, read from its file again."""
    path = dataset.root / dataset.clips[clip].path
    sr = info(path).sr
    return narrow_waveform(_part(dataset.clips[clip], load(path, sr=sr, channel=channel), sr), sr)


def _part(clip: Clip, waveform: _Wave, sr: int) -> _Wave:
    """Return the part of its file that is the clip."""
    end = None if clip.end_s is None else round(clip.end_s * sr)
    return waveform[round((clip.start_s or 0.0) * sr) : end]


def _mel_triangles() -> scipy.sparse.csr_array:
    """Return the triangles of height 1 on HTK's mel scale, (32, window // 2 + 1)."""
    low, high = 2595 * np.log10(1 + np.array(_BAND_HZ) / 700)
    edges = 700 * (10 ** (np.linspace(low, high, N_BANDS + 2) / 2595) - 1)[:, None]
    hz = np.fft.rfftfreq(_WINDOW, 1 / _SR)
    rising, falling = (hz - edges[:-2]) / np.diff(edges, axis=0)[:-1], (edges[2:] - hz) / np.diff(edges, axis=0)[1:]
    return scipy.sparse.csr_array(np.clip(np.minimum(rising, falling), 0, None).astype(np.float32))


_MEL = _mel_triangles()
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)).astype(np.float32)
