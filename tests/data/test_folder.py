from collections import Counter

import numpy as np
import pytest
import soundfile

from tlprobe.audio.load import load
from tlprobe.data.folder import read_folder
from tlprobe.errors import DataError


def test_folders_are_classes(make_folder):
    root = make_folder(n=6)
    (root / ".git").mkdir()
    (root / "cat" / ".DS_Store").touch()
    dataset = read_folder(root)
    assert (dataset.name, dataset.classes, dataset.note) == ("own", ("cat", "dog"), "")
    assert [clip.path for clip in dataset.clips[:2]] == ["cat/0.wav", "cat/1.wav"]
    assert dataset.folds == (1, 2, 3, 4, 5)
    assert max(Counter(clip.fold for clip in dataset.clips).values()) == 3
    assert read_folder(root).clips == dataset.clips
    assert read_folder(root, seed=1).clips != dataset.clips


def test_what_is_left_out_is_noted(make_folder):
    root = make_folder()
    (root / "README.md").touch()
    (root / "cat" / "list.txt").touch()
    (root / "dog" / "list.CSV").touch()
    assert read_folder(root).note == (
        "2 files in class folders that are no recordings were left out; 1 files beside the class folders were left out"
    )


def test_what_is_no_recording_is_refused(make_folder):
    root = make_folder()
    (root / "cat" / "song.wav.part").touch()
    (root / "dog" / "deeper").mkdir()
    with pytest.raises(
        DataError, match=r"2 entries .*cat/song\.wav\.part is not named like a recording; dog/deeper is a"
    ):
        read_folder(root)


def test_every_format_is_accepted_by_name(make_folder):
    root = make_folder()
    formats = soundfile.available_formats().keys() - {"RAW", "SD2"}  # without a header of their own
    assert {"CAF", "WAV", "MP3", "SDS", "PAF"} < formats
    for format_ in formats:
        path = root / "cat" / f"more.{format_}"
        soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 4000), 8_000, format=format_)
        assert load(path, sr=8_000).any()
    assert len(read_folder(root).clips) == 10 + len(formats)


def test_name_that_is_no_text_is_refused(make_folder, write_clip):
    root = make_folder()
    (root / "cat" / "notes-\udce9.txt").touch()  # left out, so its name is no matter
    assert "1 files" in read_folder(root).note
    write_clip(root / "cat" / "a.wav").rename(root / "cat" / "caf\udce9.wav")
    (root / "d\udce9").mkdir()
    with pytest.raises(DataError) as caught:
        read_folder(root)
    assert (
        str(caught.value)
        .encode()
        .endswith(
            b"2 entries cannot be used: 'cat/caf\\udce9.wav' is no name in UTF-8; rename it; "
            b"'d\\udce9' is no name in UTF-8; rename it"
        )
    )


def test_link_out_of_the_folder_is_refused(make_folder, write_clip, tmp_path):
    root = make_folder()
    (root / "cat" / "linked.wav").symlink_to(write_clip(tmp_path / "outside.wav"))
    with pytest.raises(DataError, match=r"cat/linked\.wav leads out of the data folder"):
        read_folder(root)


def test_too_little_is_refused(make_folder, tmp_path):
    with pytest.raises(DataError, match="class 'cat' has 4 clips, fewer than the 5 folds"):
        read_folder(make_folder(n=4))
    with pytest.raises(DataError, match="has 1 class folders; at least 2"):
        read_folder(make_folder(("one",), name="single"))
    empty = make_folder(name="half")
    (empty / "bird").mkdir()
    with pytest.raises(DataError, match="bird is a class folder without a recording"):
        read_folder(empty)
