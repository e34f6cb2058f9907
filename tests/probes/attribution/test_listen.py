"""Hear it: what is kept and what is removed are the clip, and a map on one tone keeps that tone."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tlprobe.audio.length import fit_length
from tlprobe.audio.load import to_rate
from tlprobe.probes.attribution.listen import kept_and_removed, listen, soft_mask

FEATURES = ("log-mel3", "log-mel", "log-spec", "gammatone")


LOW, HIGH = (500.0, 0.1, 0.4), (3000.0, 0.6, 0.9)  # Hz, from and to in seconds


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("sr", [8000, 22_050])
def test_a_map_of_ones_gives_the_clip_back(signals, features, sr):
    image = signals.settings(features=features, sr=sr)
    waveform = signals.noise(image.n_samples)
    mask = soft_mask(signals.flat(0.3, image), image)
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
def test_kept_and_removed_are_the_clip(signals, sr, sr_own, clip_s, n):
    image = signals.settings(sr=sr, clip_s=clip_s, width=20)
    waveform = signals.noise(n)
    attribution = np.random.default_rng(1).normal(size=(3, 64, 20)).astype(np.float32)
    kept, removed = listen(waveform, sr_own, attribution, image)
    assert kept.shape == removed.shape == (n,)
    assert kept.dtype == removed.dtype == np.float32
    np.testing.assert_allclose(kept.astype(float) + removed, waveform, atol=1e-4)
    whole, _ = listen(waveform, sr_own, signals.flat(1, image), image)
    n_shown = round(clip_s * sr_own)
    first, last = max(0, (n - n_shown) // 2), min(n, (n + n_shown) // 2)
    slack = 2 + 2 * sr_own // sr  # samples: the cut was made at the image's rate
    middle = slice(first + slack, last - slack) if n > n_shown - slack else slice(n)
    np.testing.assert_allclose(whole[middle], waveform[middle], atol=1e-4)
    assert not whole[: max(0, first - slack)].any()
    assert not whole[last + slack :].any()


@pytest.mark.parametrize("sr", [8000, 11_025])  # even and odd windows
def test_both_sounds_equal_a_slow_twin(signals, sr):
    image = signals.settings(sr=sr, clip_s=0.3)
    waveform, n = signals.noise(image.n_samples), image.n_samples
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
def test_a_map_on_one_tone_keeps_it_and_removes_the_other(signals, features, wanted, other):
    image = signals.settings(features=features)
    mixture = signals.tone(*wanted) + signals.tone(*other)
    kept, removed = kept_and_removed(mixture, soft_mask(signals.map_around(*wanted, image), image), image)
    signals.assert_told_apart(kept, removed, signals.tone(*wanted), signals.tone(*other))


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("sr_own", [8000, 22_050, 44_100])
@pytest.mark.parametrize("length_s", [0.95, 1.0, 2.5])
def test_tones_are_told_apart_at_the_clips_own_rate_and_length(signals, features, sr_own, length_s):
    """A long clip's image begins later than the clip, and its tones with it."""
    image = signals.settings(features=features)
    shown_from_s = max(0.0, (length_s - image.clip_s) / 2)
    place = {"sr": sr_own, "length_s": length_s}
    wanted, other = (signals.tone(hz, a + shown_from_s, b + shown_from_s, **place) for hz, a, b in (LOW, HIGH))
    attribution = signals.map_around(
        LOW[0], LOW[1] + shown_from_s, LOW[2] + shown_from_s, image, shown_from_s=shown_from_s
    )
    kept, removed = listen(wanted + other, sr_own, attribution, image)
    signals.assert_told_apart(kept, removed, wanted, other)


@pytest.mark.parametrize("n", [50_001, 99_999])  # longer than the image at each rate
@pytest.mark.parametrize("sr_own", [11_025, 16_000, 44_100])
def test_nothing_is_kept_outside_of_what_the_image_shows(signals, sr_own, n):
    image = signals.settings()
    waveform = signals.noise(n)
    kept, removed = listen(waveform, sr_own, signals.flat(1, image), image)
    n_resampled = len(to_rate(waveform, sr_from=sr_own, sr_to=signals.SR))
    shown = fit_length(np.arange(n_resampled), n_samples=image.n_samples)[0]
    at = np.arange(n) * signals.SR  # in integers: sample i is at i / sr_own s
    inside = (at >= shown[0] * sr_own) & (at < (shown[-1] + 1) * sr_own)
    assert 0 < (~inside).sum() < n
    np.testing.assert_array_equal(kept[~inside], 0)
    np.testing.assert_array_equal(removed[~inside], waveform[~inside])
    np.testing.assert_allclose(kept[inside], waveform[inside], atol=1e-4)


def test_the_cut_of_a_long_clip_makes_no_sound_of_its_own(signals):
    """A frame that saw the clip end at the cut would find a step's high frequencies in a low tone, and keep them."""
    image = signals.settings()
    waveform = np.cos(2 * np.pi * 100 * np.arange(3 * signals.SR) / signals.SR).astype(np.float32)
    attribution = signals.flat(0, image)
    attribution[:, 32:] = 1
    kept, _ = listen(waveform, signals.SR, attribution, image)
    assert np.abs(kept).max() < 1e-3


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("row_of_ones", [-1, 0])
def test_above_the_images_frequencies_the_highest_row_decides(signals, features, row_of_ones):
    image = signals.settings(features=features, sr=8000)
    attribution = signals.flat(0, image)
    attribution[:, -3:] = row_of_ones == -1
    attribution[:, :3] = row_of_ones == 0
    high = signals.tone(9000, 0.1, 0.9, sr=44_100)  # the image ends at 4000 Hz
    kept, removed = listen(high, 44_100, attribution, image)
    lost = removed if row_of_ones == -1 else kept
    assert signals.decibels(lost, high) < -20


def test_a_map_without_anything_positive_removes_all_and_silence_stays_silent(signals):
    image = signals.settings()
    waveform = signals.noise(image.n_samples)
    for attribution in (signals.flat(0, image), signals.flat(-1, image)):
        np.testing.assert_array_equal(soft_mask(attribution, image), 0)
        kept, removed = listen(waveform, signals.SR, attribution, image)
        np.testing.assert_array_equal(kept, 0)
        np.testing.assert_array_equal(removed, waveform)
    for sr_own in (signals.SR, 44_100):
        np.testing.assert_array_equal(listen(np.zeros(sr_own, np.float32), sr_own, signals.flat(1, image), image), 0)
