"""From a path and options to the right reader, and clips that cannot be used."""

import csv

import numpy as np
import pytest
import soundfile

from tlprobe.data.cache import load_images
from tlprobe.data.gtzan import GENRES
from tlprobe.data.open import default_settings, open_dataset
from tlprobe.data.options import DataOptions, ImageOptions
from tlprobe.errors import DataError, ParameterError

SR = 8000


def sound(path, *, seed=0, seconds=0.8):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, int(SR * seconds)), SR)


@pytest.fixture
def folder(tmp_path):
    for k in range(10):
        for label in ("cat", "dog"):
            sound(tmp_path / "own" / label / f"{k}.wav", seed=2 * k + (label == "dog"))
    return tmp_path / "own"


def table_of(folder, rows):
    file = folder / "clips.csv"
    with file.open("w", newline="") as text:
        csv.writer(text).writerows(rows)
    return file


def test_each_layout_is_found(folder, tmp_path):
    assert open_dataset(folder).split_name == "stratified, seed 0"
    named = open_dataset(folder, DataOptions(label_regex=r"(?P<label>\w+)/"))
    assert (named.classes, named.split_name) == (("cat", "dog"), "by group, stratified, seed 0")
    rows = [["path", "label"], *([f"{label}/{k}.wav", label] for label in ("cat", "dog") for k in range(5))]
    assert open_dataset(table_of(folder, rows)).name == "clips"
    for genre in GENRES:
        for number in range(5):
            (tmp_path / "music" / "genres" / genre).mkdir(parents=True, exist_ok=True)
            (tmp_path / "music" / "genres" / genre / f"{genre}.{number:05d}.wav").touch()
    assert open_dataset(tmp_path / "music").name == "gtzan"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dataset": "esc50"}, "esc50 needs a folder with meta/esc50.csv"),
        ({"dataset": "gtzan"}, "gtzan needs a folder with its genres"),
        ({"dataset": "urbansound8k"}, "urbansound8k needs a folder with metadata/UrbanSound8K.csv"),
        ({"data_split": "paper"}, "data_split='paper' is of gtzan alone, and .* is folder"),
        ({"label_column": "what"}, "columns are of a table alone"),
        ({"dataset": "named"}, "dataset named needs label_regex"),
        ({"dataset": "table"}, "is no table; choose from .csv"),
    ],
)
def test_options_of_another_layout(folder, options, said):
    with pytest.raises(ParameterError, match=said):
        open_dataset(folder, DataOptions(**options))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dataset": "esc"}, "dataset='esc' is no layout of data; choose from esc50"),
        ({"on_error": "ignore"}, "on_error='ignore'; choose from fail, skip"),
        ({"n_folds": 1}, "n_folds=1 is too few"),
        ({"data_seed": -1}, "data_seed=-1: must be 0 or more"),
        ({"window_s": 0.0}, "window_s=0.0 is no length"),
        ({"label_regex": "x", "dataset": "table"}, "label_regex is of dataset named alone"),
        ({"path_column": "x", "dataset": "folder"}, "path_column: of dataset table alone"),
    ],
)
def test_impossible_options(options, said):
    with pytest.raises(ParameterError, match=said):
        DataOptions(**options)


def test_bad_recordings_fail_or_are_skipped_and_counted(folder, caplog):
    (folder / "cat" / "3.wav").write_bytes(b"nothing")
    (folder / "dog" / "4.wav").write_bytes((folder / "dog" / "4.wav").read_bytes()[:500])
    failing = open_dataset(folder)
    with pytest.raises(DataError, match=r"2 recordings cannot be used"):
        load_images(failing, default_settings(failing, ImageOptions(sr=SR, clip_s=0.8)))
    skipping = open_dataset(folder, DataOptions(on_error="skip"))
    assert (len(skipping.clips), skipping.n_skipped) == (18, 2)
    assert skipping.describe()["n_skipped"] == 2
    assert "own: skipped, 2 recordings cannot be used: " in caplog.text
    fold_of = {clip.path: clip.fold for clip in failing.clips}
    assert all(fold_of[clip.path] == clip.fold for clip in skipping.clips)  # the others keep their folds
    assert len(load_images(skipping, default_settings(skipping)).array) == 18


def test_too_little_is_left(folder):
    for path in folder.glob("dog/*.wav"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"too little is left of .*: 10 recordings cannot be used"):
        open_dataset(folder, DataOptions(on_error="skip"))


def test_windows_are_images_of_their_parts(tmp_path):
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        for k in range(5):
            path = tmp_path / "long" / label / f"{k}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, rng.normal(0, 0.1, 2 * SR), SR)
    whole = open_dataset(tmp_path / "long")
    cut = open_dataset(tmp_path / "long", DataOptions(window_s=0.5))
    assert len(cut.clips) == 40
    assert cut.content_hash != whole.content_hash
    settings = default_settings(whole, ImageOptions(clip_s=0.5))
    images = load_images(cut, settings).array
    assert len({image.tobytes() for image in images}) == 40
    samples, _ = soundfile.read(whole.paths[0], dtype="float32")
    soundfile.write(tmp_path / "part.wav", samples[SR // 2 : SR], SR)
    from tlprobe.data.cache import images_of

    np.testing.assert_allclose(images[1], images_of([tmp_path / "part.wav"], settings)[0], atol=1e-5)
    folds_of = {}
    for clip in cut.clips:
        folds_of.setdefault(clip.path, set()).add(clip.fold)
    assert all(len(folds) == 1 for folds in folds_of.values())
