"""Hear it: what is kept and what is removed are the clip, and a map on one tone keeps that tone."""

import math

import numpy as np
import pytest
import soundfile
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tlprobe.audio.gammatone import gammatone_gains
from tlprobe.audio.image import row_hz
from tlprobe.audio.length import fit_length
from tlprobe.audio.load import to_rate
from tlprobe.audio.mel import mel_filters
from tlprobe.audio.resize import resize_weights
from tlprobe.audio.settings import ImageSettings
from tlprobe.errors import ParameterError, ResourceError
from tlprobe.probes.attribution.listen import kept_and_removed, listen, soft_mask, write_pair

FEATURES = ("log-mel3", "log-mel", "log-spec", "gammatone")
SR, LENGTH_S = 16_000, 1.0
LOW, HIGH = (500.0, 0.1, 0.4), (3000.0, 0.6, 0.9)  # Hz, from and to in seconds


def settings(**changes):
    return ImageSettings(**{"sr": SR, "clip_s": LENGTH_S, "width": 60, "n_mels": 64, **changes})


def noise(n, *, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, n).astype(np.float32)


def flat(value, image):
    return np.full((3, image.n_mels, image.width), value, np.float32)


def tone(hz, start_s, end_s, *, sr=SR, length_s=LENGTH_S):
    """A tone that fades in and out: a sudden one is at all frequencies."""
    time = np.arange(math.ceil(length_s * sr)) / sr
    place = np.clip((time - start_s) / (end_s - start_s), 0, 1)
    return (0.4 * np.sin(np.pi * place) ** 2 * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def map_around(hz, start_s, end_s, image, *, shown_from_s=0.0):
    """Ones on the rows within a third of `hz`, and on the columns from start to end."""
    rows = np.abs(row_hz(image) - hz) < hz / 3
    columns = (np.arange(image.width) + 0.5) * image.clip_s / image.width + shown_from_s
    inside = (columns > start_s - 0.03) & (columns < end_s + 0.03)
    return np.broadcast_to(np.outer(rows, inside), (3, image.n_mels, image.width)).astype(np.float32)


def decibels(part, whole):
    return 10 * math.log10(np.square(part, dtype=np.float64).sum() / np.square(whole, dtype=np.float64).sum())


def assert_told_apart(kept, removed, wanted, other):
    """Each half has one tone and less than a hundredth of the other's energy: what is left of it, and what it lacks."""
    assert decibels(kept - wanted, wanted) < -20
    assert decibels(kept - wanted, other) < -20
    assert decibels(removed - other, other) < -20
    assert decibels(removed - other, wanted) < -20


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("sr", [8000, 22_050])
def test_a_map_of_ones_gives_the_clip_back(features, sr):
    image = settings(features=features, sr=sr)
    waveform = noise(image.n_samples)
    mask = soft_mask(flat(0.3, image), image)
    np.testing.assert_allclose(mask, 1, atol=1e-6)
    kept, removed = kept_and_removed(waveform, mask, image)
    np.testing.assert_allclose(kept, waveform, atol=1e-4)
    np.testing.assert_allclose(removed, 0, atol=1e-4)


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    sr=st.sampled_from([8000, 16_000, 22_050, 44_100]),
    sr_own=st.sampled_from([8000, 16_000, 22_050, 44_100]),
    clip_s=st.floats(0.1, 0.5),
    n=st.integers(1, 30_000),
)
@example(sr=8000, sr_own=44_100, clip_s=0.1, n=1)
@example(sr=44_100, sr_own=8000, clip_s=0.5, n=4000)
def test_kept_and_removed_are_the_clip(sr, sr_own, clip_s, n):
    image = settings(sr=sr, clip_s=clip_s, width=20)
    waveform = noise(n)
    attribution = np.random.default_rng(1).normal(size=(3, 64, 20)).astype(np.float32)
    kept, removed = listen(waveform, sr_own, attribution, image)
    assert kept.shape == removed.shape == (n,)
    assert kept.dtype == removed.dtype == np.float32
    np.testing.assert_allclose(kept.astype(float) + removed, waveform, atol=1e-4)
    whole, _ = listen(waveform, sr_own, flat(1, image), image)
    n_shown = round(clip_s * sr_own)
    first, last = max(0, (n - n_shown) // 2), min(n, (n + n_shown) // 2)
    slack = 2 + 2 * sr_own // sr  # samples: the cut was made at the image's rate
    middle = slice(first + slack, last - slack) if n > n_shown - slack else slice(n)
    np.testing.assert_allclose(whole[middle], waveform[middle], atol=1e-4)
    assert not whole[: max(0, first - slack)].any()
    assert not whole[last + slack :].any()


@pytest.mark.parametrize("sr", [8000, 11_025])  # even and odd windows
def test_both_sounds_equal_a_slow_twin(sr):
    image = settings(sr=sr, clip_s=0.3)
    waveform, n = noise(image.n_samples), image.n_samples
    attribution = np.random.default_rng(2).normal(size=(3, 64, 60)).astype(np.float32)
    mask = soft_mask(attribution, image)
    length, hop = round(sr * 0.025), round(sr * 0.01)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    padded = np.pad(waveform.astype(float), length + hop)
    sounds, weight = np.zeros((2, len(padded))), np.zeros(len(padded))
    for p in range(mask.shape[1]):
        start = length + hop + (p - 1) * hop - length // 2
        spectrum = np.fft.rfft(padded[start : start + length] * window, image.n_fft)
        for sound, part in zip(sounds, (mask[:, p], 1 - mask[:, p]), strict=True):
            sound[start : start + length] += window * np.fft.irfft(spectrum * part, image.n_fft)[:length]
        weight[start : start + length] += window**2
    inside = slice(length + hop, length + hop + n)
    expected = sounds[:, inside] / weight[inside]
    np.testing.assert_allclose(kept_and_removed(waveform, mask, image), expected, atol=1e-5)
    np.testing.assert_allclose(listen(waveform, sr, attribution, image), expected, atol=1e-5)
    assert np.abs(expected).max(axis=1).min() > 0.1


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize(
    ("wanted", "other"),
    [(LOW, HIGH), (HIGH, LOW), (LOW, (LOW[0], *HIGH[1:])), (LOW, (HIGH[0], *LOW[1:]))],
    ids=["low", "high", "by time alone", "by frequency alone"],  # mistakes of one axis cannot hide behind the other
)
def test_a_map_on_one_tone_keeps_it_and_removes_the_other(features, wanted, other):
    image = settings(features=features)
    mixture = tone(*wanted) + tone(*other)
    kept, removed = kept_and_removed(mixture, soft_mask(map_around(*wanted, image), image), image)
    assert_told_apart(kept, removed, tone(*wanted), tone(*other))


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("sr_own", [8000, 22_050, 44_100])
@pytest.mark.parametrize("length_s", [0.95, 1.0, 2.5])
def test_tones_are_told_apart_at_the_clips_own_rate_and_length(features, sr_own, length_s):
    """A long clip's image begins later than the clip, and its tones with it."""
    image = settings(features=features)
    shown_from_s = max(0.0, (length_s - image.clip_s) / 2)
    place = {"sr": sr_own, "length_s": length_s}
    wanted, other = (tone(hz, a + shown_from_s, b + shown_from_s, **place) for hz, a, b in (LOW, HIGH))
    attribution = map_around(LOW[0], LOW[1] + shown_from_s, LOW[2] + shown_from_s, image, shown_from_s=shown_from_s)
    kept, removed = listen(wanted + other, sr_own, attribution, image)
    assert_told_apart(kept, removed, wanted, other)


@pytest.mark.parametrize("n", [50_001, 99_999])  # longer than the image at each rate
@pytest.mark.parametrize("sr_own", [11_025, 16_000, 44_100])
def test_nothing_is_kept_outside_of_what_the_image_shows(sr_own, n):
    image = settings()
    waveform = noise(n)
    kept, removed = listen(waveform, sr_own, flat(1, image), image)
    n_resampled = len(to_rate(waveform, sr_from=sr_own, sr_to=SR))
    shown = fit_length(np.arange(n_resampled), n_samples=image.n_samples)[0]
    at = np.arange(n) * SR  # in integers: sample i is at i / sr_own s
    inside = (at >= shown[0] * sr_own) & (at < (shown[-1] + 1) * sr_own)
    assert 0 < (~inside).sum() < n
    np.testing.assert_array_equal(kept[~inside], 0)
    np.testing.assert_array_equal(removed[~inside], waveform[~inside])
    np.testing.assert_allclose(kept[inside], waveform[inside], atol=1e-4)


def test_the_cut_of_a_long_clip_makes_no_sound_of_its_own():
    """A frame that saw the clip end at the cut would find a step's high frequencies in a low tone, and keep them."""
    image = settings()
    waveform = np.cos(2 * np.pi * 100 * np.arange(3 * SR) / SR).astype(np.float32)
    attribution = flat(0, image)
    attribution[:, 32:] = 1
    kept, _ = listen(waveform, SR, attribution, image)
    assert np.abs(kept).max() < 1e-3


@pytest.mark.parametrize("width", [60, 101, 300])
def test_columns_lie_where_the_image_makers_resize_puts_them(width):
    """Frame numbers, resized to columns as images are, must come back as frame numbers."""
    image = settings(width=width)
    numbers = 10 + np.arange(101) @ resize_weights(101, width)
    mask = soft_mask(np.broadcast_to(numbers, (3, 64, width)).astype(np.float32), image)
    at_frames = mask[100, 1:102] / mask[100, 51] * 60  # the first frame is p = -1; frame 50 has 10 + 50
    np.testing.assert_allclose(at_frames[20:80], 10 + np.arange(20, 80), atol=0.05)


def test_no_column_of_a_wide_image_falls_between_frames():
    image = settings(width=606)  # six a frame
    for column in range(300, 306):
        attribution = flat(0, image)
        attribution[:, :, column] = 1
        assert soft_mask(attribution, image).max() > 0.8


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("row_of_ones", [-1, 0])
def test_above_the_images_frequencies_the_highest_row_decides(features, row_of_ones):
    image = settings(features=features, sr=8000)
    attribution = flat(0, image)
    attribution[:, -3:] = row_of_ones == -1
    attribution[:, :3] = row_of_ones == 0
    high = tone(9000, 0.1, 0.9, sr=44_100)  # the image ends at 4000 Hz
    kept, removed = listen(high, 44_100, attribution, image)
    lost = removed if row_of_ones == -1 else kept
    assert decibels(lost, high) < -20


@pytest.mark.parametrize("features", FEATURES)
def test_frequencies_are_spread_by_the_transposed_filters(features):
    """A slow twin on the image's own bins: the filter-weighted mean of the rows, by definition."""
    image = settings(features=features, sr=8000)
    attribution = flat(0, image) + np.linspace(0.1, 1, image.n_mels, dtype=np.float32)[:, None]
    n_bins = image.n_fft // 2 + 1
    if features == "log-spec":
        filters = resize_weights(n_bins, image.n_mels).T
    else:
        filters = gammatone_gains(image) if features == "gammatone" else mel_filters(image)
    rows = soft_mask_rows(attribution)
    mask = soft_mask(attribution, image)
    for k in range(n_bins):
        total = sum(float(f[k]) for f in filters)
        if total > 0:
            expected = sum(float(f[k]) * value for f, value in zip(filters, rows, strict=True)) / total
            np.testing.assert_allclose(mask[k], expected, atol=1e-5)
    if features.startswith("log-mel"):  # triangles end at 0 Hz and sr/2
        np.testing.assert_array_equal(mask[0], mask[1])
        np.testing.assert_array_equal(mask[-1], mask[-2])


def soft_mask_rows(attribution):
    """The smoothed and scaled map of one that does not change in time."""
    rows = attribution.sum(axis=0, dtype=float)[:, 0]
    reach = np.arange(-4, 5)
    kernel = np.exp(-(reach**2) / 2)
    padded = np.pad(rows, 4, mode="edge")
    smooth = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    return np.clip(smooth / np.percentile(np.repeat(smooth, attribution.shape[2]), 99), 0, 1)  # of all cells


def test_the_scale_of_a_map_and_what_speaks_against_the_class_do_not_matter():
    image = settings()
    attribution = np.random.default_rng(4).normal(size=(3, 64, 60)).astype(np.float32)
    mask = soft_mask(attribution, image)
    assert mask.min() >= 0
    assert mask.max() == pytest.approx(1)
    np.testing.assert_allclose(soft_mask(attribution * 1e-6, image), mask, atol=1e-5)
    negative = attribution.sum(axis=0) < 0
    np.testing.assert_allclose(soft_mask(np.where(negative, 9 * attribution, attribution), image), mask, atol=1e-5)


def test_one_cell_is_enough_and_one_outlier_does_not_mute_the_rest():
    image = settings()
    single = flat(0, image)
    single[1, 30, 20] = 1e-3
    assert soft_mask(single, image).max() > 0.7  # less than 1 % of the map is above 0
    loud = flat(1, image)
    loud[0, 30, 20] = 1e6
    assert np.median(soft_mask(loud, image)) < 0.02  # smoothing spreads it over more than 1 % of the cells ...
    wide = settings(width=600)
    loud = flat(1, wide)
    loud[0, 30, 300] = 1e6
    assert np.median(soft_mask(loud, wide)) > 0.5  # ... of a small map, not of one of usual size


def test_a_map_without_anything_positive_removes_all_and_silence_stays_silent():
    image = settings()
    waveform = noise(image.n_samples)
    for attribution in (flat(0, image), flat(-1, image)):
        np.testing.assert_array_equal(soft_mask(attribution, image), 0)
        kept, removed = listen(waveform, SR, attribution, image)
        np.testing.assert_array_equal(kept, 0)
        np.testing.assert_array_equal(removed, waveform)
    for sr_own in (SR, 44_100):
        np.testing.assert_array_equal(listen(np.zeros(sr_own, np.float32), sr_own, flat(1, image), image), 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_maps_and_waveforms_that_are_not_finite_are_refused(bad):
    image = settings()
    attribution, waveform = flat(1, image), noise(SR)
    attribution[2, 5, 7] = waveform[9] = bad
    with pytest.raises(ParameterError, match="the attribution holds NaN or infinity"):
        soft_mask(attribution, image)
    with pytest.raises(ParameterError, match="the attribution holds NaN or infinity"):
        listen(noise(SR), SR, attribution, image)
    with pytest.raises(ParameterError, match="waveform holds samples that are NaN or infinite"):
        listen(waveform, SR, flat(1, image), image)


def test_coefficients_have_no_frequencies():
    image = settings(features="mfcc")
    with pytest.raises(
        ParameterError, match=r"features='mfcc' cannot be heard.*choose from log-mel3, log-mel, log-spec"
    ):
        soft_mask(flat(1, image), image)
    with pytest.raises(ParameterError, match="features='mfcc'"):
        listen(noise(SR), SR, flat(1, image), image)


@pytest.mark.parametrize("short", ["repeat", "stretch"])
def test_images_with_a_time_of_their_own_are_refused(short):
    with pytest.raises(ParameterError, match=f"short='{short}' cannot be heard"):
        listen(noise(SR), SR, flat(1, settings()), settings(short=short))


@pytest.mark.parametrize("shape", [(2, SR), (SR, 1), (0,)])
def test_one_channel_with_samples_is_wanted(shape):
    image = settings()
    waveform = np.zeros(shape, np.float32)
    with pytest.raises(ParameterError, match="is not one channel"):
        listen(waveform, SR, flat(1, image), image)
    with pytest.raises(ParameterError, match="is not one channel"):
        kept_and_removed(waveform, soft_mask(flat(1, image), image), image)


def test_shapes_rates_and_masks_that_do_not_fit_are_named():
    image = settings()
    mask = soft_mask(flat(1, image), image)
    with pytest.raises(ParameterError, match=r"shape \(64, 60\) does not fit the image's \(3, 64, 60\)"):
        soft_mask(flat(1, image)[0], image)
    with pytest.raises(
        ParameterError, match=rf"shape \(801, 103\) does not fit {2 * SR} samples at 16000 Hz: \(801, 203"
    ):
        kept_and_removed(noise(2 * SR), mask, image)
    for wrong in (mask + 1, -mask, mask * math.nan):
        with pytest.raises(ParameterError, match=r"the mask must be in \[0, 1\]"):
            kept_and_removed(noise(SR), wrong, image)
    with pytest.raises(ParameterError, match=r"sr_own=0 Hz is not in \[4000, 384000\]"):
        listen(noise(SR), 0, flat(1, image), image)


def test_pairs_are_floats_under_safe_names(tmp_path):
    kept, removed = 3 * noise(500), noise(500, seed=1)  # louder than full scale
    paths = write_pair(tmp_path / "new", "dog/1-100.flac", kept, removed, 22_050)
    assert [path.name for path in paths] == ["dog_1-100.flac_kept.wav", "dog_1-100.flac_removed.wav"]
    assert sorted((tmp_path / "new").iterdir()) == sorted(paths)  # no temporary file is left
    for path, sound in zip(paths, (kept, removed), strict=True):
        assert soundfile.info(path).subtype == "FLOAT"
        found, sr = soundfile.read(path, dtype="float32")
        assert sr == 22_050
        np.testing.assert_array_equal(found, sound)


@pytest.mark.parametrize(
    ("name", "safe"), [("../../a", "_._.._a"), ("/etc/a", "_etc_a"), ("a\\b\n\0", "a_b__"), ("été", "été"), (".", "_")]
)
def test_no_name_leaves_the_folder(tmp_path, name, safe):
    kept, removed = write_pair(tmp_path, name, noise(9), noise(9), 8000)
    assert kept == tmp_path / f"{safe}_kept.wav"
    assert {kept, removed} == set(tmp_path.iterdir())


def test_pairs_that_are_none_write_nothing(tmp_path):
    good, broken = noise(9), np.full(9, math.nan, np.float32)
    for arguments, message in [
        (("", good, good, 8000), "name='' names no file"),
        (("a", good, noise(8), 8000), "kept has 9 samples, removed has 8"),
        (("a", good, broken, 8000), "removed holds samples that are NaN"),
        (("a", good[None], good, 8000), "kept of shape"),
        (("a", good, good, 0), "sr=0 Hz"),
    ]:
        with pytest.raises(ParameterError, match=message):
            write_pair(tmp_path, *arguments)
    with pytest.raises(ResourceError, match="cannot write"):
        write_pair(tmp_path, "a" * 300, good, good, 8000)
    assert not list(tmp_path.iterdir())
