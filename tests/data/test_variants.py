"""Stored variants: another pitch and tempo, each clip its own, found again, and never resized back."""

import numpy as np
import pytest
import soundfile

from tlprobe.audio.image import ImageMaker
from tlprobe.audio.mel import mel_centres_hz
from tlprobe.audio.settings import ImageSettings
from tlprobe.audio.vary import Variation, vary
from tlprobe.data.cache import load_images
from tlprobe.data.open import open_dataset
from tlprobe.data.render import image_of
from tlprobe.data.variants import draw_variation, load_variants
from tlprobe.errors import DataError

SR = 16_000
SETTINGS = ImageSettings(sr=SR, clip_s=1.0, width=50)
HOW = {"pitch_semitones": 3.0, "stretch": 0.2, "seed": 0}


def sine(hz, seconds=1.0):
    return np.sin(2 * np.pi * hz * np.arange(int(SR * seconds)) / SR).astype(np.float32)


@pytest.fixture
def dataset(make_folder):
    return open_dataset(make_folder())


@pytest.mark.parametrize("semitones", [-12, -5, 3, 12])
def test_a_shift_of_pitch_moves_a_tone_to_its_row(semitones):
    varied = vary(sine(880), Variation(semitones=semitones), sr=SR)
    assert len(varied) == SR
    assert varied.dtype == np.float32
    centres = mel_centres_hz(SETTINGS)
    brightest = ImageMaker(SETTINGS)(varied)[2].mean(axis=1).argmax()
    wanted = 880 * 2 ** (semitones / 12)
    assert centres[brightest] == pytest.approx(wanted, abs=1.5 * np.diff(centres)[brightest - 1])


@pytest.mark.parametrize("rate", [0.8, 1.25])
def test_a_stretch_moves_events_and_keeps_the_pitch(rate):
    """Two bursts 0.4 s apart are 0.4 / rate s apart afterwards: the image is cropped or padded, not resized."""
    waveform = np.zeros(SR, np.float32)
    for at in (0.2, 0.6):
        waveform[int(SR * at) : int(SR * at) + 800] = sine(1000, 0.05)
    varied = vary(waveform, Variation(rate=rate), sr=SR)
    assert len(varied) == round(SR / rate)
    envelope = np.convolve(np.abs(varied), np.ones(400) / 400, "same")
    middle = int(0.4 * SR / rate)
    first, second = envelope[:middle].argmax(), envelope[middle:].argmax() + middle
    assert (second - first) / SR == pytest.approx(0.4 / rate, abs=0.04)
    spectrum = np.abs(np.fft.rfft(varied))
    assert spectrum.argmax() * SR / len(varied) == pytest.approx(1000, abs=30)


@pytest.mark.parametrize("rate", [0.8, 1.25])
def test_a_stretched_image_is_cropped_or_padded_never_resized(tmp_path, rate):
    """A burst at the middle of a long clip stays there, one 0.3 s before it is 0.3 / rate s before it in the image."""
    waveform = np.zeros(10 * SR, np.float32)  # the image is of its middle second
    for at in (4.7, 5.0):
        waveform[int(SR * at) : int(SR * at) + 160] = np.random.default_rng(0).normal(0, 0.5, 160)
    soundfile.write(tmp_path / "bursts.wav", waveform, SR, subtype="FLOAT")
    image, rendered = image_of(tmp_path / "bursts.wav", ImageMaker(SETTINGS), Variation(rate=rate))
    assert rendered.fit == "cropped"
    envelope = image[0].mean(axis=0)  # 50 columns, one second
    earlier, later = envelope[:20].argmax(), envelope[20:].argmax() + 20
    assert later == pytest.approx(25, abs=2)
    assert earlier == pytest.approx(25 - 15 / rate, abs=2)


@pytest.mark.parametrize("n", [1, 100, 2047, 2100])
def test_waveforms_shorter_than_the_vocoders_frame_keep_their_length(n):
    for variation in (Variation(semitones=3), Variation(rate=1.3), Variation(semitones=-3, rate=0.7)):
        varied = vary(sine(1000)[:n], variation, sr=SR)
        assert len(varied) == round(n / variation.rate)
        assert np.isfinite(varied).all()


def test_nothing_to_do_leaves_the_waveform():
    waveform = sine(440)
    np.testing.assert_array_equal(vary(waveform, Variation(), sr=SR), waveform)


def test_draws_stay_in_their_ranges_and_follow_seed_number_and_recording():
    found = [draw_variation(f"hash{i}", number=1, **HOW) for i in range(500)]
    semitones, rates = (np.array([getattr(one, name) for one in found]) for name in ("semitones", "rate"))
    assert -3 <= semitones.min() < -2.9
    assert 2.9 < semitones.max() <= 3
    assert 1 / 1.2 <= rates.min() < 0.84
    assert 1.19 < rates.max() <= 1.2
    assert np.log(rates).mean() == pytest.approx(0, abs=0.02)
    again = draw_variation("hash3", number=1, **HOW)
    assert again == found[3]
    for change in ({"number": 2}, {"seed": 1}):
        assert draw_variation("hash3", **{"number": 1, **HOW, **change}) != again
    assert draw_variation("x", number=1, pitch_semitones=2.0, stretch=0.0, seed=0).rate == 1.0


def test_variants_are_entries_of_their_own_and_are_found_again(dataset, tmp_path, monkeypatch):
    original = load_images(dataset, SETTINGS).array
    two = load_variants(dataset, SETTINGS, n=2, jobs=1, **HOW)
    assert [images.array.shape for images in two] == [original.shape] * 2
    assert not any(np.array_equal(a, b) for a, b in ((original, two[0].array), (two[0].array, two[1].array)))
    assert len(list((tmp_path / "cache" / "images").iterdir())) == 3
    monkeypatch.setattr("tlprobe.data.cache.render_all", lambda *_, **__: pytest.fail("rendered again"))
    again = load_variants(dataset, SETTINGS, n=2, **HOW)
    for a, b in zip(two, again, strict=True):
        np.testing.assert_array_equal(a.array, b.array)
    assert load_variants(dataset, SETTINGS, n=0, **HOW) == ()


def test_several_workers_render_the_same_variants(dataset, tmp_path, monkeypatch):
    (serial,) = load_variants(dataset, SETTINGS, n=1, jobs=1, cache=tmp_path / "1", **HOW)
    monkeypatch.setattr("tlprobe.data.render.PROCESSES_FROM", 1)
    (parallel,) = load_variants(dataset, SETTINGS, n=1, jobs=2, cache=tmp_path / "2", **HOW)
    np.testing.assert_array_equal(serial.array, parallel.array)


def test_a_recording_that_cannot_be_used_is_named(dataset):
    soundfile.write(dataset.paths[0], np.full(100, np.nan), SR, "FLOAT")
    with pytest.raises(DataError, match="NaN"):
        load_variants(dataset, SETTINGS, n=1, jobs=1, **HOW)
