"""Gammatone gains against SciPy's filters: their responses, and sounds filtered in time."""

import numpy as np
import pytest
from scipy import signal

from tlprobe.audio.gammatone import erb_hz, gammatone_centres_hz, gammatone_gains
from tlprobe.audio.image import ImageMaker
from tlprobe.audio.settings import ImageSettings


def settings(**changes):
    return ImageSettings(**{"sr": 16_000, "clip_s": 2.0, "width": 100, "features": "gammatone"} | changes)


def test_erb_is_that_of_glasberg_and_moore():
    hz = np.array([100.0, 1000.0, 10_000.0])
    np.testing.assert_allclose(erb_hz(hz), 24.7 * (4.37 * hz / 1000 + 1), rtol=1e-4)  # their equation 3


@pytest.mark.parametrize("sr", [4_000, 16_000, 44_100])
def test_centres_are_evenly_spaced_in_erbs(sr):
    centres = gammatone_centres_hz(settings(sr=sr))
    assert centres.shape == (128,)
    assert centres[0] == pytest.approx(50)
    assert centres[-1] < sr / 2
    numbers = 9.26449 * np.log(1 + np.append(centres, sr / 2) / (9.26449 * 24.7))  # the integral of 1 / ERB
    np.testing.assert_allclose(np.diff(numbers), numbers[-1] / 128 - numbers[0] / 128, rtol=1e-9)


def test_centres_by_hand():
    """Slaney's formula for 2 filters below 8 kHz: 50 Hz, and the geometric middle of f + 228.83 Hz."""
    expected = np.sqrt((50 + 228.8329) * (8000 + 228.8329)) - 228.8329
    assert gammatone_centres_hz(settings(n_mels=2)) == pytest.approx([50, expected])


@pytest.mark.parametrize("sr", [8_000, 16_000, 44_100])
def test_gains_are_scipys(sr):
    wanted = settings(sr=sr)
    gains, bins = gammatone_gains(wanted), np.arange(wanted.n_fft // 2 + 1) * sr / wanted.n_fft
    for row, centre in enumerate(gammatone_centres_hz(wanted)):
        if centre < sr / 16:  # as an impulse response: the IIR's coefficients lose their digits
            impulses, _ = signal.gammatone(centre, "fir", fs=sr, numtaps=2 * wanted.n_fft)
            _, response = signal.freqz(impulses, worN=bins, fs=sr)
            np.testing.assert_allclose(gains[row], np.abs(response) ** 2, atol=6e-3)  # its peak is 1.0055 at 50 Hz
        else:
            _, response = signal.freqz(*signal.gammatone(centre, "iir", fs=sr), worN=bins, fs=sr)
            np.testing.assert_allclose(gains[row], np.abs(response) ** 2, atol=1e-4)


@pytest.mark.parametrize("sr", [4_000, 8_000, 44_100, 384_000])
@pytest.mark.parametrize("n_mels", [1, 128, 1000])
def test_no_filter_is_too_narrow(sr, n_mels):
    """At least two bins pass at half power or more, whatever the rate and the number of filters."""
    wanted = settings(sr=sr, n_mels=n_mels)
    gains = gammatone_gains(wanted)
    assert ((gains >= 0.5).sum(axis=1) >= 2).all()
    assert gains.max() < 4  # below sr/2 a filter meets its mirror image


def filtered_in_time(waveform, wanted, centre):
    """The energy behind SciPy's filter in each 25 ms frame every 10 ms, in the units of a power spectrum."""
    sr = wanted.sr
    if centre < sr / 16:
        heard = signal.fftconvolve(waveform, signal.gammatone(centre, "fir", fs=sr, numtaps=sr // 5)[0])
    else:
        heard = signal.lfilter(*signal.gammatone(centre, "iir", fs=sr), waveform)
    n, hop = round(0.025 * sr), round(0.01 * sr)
    frames = np.lib.stride_tricks.sliding_window_view(heard[: len(waveform)], n)[::hop]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    return (frames * window) ** 2 @ np.full(n, wanted.n_fft / 2)  # Parseval; half of the spectrum is counted


def decibels(ratio):
    return 10 * np.log10(ratio)


@pytest.mark.parametrize("sr", [16_000, 44_100])
def test_noise_has_the_level_of_filters_in_time(sr):
    """White noise of 2 s, mean over time, every eighth filter: within 0.5 dB."""
    wanted = settings(sr=sr)
    waveform = np.random.default_rng(0).normal(0, 0.1, wanted.n_samples)
    (found,) = ImageMaker(wanted).spectrograms(waveform.astype(np.float32))
    for row, centre in list(enumerate(gammatone_centres_hz(wanted)))[::8]:
        expected = filtered_in_time(waveform, wanted, centre)[20:-5].mean()
        assert decibels(np.exp(found[row, 22:-5]).mean() / expected) == pytest.approx(0, abs=0.5), centre


@pytest.mark.parametrize("sr", [16_000, 44_100])
@pytest.mark.parametrize(("row", "below_db"), [(0, 3.5), (20, 2.5), (40, 1.0), (64, 0.4), (90, 0.15), (120, 0.15)])
def test_tones_have_the_level_of_filters_in_time(sr, row, below_db):
    """At the filter's own frequency: never louder, and too quiet only where the window is the narrower in time."""
    wanted = settings(sr=sr)
    centre = gammatone_centres_hz(wanted)[row]
    waveform = 0.5 * np.sin(2 * np.pi * centre * np.arange(wanted.n_samples) / sr)
    (found,) = ImageMaker(wanted).spectrograms(waveform.astype(np.float32))
    level = found[:, 60:140].mean(axis=1)
    assert level.argmax() == row
    expected = filtered_in_time(waveform, wanted, centre)[60:140].mean()
    assert -below_db < decibels(np.exp(level[row]) / expected) < 0.05


@pytest.mark.parametrize("row", [70, 90, 110])
def test_skirts_are_those_of_filters_in_time(row):
    """Above 1.5 kHz, the rows within 20 dB of a tone's own agree to 1 dB."""
    wanted = settings()
    centres = gammatone_centres_hz(wanted)
    waveform = 0.5 * np.sin(2 * np.pi * centres[row] * np.arange(wanted.n_samples) / wanted.sr)
    found = ImageMaker(wanted).spectrograms(waveform.astype(np.float32))[0][:, 60:140].mean(axis=1)
    expected = np.array([filtered_in_time(waveform, wanted, centre)[60:140].mean() for centre in centres])
    near = expected > expected.max() / 100
    assert near.sum() > 10
    np.testing.assert_allclose(decibels(np.exp(found[near]) / expected[near]), 0, atol=1.0)
