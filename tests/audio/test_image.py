"""Images against librosa, against slow twins, and on sounds whose image is known."""

import math
import os
import subprocess
import sys

import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.sparse
import torch
from pydantic import ValidationError

from tlprobe.audio.gammatone import gammatone_centres_hz
from tlprobe.audio.image import ImageMaker, row_hz, silence_image
from tlprobe.audio.length import fit_length
from tlprobe.audio.mel import mel_centres_hz, mel_filters
from tlprobe.audio.resize import resize_weights
from tlprobe.audio.settings import FEATURES, LOG_FLOOR, ImageSettings
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
    image_maker = ImageMaker(settings(sr=sr))
    waveform = noise(sr)
    ours = image_maker.spectrograms(waveform)
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
    image = ImageMaker(settings(sr=sr, clip_s=0.8, width=width))(waveform)
    assert image.shape == (3, 128, width)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, slow_twin(waveform, sr, width), atol=1e-3)


@pytest.mark.parametrize("features", [name for name in FEATURES if name != "mfcc"])
@pytest.mark.parametrize("hz", [300, 1000, 5000])
def test_tone_lights_the_row_of_its_frequency(hz, features):
    wanted = settings(features=features)
    centres = row_hz(wanted)
    assert centres.shape == (128,)
    assert (np.diff(centres) > 0).all()
    waveform = np.sin(2 * math.pi * hz * np.arange(16_000) / 16_000).astype(np.float32)
    brightest = ImageMaker(wanted)(waveform).mean(axis=2).argmax(axis=1)
    nearest = int(np.abs(centres - hz).argmin())
    assert brightest.tolist() == [nearest] * 3


@pytest.mark.parametrize("features", FEATURES)
def test_silence_is_the_floor_everywhere(features):
    wanted = settings(features=features)
    image = ImageMaker(wanted)(np.zeros(16_000, np.float32))
    assert image.dtype == silence_image(wanted).dtype == np.float32
    np.testing.assert_allclose(image, silence_image(wanted), rtol=2e-6, atol=2e-5)
    if features != "mfcc":
        np.testing.assert_allclose(image, LOG_FLOOR, rtol=1e-6)


def test_silence_of_mfccs_is_its_level_alone():
    image = silence_image(settings(features="mfcc", n_mels=64, width=2))
    assert image.shape == (3, 64, 2)
    assert image[:, 0] == pytest.approx(8 * math.log(1e-6))
    assert not image[:, 1:].any()


@pytest.mark.parametrize("features", FEATURES)
def test_nothing_is_quieter_than_silence(features):
    """In level, which of MFCCs is row 0: padding must not look like sound, nor sound like padding."""
    wanted = settings(features=features)
    loud, quiet = ImageMaker(wanted)(noise(16_000)), silence_image(wanted)
    level = slice(0, 1) if features == "mfcc" else slice(None)
    assert (loud[:, level] > quiet[:, level]).all()


@pytest.mark.parametrize("features", FEATURES)
def test_padding_comes_before_the_log(features):
    """P35: silence at a clip's end is the floor, not 0, which would be loud."""
    fitted, _ = fit_length(noise(8000), n_samples=16_000)
    image = ImageMaker(settings(features=features))(fitted)
    np.testing.assert_allclose(
        image[..., 30:], silence_image(settings(features=features))[..., 30:], rtol=2e-6, atol=2e-5
    )
    assert image[:, 0, :20].mean() > image[:, 0, 30:].mean() + 5


def test_log_mel_repeats_the_sharpest_window():
    waveform = noise(16_000)
    copied, windows = ImageMaker(settings(features="log-mel"))(waveform), ImageMaker(settings())(waveform)
    for channel in range(3):
        np.testing.assert_array_equal(copied[channel], windows[0])


@pytest.mark.parametrize("features", [name for name in FEATURES if name != "log-mel3"])
def test_one_window_fills_three_equal_channels(features):
    image = ImageMaker(settings(features=features))(noise(16_000))
    assert image.shape == (3, 128, 50)
    assert np.isfinite(image).all()
    np.testing.assert_array_equal(image[1:], image[:2])


def test_log_mel3_is_bit_for_bit_its_three_parts():
    """Windows, FFT, squares, triangles, log, resize in float32, as stored images of earlier versions were made."""
    wanted, sr = settings(), 16_000
    waveform = noise(sr)
    padded = np.pad(waveform, 800, mode="reflect")
    filters = scipy.sparse.csr_array(mel_filters(wanted))
    image = ImageMaker(wanted)(waveform)
    for channel, (n_window, hop) in enumerate([(400, 160), (800, 400), (1600, 800)]):
        window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_window) / n_window)).astype(np.float32)
        starts = (1600 - n_window) // 2 + hop * np.arange(1 + sr // hop)
        rows = np.zeros((len(starts), 1600), np.float32)
        rows[:, :n_window] = padded[starts[:, None] + np.arange(n_window)] * window
        spectra = scipy.fft.rfft(rows, axis=1)
        power = filters @ np.ascontiguousarray((spectra.real**2 + spectra.imag**2).T)
        columns = scipy.sparse.csr_array(resize_weights(len(starts), 50).T)
        expected = (columns @ np.log(power + np.float32(1e-6)).T).T
        np.testing.assert_array_equal(image[channel], expected)


def test_log_spec_is_the_resized_log_of_the_power():
    """By PyTorch's STFT and antialiased resize, in float64."""
    waveform = noise(16_000)
    image = ImageMaker(settings(features="log-spec", n_mels=64))(waveform)
    spectra = torch.stft(
        torch.from_numpy(waveform).double(), 1600, hop_length=160, win_length=400,
        window=torch.hann_window(400, dtype=torch.float64), center=True, pad_mode="reflect", return_complex=True,
    )  # fmt: skip
    logs = torch.log(spectra.abs() ** 2 + 1e-6)
    size = {"mode": "bilinear", "antialias": True}
    expected = torch.nn.functional.interpolate(logs[None, None], size=(64, 50), **size)[0, 0]
    np.testing.assert_allclose(image[0], expected, atol=1e-3)


def test_mfccs_are_librosas():
    waveform = noise(16_000)
    (ours,) = ImageMaker(settings(features="mfcc")).spectrograms(waveform)
    (log_mel,) = ImageMaker(settings(features="log-mel")).spectrograms(waveform)
    expected = librosa.feature.mfcc(S=log_mel.astype(np.float64), n_mfcc=128, dct_type=2, norm="ortho")
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_mfccs_lose_nothing():
    """The transform is a rotation: the log-mel image comes back."""
    waveform = noise(16_000)
    image = ImageMaker(settings(features="mfcc"))(waveform)
    expected = ImageMaker(settings(features="log-mel"))(waveform)
    np.testing.assert_allclose(scipy.fft.idct(image, axis=1, norm="ortho"), expected, atol=1e-4)


@pytest.mark.parametrize("features", ["log-mel3", "log-mel", "mfcc"])
def test_empty_mel_filters_are_refused(features):
    with pytest.raises(ParameterError, match=r"n_mels=512 leaves .* mel filters empty at sr=16000"):
        ImageMaker(settings(n_mels=512, features=features))


@pytest.mark.parametrize("features", ["log-spec", "gammatone"])
@pytest.mark.parametrize("n_mels", [1, 2, 2000])
def test_other_rows_may_be_as_many_as_one_likes(features, n_mels):
    image = ImageMaker(settings(n_mels=n_mels, features=features))(noise(16_000))
    assert image.shape == (3, n_mels, 50)
    assert np.isfinite(image).all()


def test_shortest_clip():
    assert ImageMaker(settings(clip_s=801 / 16_000))(np.zeros(801, np.float32)).shape == (3, 128, 50)
    with pytest.raises(ParameterError, match=r"clip_s=0\.05 is too short"):
        ImageMaker(settings(clip_s=0.05))


def test_wrong_length_is_refused():
    with pytest.raises(ParameterError, match=r"\(15999,\) does not fit \(16000,\)"):
        ImageMaker(settings())(np.zeros(15_999, np.float32))


@pytest.mark.parametrize(
    "wrong",
    [
        {"sr": 100},
        {"clip_s": 0},
        {"clip_s": 3600.1},
        {"clip_s": float("inf")},
        {"width": 0},
        {"features": "rgb"},
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
    image = ImageMaker(settings(sr=sr, clip_s=0.8, width=40))(waveform)
    np.testing.assert_allclose(image, slow_twin(waveform, sr, 40), atol=atol)


def test_row_frequencies():
    np.testing.assert_array_equal(row_hz(settings()), mel_centres_hz(settings()))
    np.testing.assert_array_equal(row_hz(settings(features="gammatone")), gammatone_centres_hz(settings()))
    assert row_hz(settings(features="mfcc")) is None
    linear = row_hz(settings(features="log-spec", n_mels=100))
    assert np.diff(linear)[2:-2] == pytest.approx(80.1, abs=0.02)  # 801 bins of 10 Hz
    assert linear[50] == pytest.approx(4000, abs=45)


@pytest.mark.parametrize("features", ["log-mel3", "log-spec", "mfcc", "gammatone"])
def test_image_does_not_depend_on_the_number_of_threads(features):
    """A worker process has one thread for linear algebra, a notebook as many as there are cores."""
    code = (
        "import hashlib; import numpy as np; from tlprobe.audio.image import ImageMaker\n"
        "from tlprobe.audio.settings import ImageSettings\n"
        "waveform = np.random.default_rng(0).normal(0, 0.1, 220_500).astype(np.float32)\n"
        f"image = ImageMaker(ImageSettings(sr=44_100, clip_s=5.0, width=250, features='{features}'))(waveform)\n"
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
