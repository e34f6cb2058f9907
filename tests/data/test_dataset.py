import dataclasses

import numpy as np
import pytest

from tlprobe.data.dataset import Clip, Dataset, inside
from tlprobe.errors import DataError, ParameterError, list_errors


@pytest.fixture
def dataset(tmp_path):
    clips = []
    for i, (label, fold) in enumerate([("b", 2), ("a", 1), ("b", 1), ("a", 2), ("a", 3)]):
        (tmp_path / f"{i}.wav").write_bytes(bytes([i]))
        clips.append(Clip(path=f"{i}.wav", label=label, fold=fold, group=str(i)))
    return Dataset(name="set", root=tmp_path, clips=tuple(clips), classes=("a", "b"))


def test_labels_and_folds(dataset):
    np.testing.assert_array_equal(dataset.labels, [1, 0, 1, 0, 0])
    assert dataset.labels.dtype == np.int64
    assert dataset.folds == (1, 2, 3)


def test_split_parts_the_clips(dataset):
    train, held_out = dataset.split(2)
    np.testing.assert_array_equal(train, [1, 2, 4])
    np.testing.assert_array_equal(held_out, [0, 3])
    with pytest.raises(ParameterError, match="fold=4 is no fold of set; choose from 1, 2, 3"):
        dataset.split(4)


def test_class_without_a_training_clip_is_logged(dataset, caplog):
    dataset.split(2)
    assert not caplog.records
    clips = (*dataset.clips, *(Clip(path=f"{name}.wav", label=name, fold=3, group=name) for name in ("z", "c")))
    dataclasses.replace(dataset, clips=clips, classes=("a", "b", "c", "z")).split(3)
    assert caplog.messages == ["set: no training clip for c, z, which only fold 3 has"]


def test_equal_files_in_several_folds_are_logged_once(dataset, caplog):
    _ = dataset.content_hash
    assert not caplog.records
    dataset.paths[1].write_bytes(dataset.paths[0].read_bytes())  # folds 1 and 2
    again = dataclasses.replace(dataset)
    _ = again.content_hash, again.file_hashes
    assert caplog.messages == ["set: 2 clips have the same content as a clip of another fold"]
    dataset.paths[1].write_bytes(dataset.paths[2].read_bytes())  # both in fold 1
    caplog.clear()
    _ = dataclasses.replace(dataset).content_hash
    assert not caplog.records


def test_hash_knows_content_label_fold_and_path_but_not_the_place(dataset, tmp_path):
    def hash_with(**change):
        clips = (dataclasses.replace(dataset.clips[0], **change), *dataset.clips[1:])
        return dataclasses.replace(dataset, clips=clips).content_hash

    before = dataset.content_hash
    about = {"name": "set", "n_clips": 5, "hash": before, "split": "official", "n_folds": 3, "n_skipped": 0}
    assert dataset.describe() == about
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in dataset.paths:
        (moved / path.name).write_bytes(path.read_bytes())
    assert dataclasses.replace(dataset, root=moved).content_hash == before
    (tmp_path / "new.wav").write_bytes(dataset.paths[0].read_bytes())
    hashes = {before, hash_with(label="a"), hash_with(fold=3), hash_with(path="new.wav")}
    dataset.paths[4].write_bytes(b"other")
    hashes.add(dataclasses.replace(dataset).content_hash)
    assert len(hashes) == 5


def test_missing_files_are_named_at_once(dataset):
    dataset.paths[1].unlink()
    dataset.paths[3].unlink()
    with pytest.raises(DataError, match=r"2 recordings cannot be used: .*1\.wav.*3\.wav"):
        _ = dataset.content_hash


def test_list_errors_counts_all_and_names_the_first():
    assert list_errors(["one"]) == "one"
    assert list_errors([f"e{i}" for i in range(7)]) == ("7 recordings cannot be used: e0; e1; e2; e3; e4; and 2 more")


@pytest.mark.parametrize("name", ["../x.wav", "/etc/passwd", "a/../../x.wav", "nul\0.wav", "link.wav", "loop.wav"])
def test_inside_refuses_what_leads_out(tmp_path, name):
    folder = tmp_path / "set"
    folder.mkdir()
    (tmp_path / "x.wav").touch()
    (folder / "link.wav").symlink_to(tmp_path / "x.wav")
    (folder / "loop.wav").symlink_to(folder / "loop.wav")
    (folder / "a").mkdir()  # so that a/../../x.wav is a file
    assert inside(folder, name) is None
    assert inside(folder, "a.wav") == folder / "a.wav"
