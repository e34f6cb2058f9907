"""Hear it: what does the part of a clip that the network's answer rests on sound like?

The positive part of an attribution map becomes a soft mask on the clip's STFT, and two sounds come out: what is kept
and what is removed, with the clip's own phase. They add up to the clip.

Conventions: the STFT has the frames of the 25/10 ms spectrogram, a periodic Hann window zero-padded to a tenth of a
second; frame p is centred on sample ``p * hop``, and all frames that touch the clip are there, from p = -1 on, so that
the inverse is exact up to the edges. The mask is a function of seconds and Hz: it can be laid on an STFT at any rate.
``mfcc`` cannot be heard like this: its rows are coefficients.
Reference: a mask on the linear spectrogram, the original phase, and the inverse STFT are also how Paissan et al. 2024,
"Listenable maps for audio classifiers", https://arxiv.org/abs/2403.13086, make maps heard; there a network is trained
to give a binary one.
"""

import io
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from scipy.ndimage import gaussian_filter
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from tlprobe.audio.gammatone import gammatone_gains
from tlprobe.audio.load import SR_MAX, SR_MIN
from tlprobe.audio.mel import mel_filters
from tlprobe.audio.resize import resize_weights
from tlprobe.audio.settings import ImageSettings
from tlprobe.errors import ParameterError
from tlprobe.files import write_atomic

__all__ = ["FULL_PERCENTILE", "kept_and_removed", "listen", "require_audible", "safe_name", "soft_mask", "write_pair"]

FULL_PERCENTILE = 99.0
"""Percentile of the positive cells of a smoothed map from which on all is kept: one outlier must not mute the rest."""

_SMOOTHED_CELLS = 1.0  # standard deviation of the Gaussian, in rows and columns: gradients flicker from cell to cell
_UNSAFE = re.compile(r'^\.|[\\/:*?"<>|\x00-\x1f\x7f]')  # would hide a file, name a folder, or not be a name everywhere

Array = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


def soft_mask(attribution: Array, settings: ImageSettings) -> Array:
    """Return how much of each STFT cell an attribution map keeps.

    The map is summed over the channels; its positive part is smoothed (Gaussian, a standard deviation of one row and
    one column, or one frame where that is longer), divided by the 99th percentile of its cells above 0 and cut off at
    1. (Cells of 0 do not count: of a map that is positive on less than 1 % of its cells, the percentile of all would
    be 0.) Then it is spread over the STFT: in time by linear interpolation between the centres of columns, in frequency
    by the transposed filters of the representation, scaled so that a map of ones keeps everything; a bin that no filter
    covers (0 Hz and sr/2, of mel) has the mask of the nearest one that is.

    The columns are those of the 25/10 ms spectrogram: columns of ``log-mel3``'s longer windows lie up to 20 ms off at
    the ends of a clip, where rounding puts them, and not at all in its middle.

    Parameters
    ----------
    attribution : np.ndarray [shape=(3, n_mels, width), float32], in logits
        Of an image with these settings.
    settings : ImageSettings
        Any features but ``mfcc``.

    Returns
    -------
    mask : np.ndarray [shape=(n_fft // 2 + 1, n_frames), float32], in [0, 1]
        On the STFT of a clip of ``settings.n_samples`` samples, see the module. All zeros if nothing is positive.

    Raises
    ------
    ParameterError
        If the features are ``mfcc``, or the map has another shape or holds NaN or infinity.
    """
    stft = _stft(settings)
    return _mask_at(attribution, settings, hz=stft.f, seconds=stft.t(_framed(settings.n_samples, stft)))


def kept_and_removed(waveform: Array, mask: Array, settings: ImageSettings) -> tuple[Array, Array]:
    """Return what a mask keeps of a waveform, and what it removes.

    Parameters
    ----------
    waveform : np.ndarray [shape=(n,), float32]
        At ``settings.sr``; full scale at +-1.
    mask : np.ndarray [shape=(n_fft // 2 + 1, n_frames of n samples), float32], in [0, 1]
        As of `soft_mask`.
    settings : ImageSettings

    Returns
    -------
    kept, removed : np.ndarray [shape=(n,), float32]
        They add up to the waveform.

    Raises
    ------
    ParameterError
        If the waveform is not one channel of finite samples, or the mask does not fit it or leaves [0, 1].
    """
    _check_waveform(waveform, "waveform")
    stft = _stft(settings)
    n = len(waveform)
    n_framed = _framed(n, stft)
    shape = (stft.f_pts, stft.p_num(n_framed))
    if mask.shape != shape:
        raise ParameterError(f"a mask of shape {mask.shape} does not fit {n} samples at {settings.sr} Hz: {shape}")
    if not ((mask >= 0) & (mask <= 1)).all():  # NaN is neither
        raise ParameterError("the mask must be in [0, 1] everywhere")
    spectrum = stft.stft(np.pad(waveform, (0, n_framed - n)))
    spectrum *= mask
    kept: Array = stft.istft(spectrum, k1=n_framed)[:n].astype(np.float32)
    return kept, waveform - kept  # the STFT is linear: the inverse with 1 - mask, for half the work


def require_audible(settings: ImageSettings) -> None:
    """Refuse images whose maps cannot be heard.

    Raises
    ------
    ParameterError
        If their rows are no frequencies, or their seconds are not the clip's.
    """
    if settings.features == "mfcc":
        raise ParameterError(
            "features='mfcc' cannot be heard: its rows are coefficients, no frequencies; "
            "choose from log-mel3, log-mel, log-spec, gammatone"
        )
    if settings.short != "silence":
        raise ParameterError(f"short={settings.short!r} cannot be heard; only short='silence' leaves time as it is")


def listen(waveform: Array, sr_own: int, attribution: Array, settings: ImageSettings) -> tuple[Array, Array]:
    """Return what an attribution map keeps of the clip it explains, and what it removes, at the clip's own rate.

    The mask is that of `soft_mask`, read at the seconds and Hz of an STFT with the same windows in ms. Above the
    highest bin of the image (``settings.sr / 2``) it is that of the highest row: the network was not shown what is
    there. Outside of what the image shows, where a longer clip was cropped (see `tlprobe.audio.length`), nothing is
    kept. The cut is a hard one, as in the image, and can be heard as a click where much is kept.

    Parameters
    ----------
    waveform : np.ndarray [shape=(n,), float32]
        The recording, or the part of it that became the image: one channel, or their mean. Full scale at +-1.
    sr_own : int in [4000, 384000], in Hz
        Its rate.
    attribution : np.ndarray [shape=(3, n_mels, width), float32], in logits
        Of its image.
    settings : ImageSettings
        Of the image; any features but ``mfcc``, and ``short="silence"``.

    Returns
    -------
    kept, removed : np.ndarray [shape=(n,), float32]
        At `sr_own`. They add up to the waveform.

    Raises
    ------
    ParameterError
        If an argument is none of these, or the waveform or the map holds NaN or infinity.
    """
    _check_waveform(waveform, "waveform")
    _check_rate(sr_own, "sr_own")
    require_audible(settings)
    n = len(waveform)
    n_resampled = -(-n * settings.sr // sr_own)  # as `to_rate` does, and then `fit_length`
    start = max(0, (n_resampled - settings.n_samples) // 2)
    first = -(-start * sr_own // settings.sr)
    last = min(n, -(-(start + settings.n_samples) * sr_own // settings.sr))
    own = settings.model_copy(update={"sr": sr_own})
    stft = _stft(own)
    # A window's length around what is shown: a frame at the cut then sees the clip as it is, not a step.
    low, high = max(0, first - stft.m_num), min(n, last + stft.m_num)
    seconds = stft.t(_framed(high - low, stft)) + low / sr_own - start / settings.sr
    mask = _mask_at(attribution, settings, hz=stft.f, seconds=seconds)
    around = kept_and_removed(waveform[low:high], mask, own)[0]
    kept = np.zeros(n, np.float32)
    kept[first:last] = around[first - low : last - low]
    return kept, waveform - kept


def safe_name(name: str) -> str:
    """Return a name with underscores for what no file name should hold."""
    return _UNSAFE.sub("_", name)


def write_pair(folder: Path, name: str, kept: Array, removed: Array, sr: int) -> tuple[Path, Path]:
    """Write two sounds as ``<name>_kept.wav`` and ``<name>_removed.wav``: 32-bit floats, which nothing clips.

    Each file is whole or not there. libsndfile puts the time of writing into it (in the ``PEAK`` chunk): the samples
    can be made again, the bytes cannot.

    Parameters
    ----------
    folder : Path
        Made when missing.
    name : str
        Slashes and what else no file name should hold become underscores, a leading dot too; ``"a/b"`` and ``"a_b"``
        are then the same file, which is replaced.
    kept, removed : np.ndarray [shape=(n,), float32]
        Full scale at +-1.
    sr : int in [4000, 384000], in Hz

    Returns
    -------
    kept_path, removed_path : Path

    Raises
    ------
    ParameterError
        If the name is empty, the rate is impossible, or the sounds are not of one length, one channel and finite.
    ResourceError
        If a file cannot be written.
    """
    if not name:
        raise ParameterError("name='' names no file")
    _check_rate(sr, "sr")
    sounds = {"kept": kept, "removed": removed}
    for what, sound in sounds.items():  # before the first is written
        _check_waveform(sound, what)
    if len(kept) != len(removed):
        raise ParameterError(f"kept has {len(kept)} samples, removed has {len(removed)}; they are of one clip")
    safe = safe_name(name)
    paths = (folder / f"{safe}_kept.wav", folder / f"{safe}_removed.wav")
    for path, sound in zip(paths, sounds.values(), strict=True):
        content = io.BytesIO()
        soundfile.write(content, sound, sr, format="WAV", subtype="FLOAT")
        write_atomic(path, content.getvalue())
    return paths


def _mask_at(attribution: Array, settings: ImageSettings, *, hz: Doubles, seconds: Doubles) -> Array:
    """Return the mask ``(len(hz), len(seconds))``; the image begins at 0 s, and its ends are held."""
    hop = round(settings.sr * settings.windows_ms[0][1] / 1000)
    n_frames = 1 + settings.n_samples // hop
    rows = _scaled(attribution, settings, columns_per_frame=settings.width / n_frames)
    # The centre of column j, in frames, is where `resize_weights` puts it; frame i is centred on i * hop.
    columns = ((np.arange(settings.width) + 0.5) * n_frames / settings.width - 0.5) * hop / settings.sr
    at_frames = np.stack([np.interp(seconds, columns, row) for row in rows])  # (n_mels, n_frames)
    mask: Array = np.clip(_row_weights(settings, hz) @ at_frames, 0, 1).astype(np.float32)  # 1 + 1e-16 is rounding
    return mask


def _scaled(attribution: Array, settings: ImageSettings, *, columns_per_frame: float) -> Doubles:
    """Return the map ``(n_mels, width)`` in [0, 1] of an attribution."""
    shape = (3, settings.n_mels, settings.width)
    if attribution.shape != shape:
        raise ParameterError(f"an attribution of shape {attribution.shape} does not fit the image's {shape}")
    if not np.isfinite(attribution).all():
        raise ParameterError("the attribution holds NaN or infinity")
    positive = np.clip(attribution.sum(axis=0, dtype=np.float64), 0, None)
    # Frames farther apart than columns would skip some.
    spread = (_SMOOTHED_CELLS, _SMOOTHED_CELLS * max(1.0, columns_per_frame))
    smooth: Doubles = gaussian_filter(positive, spread, mode="nearest")
    above = smooth[smooth > 0]
    return np.clip(smooth / np.percentile(above, FULL_PERCENTILE), 0, 1) if len(above) else smooth


def _row_weights(settings: ImageSettings, hz: Doubles) -> Doubles:
    """Return what each row counts at frequencies, ``(len(hz), n_mels)``; each sums to 1 over the rows."""
    if settings.features == "mfcc":
        require_audible(settings)
    if settings.features == "log-spec":
        filters = resize_weights(settings.n_fft // 2 + 1, settings.n_mels).T
    elif settings.features == "gammatone":
        filters = gammatone_gains(settings)
    else:
        filters = mel_filters(settings)
    bins = np.arange(settings.n_fft // 2 + 1) * settings.sr / settings.n_fft
    total = filters.sum(axis=0, dtype=np.float64)
    covered = np.flatnonzero(total)
    nearest = covered[np.abs(np.arange(len(bins))[:, None] - covered).argmin(axis=1)]
    weights = filters[:, nearest] / total[nearest]  # (n_mels, n_fft // 2 + 1)
    highest = np.zeros(settings.n_mels)
    highest[-1] = 1
    return np.stack(
        [np.interp(hz, bins, row, right=above) for row, above in zip(weights, highest, strict=True)], axis=1
    )


def _stft(settings: ImageSettings) -> ShortTimeFFT:
    """Return the transform of the module's conventions at ``settings.sr``."""
    window, hop = (round(settings.sr * ms / 1000) for ms in settings.windows_ms[0])
    return ShortTimeFFT(hann(window, sym=False), hop=hop, fs=settings.sr, mfft=settings.n_fft)


def _framed(n: int, stft: ShortTimeFFT) -> int:
    """Return how many samples are transformed of `n`: SciPy wants half a window at least, a whole one is simpler."""
    return max(n, int(stft.m_num))


def _check_waveform(waveform: Array, what: str) -> None:
    if waveform.ndim != 1 or not len(waveform):
        raise ParameterError(f"{what} of shape {waveform.shape} is not one channel (n,) with samples; mix or take one")
    if not np.isfinite(waveform).all():
        raise ParameterError(f"{what} holds samples that are NaN or infinite")


def _check_rate(sr: int, what: str) -> None:
    if not SR_MIN <= sr <= SR_MAX:
        raise ParameterError(f"{what}={sr} Hz is not in [{SR_MIN}, {SR_MAX}]")
