"""The extremes of a recording in the time of each column."""

import numpy as np
import pytest
import soundfile

from tlprobe.audio.settings import ImageSettings
from tlprobe.probes.attribution.waveform import peaks

SR = 8000


def settings(**more):
    return ImageSettings(**{"sr": SR, "clip_s": 1.0, "width": 10, **more})


@pytest.fixture
def file(tmp_path):
    waveform = np.zeros(SR, np.float32)
    waveform[800 * 3 + 5], waveform[800 * 7 + 5] = 0.5, -0.25
    soundfile.write(tmp_path / "a.wav", waveform, SR, subtype="FLOAT")
    return tmp_path / "a.wav"


def test_each_column_has_its_least_and_greatest_sample(file):
    low, high = peaks(file, (None, None), settings())
    np.testing.assert_array_equal(high, [0, 0, 0, 0.5, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(low, [0, 0, 0, 0, 0, 0, 0, -0.25, 0, 0])


def test_a_part_of_the_recording(file):
    low, high = peaks(file, (0.2, 0.7), settings(clip_s=0.5, width=5))
    np.testing.assert_array_equal(high, [0, 0.5, 0, 0, 0])
    assert not low.any()


@pytest.mark.parametrize(("short", "columns"), [("silence", [3]), ("repeat", [3, 13]), ("stretch", [6, 7])])
def test_a_shorter_clip_lies_where_its_image_has_it(file, short, columns):
    _, high = peaks(file, (None, None), settings(clip_s=2.0, width=20, short=short))
    assert np.flatnonzero(high).tolist() in ([columns[0]], columns)
    assert high.max() == 0.5


def test_more_columns_than_samples(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(4, 0.5, np.float32), SR, subtype="FLOAT")
    found = peaks(tmp_path / "a.wav", (None, None), settings(clip_s=4 / SR, width=10))
    np.testing.assert_array_equal(found, np.full((2, 10), 0.5, np.float32))
