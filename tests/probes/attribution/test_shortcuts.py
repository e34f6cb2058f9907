"""Where an attribution lies, by hand."""

import numpy as np
import pytest

from tlprobe.audio.image import ImageMaker, row_hz, silence_image
from tlprobe.audio.settings import ImageSettings
from tlprobe.errors import ParameterError
from tlprobe.probes.attribution.shortcuts import by_class, cut_of, padding_columns, shortcuts

SETTINGS = ImageSettings(sr=8000, clip_s=1.0, width=50)


@pytest.fixture
def image():
    """Noise from 0.2 to 0.6 s, and nothing before and after."""
    waveform = np.zeros(8000, np.float32)
    waveform[1600:4800] = np.random.default_rng(0).normal(0, 0.1, 3200)
    return ImageMaker(SETTINGS)(waveform)


def test_padding_is_silence_at_the_ends(image):
    padded = padding_columns(image, SETTINGS)
    first, last = np.flatnonzero(~padded)[[0, -1]]
    assert padded[:first].all()
    assert padded[last + 1 :].all()
    assert 0.2 - 0.12 < first / 50 <= 0.2  # a window of 100 ms sees the sound before it begins
    assert 0.6 <= (last + 1) / 50 < 0.6 + 0.12
    assert padding_columns(silence_image(SETTINGS), SETTINGS).all()
    inside = image.copy()
    inside[:, :, 20:25] = silence_image(SETTINGS)[:, :, :5]
    assert not padding_columns(inside, SETTINGS)[20:25].any()


def test_shares_by_hand(image):
    hz = row_hz(SETTINGS)
    attribution = np.zeros((3, 128, 50), np.float32)
    attribution[0, 10, 0] = 3.0  # in the padding and in the first 100 ms
    attribution[1, np.flatnonzero(hz > 3000)[0], 20] = -1.0  # high, in the middle
    found = shortcuts(attribution, image, SETTINGS, above_hz=3000)
    assert (found["padding"], found["ends"], found["above"]) == (0.75, 0.75, 0.25)
    assert found["ends_area"] == pytest.approx(10 / 50)
    assert found["above_area"] == pytest.approx((hz > 3000).mean())
    assert found["padding_area"] == pytest.approx(padding_columns(image, SETTINGS).mean())
    even = shortcuts(np.ones((3, 128, 50), np.float32), image, SETTINGS, above_hz=3000)
    for name in ("padding", "above", "ends"):
        assert even[name] == pytest.approx(even[f"{name}_area"])


def test_a_map_of_nothing_and_coefficients(image):
    assert shortcuts(np.zeros((3, 128, 50), np.float32), image, SETTINGS, above_hz=1.0)["padding"] is None
    mfcc = SETTINGS.model_copy(update={"features": "mfcc"})
    sounding = silence_image(mfcc)
    sounding[:, 3, 10:20] = 1.0
    found = shortcuts(np.ones((3, 128, 50), np.float32), sounding, mfcc, above_hz=1.0)
    assert (found["above"], found["above_area"], found["padding"]) == (None, None, pytest.approx(0.8))


def test_a_silent_clip_has_no_shares(image):
    rounding = np.full((3, 128, 50), 1e-9, np.float32)
    found = shortcuts(rounding, silence_image(SETTINGS), SETTINGS, above_hz=3000)
    assert set(found.values()) == {None}
    assert len(found) == 6


def test_on_padding_nothing_is_told_against_silence(image):
    found = shortcuts(np.ones((3, 128, 50), np.float32), image, SETTINGS, above_hz=3000, from_silence=True)
    assert found["padding"] is None
    assert found["padding_area"] > 0.3
    assert found["ends"] == pytest.approx(0.2)


def test_the_ends_of_a_stretched_clip_are_wider(image):
    found = shortcuts(np.ones((3, 128, 50), np.float32), image, SETTINGS, above_hz=3000, shown_s=0.5)
    assert found["ends_area"] == pytest.approx(20 / 50)


def test_the_cut_is_a_frequency_that_the_image_shows():
    assert cut_of(SETTINGS, None) == 2000
    assert cut_of(SETTINGS, 3999.0) == 3999
    for above_hz in (-1.0, 4000.0, float("inf")):
        with pytest.raises(ParameterError, match="is not between 0 and the images' 4000 Hz"):
            cut_of(SETTINGS, above_hz)
    with pytest.raises(ParameterError, match="the rows of mfcc are no frequencies"):
        cut_of(SETTINGS.model_copy(update={"features": "mfcc"}), 1000.0)


def test_shares_by_class_are_means_and_what_is_missing_counts_for_nothing():
    def row(run, label, padding, above=None):
        way = {"run": run, "method": "occlusion", "baseline": "silence", "block": None, "label": label}
        areas = {"on_padding_area": 0.5, "on_above_area": None, "on_ends": 0.1, "on_ends_area": 0.04}
        return {**way, "on_padding": padding, "on_above": above, **areas}

    table = by_class([row("a", "dog", 0.2), row("a", "cat", None), row("a", "dog", 0.4), row("b", None, 0.9)])
    assert [(line["run"], line["way"], line["label"], line["n"]) for line in table] == [
        ("a", "occlusion from silence", None, 3),
        ("a", "occlusion from silence", "cat", 1),
        ("a", "occlusion from silence", "dog", 2),
        ("b", "occlusion from silence", None, 1),
    ]
    assert [line["padding"] for line in table] == [pytest.approx(0.3), None, pytest.approx(0.3), 0.9]
    assert {line["above"] for line in table} == {None}
    assert {line["n_silent"] for line in table} == {0}
    assert [line["ends"] for line in table] == pytest.approx([0.1] * 4)
    assert [line["padding_area"] for line in table] == [0.5] * 4
