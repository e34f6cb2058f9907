"""Log-mel images against librosa, against a slow twin, and on sounds whose image is known."""

import math
import os
import subprocess
import sys

import librosa
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tlprobe.audio.logmel import (
    LOG_FLOOR,
    ImageSettings,
    LogMel,
    _mel_filters,
    fit_length,
    mel_centres_hz,
    mel_edges_hz,
    resize_weights,
)
from tlprobe.errors import ParameterError


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, n).astype(np.float32)


def settings(**changes):
    return ImageSettings(**{"sr": 16_000, "clip_s": 1.0, "width": 50} | changes)


@pytest.mark.parametrize(
    ("sr", "pairs", "n_fft"),
    [
        (44_100, [(1102, 441), (2205, 1102), (4410, 2205)], 4410),  # the paper's code, ESC-50
        (22_050, [(551, 220), (1102, 551), (2205, 1102)], 2205),  # and its other two data sets; an odd n_fft
        (16_000, [(400, 160), (800, 400), (1600, 800)], 1600),
    ],
)
def test_spectrograms_equal_librosa(sr, pairs, n_fft):
    log_mel = LogMel(settings(sr=sr))
    waveform = noise(sr)
    ours = log_mel.spectrograms(waveform)
    for spectrogram, (window, hop) in zip(ours, pairs, strict=True):
        mel = librosa.feature.melspectrogram(
            y=waveform, sr=sr, n_fft=n_fft, win_length=window, hop_length=hop, n_mels=128, htk=True, norm=None,
            center=True, pad_mode="reflect", power=2.0, fmin=0.0, fmax=sr / 2,
        )  # fmt: skip
        np.testing.assert_allclose(spectrogram, np.log(mel + 1e-6), atol=2e-4)


def slow_twin(waveform, sr, width):
    """The image of one clip from the formulas, frame by frame and cell by cell, in float64."""
    n_fft = round(sr / 10)
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + sr / 1400), 130) / 2595) - 1)
    hz = np.arange(n_fft // 2 + 1) * sr / n_fft
    filters = [
        np.clip(np.minimum((hz - a) / (b - a), (c - hz) / (c - b)), 0, None)
        for a, b, c in zip(edges, edges[1:], edges[2:], strict=False)
    ]
    padded = np.pad(waveform.astype(np.float64), n_fft // 2, mode="reflect")
    image = []
    for window_ms, hop_ms in ((25, 10), (50, 25), (100, 50)):
        n_window, hop = round(sr * window_ms / 1000), round(sr * hop_ms / 1000)
        left = (n_fft - n_window) // 2
        window = np.zeros(n_fft)
        window[left : left + n_window] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_window) / n_window)
        frames = []
        for start in range(0, len(waveform) + 1, hop):
            power = np.abs(np.fft.rfft(window * padded[start : start + n_fft])) ** 2
            frames.append([math.log(f @ power + 1e-6) for f in filters])
        image.append(triangle_resize(np.array(frames).T, width))
    return np.stack(image)


def triangle_resize(rows, width):
    """Antialiased bilinear resize along the last axis, as PIL defines it."""
    n = rows.shape[1]
    scale = n / width
    reach = max(scale, 1.0)
    out = np.zeros((len(rows), width))
    for i in range(width):
        centre = (i + 0.5) * scale
        weights = np.clip(1 - np.abs(np.arange(n) + 0.5 - centre) / reach, 0, None)
        out[:, i] = rows @ (weights / weights.sum())
    return out


@pytest.mark.parametrize(("sr", "width"), [(16_000, 30), (22_050, 77)])
def test_image_equals_slow_twin(sr, width):
    waveform = noise(int(0.8 * sr)) * np.hanning(int(0.8 * sr)).astype(np.float32)
    image = LogMel(settings(sr=sr, clip_s=0.8, width=width))(waveform)
    assert image.shape == (3, 128, width)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, slow_twin(waveform, sr, width), atol=1e-3)


@pytest.mark.parametrize("hz", [300, 1000, 5000])
def test_tone_lights_the_row_of_its_frequency(hz):
    wanted = settings()
    waveform = np.sin(2 * math.pi * hz * np.arange(16_000) / 16_000).astype(np.float32)
    brightest = LogMel(wanted)(waveform).mean(axis=2).argmax(axis=1)
    nearest = int(np.abs(mel_centres_hz(wanted) - hz).argmin())
    assert brightest.tolist() == [nearest] * 3


def test_silence_is_the_floor_everywhere():
    image = LogMel(settings())(np.zeros(16_000, np.float32))
    np.testing.assert_allclose(image, LOG_FLOOR, rtol=1e-6)


def test_padding_comes_before_the_log():
    """P35: silence at a clip's end is the floor, not 0, which would be loud."""
    fitted, _ = fit_length(noise(8000), n_samples=16_000)
    image = LogMel(settings())(fitted)
    np.testing.assert_allclose(image[..., 30:], LOG_FLOOR, rtol=1e-6)
    assert image[..., :20].mean() > -5


def test_copy_repeats_the_sharpest_window():
    waveform = noise(16_000)
    copied, windows = LogMel(settings(channels="copy"))(waveform), LogMel(settings())(waveform)
    for channel in range(3):
        np.testing.assert_array_equal(copied[channel], windows[0])


@pytest.mark.parametrize(("n_in", "n_out"), [(501, 250), (201, 250), (101, 250), (7, 7), (10, 3), (3, 10)])
def test_resize_weights_are_those_of_torch(n_in, n_out):
    """To the rounding of its own float32 weights: antialiased when shrinking."""
    eye = torch.eye(n_in)[None, None]
    expected = torch.nn.functional.interpolate(eye, size=(n_in, n_out), mode="bilinear", antialias=True)[0, 0]
    np.testing.assert_allclose(resize_weights(n_in, n_out), expected, atol=2e-5)


@pytest.mark.parametrize("sr", [4_000, 8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000])
def test_no_filter_is_empty_at_usual_rates(sr):
    log_mel = LogMel(settings(sr=sr))
    assert (_mel_filters(log_mel.settings).sum(axis=1) > 0).all()
    np.testing.assert_allclose(
        mel_edges_hz(log_mel.settings), librosa.mel_frequencies(130, fmin=0, fmax=sr / 2, htk=True)
    )


def test_empty_filters_are_refused():
    with pytest.raises(ParameterError, match=r"n_mels=512 leaves .* mel filters empty at sr=16000"):
        LogMel(settings(n_mels=512))


def test_shortest_clip():
    assert LogMel(settings(clip_s=801 / 16_000))(np.zeros(801, np.float32)).shape == (3, 128, 50)
    with pytest.raises(ParameterError, match=r"clip_s=0\.05 is too short"):
        LogMel(settings(clip_s=0.05))


def test_wrong_length_is_refused():
    with pytest.raises(ParameterError, match=r"\(15999,\) does not fit \(16000,\)"):
        LogMel(settings())(np.zeros(15_999, np.float32))


@pytest.mark.parametrize(
    ("n", "fit"), [(1, "padded"), (99, "padded"), (100, "exact"), (101, "cropped"), (1000, "cropped")]
)
def test_fit_length_keeps_the_centre_or_appends_silence(n, fit):
    waveform = np.arange(1, n + 1, dtype=np.float32)
    fitted, how = fit_length(waveform, n_samples=100)
    assert (fitted.shape, how) == ((100,), fit)
    if fit == "padded":
        np.testing.assert_array_equal(fitted[:n], waveform)
        assert not fitted[n:].any()
    else:
        before, after = fitted[0] - 1, n - fitted[-1]
        assert 0 <= after - before <= 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"sr": 100},
        {"clip_s": 0},
        {"clip_s": 3600.1},
        {"clip_s": float("inf")},
        {"width": 0},
        {"channels": "rgb"},
        {"hop": 1},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        settings(**wrong)


@pytest.mark.parametrize(("level", "atol"), [(1.0, 1e-2), (0.3, 5e-3), (1e-3, 5e-3), (1e-5, 5e-3)])
@pytest.mark.parametrize("sr", [16_000, 44_100])
def test_quiet_and_loud_images_equal_the_twin(sr, level, atol):
    """Float32 leaves less than 5e-3 in log units, near the floor too, unless a tone is at full scale beside it."""
    n = sr * 4 // 5
    t = np.arange(n) / sr
    tone = np.where(t < 0.4, np.sin(2 * np.pi * 1000 * t), 0.0)  # and then digital silence
    waveform = (level * (tone + 1e-4 * np.random.default_rng(0).standard_normal(n) * (t < 0.6))).astype(np.float32)
    image = LogMel(settings(sr=sr, clip_s=0.8, width=40))(waveform)
    np.testing.assert_allclose(image, slow_twin(waveform, sr, 40), atol=atol)


def test_image_does_not_depend_on_the_number_of_threads():
    """A worker process has one thread for linear algebra, a notebook as many as there are cores."""
    code = (
        "import hashlib; import numpy as np; from tlprobe.audio.logmel import ImageSettings, LogMel\n"
        "waveform = np.random.default_rng(0).normal(0, 0.1, 220_500).astype(np.float32)\n"
        "image = LogMel(ImageSettings(sr=44_100, clip_s=5.0, width=250))(waveform)\n"
        "print(hashlib.sha256(image.tobytes()).hexdigest())\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    digests = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), n),
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for n in ("1", "4")
    ]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("sr", [8_000, 22_050, 44_100])
def test_the_mel_filters_are_librosas(sr):
    wanted = settings(sr=sr)
    expected = librosa.filters.mel(sr=sr, n_fft=wanted.n_fft, n_mels=128, fmin=0.0, fmax=sr / 2, htk=True, norm=None)
    np.testing.assert_allclose(_mel_filters(wanted), expected, atol=1e-6)
