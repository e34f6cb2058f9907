"""What is said of a data set, counted by hand."""

import numpy as np
import pytest
import soundfile

from tlprobe.audio.settings import ImageSettings
from tlprobe.data.dataset import Clip, Dataset
from tlprobe.data.info import PICTURE_SHAPE, _reduced, data_info
from tlprobe.data.leaks import find_leaks
from tlprobe.data.verify import verify

SR = 8000
SETTINGS = ImageSettings(sr=SR, clip_s=1.0, width=250, n_mels=128)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two classes: three sound clips of two sources; one stereo, one silent, one broken."""
    root = tmp_path_factory.mktemp("set")
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 2 * SR)
    soundfile.write(root / "a1.wav", noise[:SR], SR)
    soundfile.write(root / "a2.flac", noise, SR)
    soundfile.write(root / "a3.wav", noise[: SR // 2], 2 * SR)
    soundfile.write(root / "b1.wav", np.stack([noise, -noise], 1), SR)
    soundfile.write(root / "b2.wav", np.zeros(SR), SR)
    (root / "b3.wav").write_bytes(b"nothing")
    clips = (
        Clip("a1.wav", "a", 1, "one"),
        Clip("a2.flac", "a", 2, "one"),
        Clip("a3.wav", "a", 2, "two"),
        Clip("b1.wav", "b", 1, "b1"),
        Clip("b2.wav", "b", 2, "b2"),
        Clip("b3.wav", "b", 2, "b3"),
    )
    return Dataset("set", root, clips, ("a", "b"), split_name="own", prescribed=False)


@pytest.fixture(scope="module")
def record(dataset):
    return data_info(dataset, verify(dataset.paths, jobs=1, progress=False), SETTINGS)


def test_counts_of_the_set(record):
    params = record.params
    assert (params["n"], params["n_classes"], params["n_groups"], params["n_groups_in_several_folds"]) == (6, 2, 5, 1)
    assert params["folds"] == {"1": 2, "2": 4}
    assert params["rates_hz"] == {"8000": 4, "16000": 1}
    assert params["channels"] == {"1": 4, "2": 1}
    assert params["formats"] == {"FLAC PCM_16": 1, "WAV PCM_16": 4}
    assert params["duration_s"] == pytest.approx(1 + 2 + 0.25 + 2 + 1)
    assert params["noted"] == {"channels cancel": ["b1.wav"], "silent": ["b2.wav"]}
    assert params["n_unusable"] == 1
    assert params["leaks"] is None
    assert "b3.wav is no recording" in params["unusable"][0]


def test_leaks_are_listed_by_their_clips(dataset):
    verdicts = verify(dataset.paths, jobs=1, progress=False)
    leaks = data_info(dataset, verdicts, SETTINGS, leaks=find_leaks(dataset)).params["leaks"]
    assert leaks == [{"kind": "source", "folds": [1, 2], "clips": ["a1.wav", "a2.flac"]}]


def test_a_row_a_class(record):
    a, b = record.rows
    assert (a["label"], a["n"], a["share"], a["n_groups"]) == ("a", 3, 0.5, 2)
    assert (a["shortest_s"], a["median_s"], a["longest_s"], a["duration_s"]) == (0.25, 1, 2, 3.25)
    assert (a["n_unusable"], a["n_silent"], a["n_noted"]) == (0, 0, 0)
    assert (b["n_unusable"], b["n_silent"], b["n_noted"]) == (1, 1, 2)
    assert b["clip"] == "b1.wav"  # the only one that can be used and is not silent
    assert record.arrays["spectrogram"].shape == (2, 64, 83)


def test_parts_of_a_file_have_their_own_length(dataset):
    clips = (Clip("a2.flac", "a", 1, "x", 0.5, 1.0), Clip("a2.flac", "a", 2, "x", 1.5, None), dataset.clips[3])
    parts = Dataset("parts", dataset.root, clips, ("a", "b"))
    row = data_info(parts, verify(parts.paths, jobs=1, progress=False), SETTINGS).rows[0]
    assert (row["shortest_s"], row["longest_s"], row["duration_s"]) == (0.5, 0.5, 1.0)


def test_a_class_without_a_clip_to_show(dataset):
    clips = (dataset.clips[0], dataset.clips[5])
    poor = Dataset("poor", dataset.root, clips, ("a", "b"))
    rows = data_info(poor, verify(poor.paths, jobs=1, progress=False), SETTINGS).rows
    assert [row["array_index"] for row in rows] == [0, None]
    assert rows[1]["shortest_s"] is None


def test_pictures_are_averages_of_blocks():
    image = np.arange(128 * 250, dtype=np.float32).reshape(128, 250)
    small = _reduced(image)
    assert small.shape == (64, 83)
    assert small[0, 0] == image[:2, :3].mean()
    assert small[-1, -1] == image[-2:, 246:249].mean()
    assert _reduced(image[:10, :20]).tolist() == image[:10, :20].tolist()
    assert max(small.shape[0] / PICTURE_SHAPE[0], small.shape[1] / PICTURE_SHAPE[1]) <= 1
