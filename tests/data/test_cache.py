"""The image cache: right images in the right order, computed once, and never half of them."""

import json
import os
import resource
import shutil

import numpy as np
import pytest
import soundfile

from tlprobe.audio.image import ImageMaker
from tlprobe.audio.load import load
from tlprobe.audio.settings import LOG_FLOOR
from tlprobe.data import cache
from tlprobe.data.cache import images_of, load_images
from tlprobe.data.open import open_dataset
from tlprobe.data.options import DataOptions
from tlprobe.errors import DataError, ParameterError, ResourceError


@pytest.fixture
def entry(half_second, dataset, tmp_path):
    """The folder of the one cache entry, after a first call."""
    load_images(dataset, half_second)
    (folder,) = (tmp_path / "cache" / "images").iterdir()
    return folder


def test_images_are_those_of_the_clips_in_order(half_second, dataset):
    images = load_images(dataset, half_second, jobs=3)
    assert images.array.shape == (10, 3, 128, 25)
    assert images.array.dtype == np.float32
    assert (images.n_padded, images.n_cropped, images.n_silent) == (0, 0, 0)
    image_maker = ImageMaker(half_second)
    for path, image in zip(dataset.paths, images.array, strict=True):
        expected = image_maker(load(path, sr=16_000))
        np.testing.assert_array_equal(image, expected)
    np.testing.assert_array_equal(images_of(dataset.paths, half_second), images.array)
    with pytest.raises(ValueError, match="read-only"):
        images.array[0] = 0


def test_number_of_jobs_changes_nothing(half_second, dataset, tmp_path):
    one, many = (load_images(dataset, half_second, jobs=n, cache=tmp_path / str(n)) for n in (1, 4))
    np.testing.assert_array_equal(one.array, many.array)


def test_images_are_computed_once(half_second, dataset, monkeypatch):
    load_images(dataset, half_second)
    monkeypatch.setattr(cache, "render_all", lambda *_, **__: pytest.fail("computed again"))
    load_images(dataset, half_second)
    load_images(open_dataset(dataset.root, DataOptions(data_seed=5)), half_second)  # other folds, same recordings


@pytest.mark.parametrize(
    "change",
    [{"sr": 8_000}, {"clip_s": 0.4}, {"width": 24}, {"features": "log-mel"}, {"features": "gammatone"}, {"n_mels": 64}],
)
def test_other_settings_are_another_entry(half_second, dataset, entry, change):
    load_images(dataset, half_second.model_copy(update=change))
    assert len(list(entry.parent.iterdir())) == 2


def test_other_content_is_another_entry(half_second, dataset, entry):
    soundfile.write(dataset.paths[0], np.full(8000, 0.5), 16_000)
    changed = open_dataset(dataset.root)
    images = load_images(changed, half_second)
    np.testing.assert_array_equal(images.array[0], images_of(changed.paths[:1], half_second)[0])
    assert len(list(entry.parent.iterdir())) == 2


def test_padded_cropped_and_silent_clips_are_counted(half_second, make_folder, write_clip, caplog):
    root = make_folder()
    write_clip(root / "cat" / "long.wav", seconds=0.8)
    write_clip(root / "cat" / "short.wav", seconds=0.3)
    hollow = np.zeros(32_000)
    hollow[:100] = 0.5
    soundfile.write(root / "dog" / "hollow.wav", hollow, 16_000)
    dataset = open_dataset(root)
    images = load_images(dataset, half_second)
    assert (images.n_padded, images.n_cropped, images.n_silent) == (1, 2, 1)
    note = "own: 1 clips hold nothing but silence once cropped to 0.5 s"
    assert caplog.messages == [note]
    load_images(dataset, half_second)  # from the cache
    assert caplog.messages == [note] * 2
    position = [clip.path for clip in dataset.clips].index("dog/hollow.wav")
    np.testing.assert_allclose(images.array[position], LOG_FLOOR, rtol=1e-6)
    meta = json.loads(next((root.parent / "cache" / "images").glob("*/images.json")).read_text())
    assert [dataset.clips[i].path for i in meta["about"]["padded"]] == ["cat/short.wav"]
    assert [dataset.clips[i].path for i in meta["about"]["cropped"]] == ["cat/long.wav", "dog/hollow.wav"]
    assert meta["about"]["settings"] == half_second.model_dump()


def test_bad_files_are_all_reported_and_leave_nothing(half_second, dataset, tmp_path):
    for path in dataset.paths[:7]:
        path.write_bytes(path.read_bytes()[:-100])
    soundfile.write(dataset.paths[7], np.full(100, np.nan), 16_000, "FLOAT")
    with pytest.raises(DataError, match=r"^8 recordings cannot be used: .*cat/0\.wav is truncated.*; and 3 more$"):
        load_images(dataset, half_second)
    with pytest.raises(DataError, match=r"dog/2\.wav holds samples that are NaN"):
        images_of(dataset.paths[7:], half_second)
    (entry,) = (tmp_path / "cache" / "images").iterdir()
    assert not list(entry.glob("images*"))


def flip_a_bit(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: os.truncate(entry / "images.npy", 5_000),
        lambda entry: os.truncate(entry / "images.npy", 0),
        lambda entry: (entry / "images.npy").write_bytes((entry / "images.npy").read_bytes() + b"more"),
        lambda entry: (entry / "images.npy").unlink(),
        lambda entry: np.save(entry / "images.npy", np.zeros((10, 3, 128, 25))),
        lambda entry: flip_a_bit(entry / "images.npy"),
        lambda entry: (entry / "images.json").write_text("{"),
        lambda entry: (entry / "images.json").write_text("[]"),
        lambda entry: (entry / "images.json").unlink(),
    ],
)
def test_damaged_entry_is_made_again(half_second, dataset, entry, damage):
    damage(entry)
    np.testing.assert_array_equal(load_images(dataset, half_second).array, images_of(dataset.paths, half_second))


def test_full_disk_is_a_resource_error_and_leaves_nothing(half_second, dataset, tmp_path, monkeypatch):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # stands in for a full disk
    try:
        with pytest.raises(ResourceError, match="cannot write the cache of images"):
            load_images(dataset, half_second)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (entry,) = (tmp_path / "cache" / "images").iterdir()
    assert not list(entry.glob("images*"))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(ResourceError, match=r"needs 384000 bytes, 10 are free"):
        load_images(dataset, half_second)


def test_unusable_cache_folder_is_a_resource_error(half_second, dataset, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="cannot use the folder"):
        load_images(dataset, half_second, cache=tmp_path / "file")


def test_wrong_arguments_are_refused(half_second, dataset):
    with pytest.raises(ParameterError, match="jobs=0 is too few"):
        load_images(dataset, half_second, jobs=0)
    with pytest.raises(ParameterError, match="too short"):
        load_images(dataset, half_second.model_copy(update={"clip_s": 0.01}))
