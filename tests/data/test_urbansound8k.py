"""UrbanSound8K's layout, and tables that are not as they should be."""

import csv

import numpy as np
import pytest
import soundfile

from tlprobe.data.urbansound8k import META, read_urbansound8k
from tlprobe.errors import DataError

HEADER = ["slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class"]
CLASSES = ("air_conditioner", "dog_bark")


def rows_of(n_folds=10):
    """Two slices of one recording a class and fold."""
    return [
        [f"{100 * fold + k}-{k}-0-{part}.wav", 100 * fold + k, 0.0, 4.0, 1, fold, k, name]
        for fold in range(1, n_folds + 1)
        for k, name in enumerate(CLASSES)
        for part in range(2)
    ]


@pytest.fixture
def make(tmp_path):
    def layout(rows=None, *, header=HEADER, encoding="utf-8", newline="\n", audio=True):
        rows = rows_of() if rows is None else rows
        root = tmp_path / "US8K"
        (root / "metadata").mkdir(parents=True)
        with (root / META).open("w", encoding=encoding, newline="") as file:
            csv.writer(file, lineterminator=newline).writerows([header, *rows])
        noise = np.random.default_rng(0).normal(0, 0.1, 400)
        for row in rows_of() if audio else ():
            folder = root / "audio" / f"fold{row[5]}"
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / row[0], noise, 8000)
        return root

    return layout


def test_official_folds_and_recordings(make):
    dataset = read_urbansound8k(make())
    assert (dataset.name, dataset.classes, dataset.folds) == ("urbansound8k", CLASSES, tuple(range(1, 11)))
    assert (dataset.split_name, dataset.prescribed) == ("official", True)
    assert len(dataset.clips) == 40
    first = dataset.clips[0]
    assert (first.path, first.fold, first.group) == ("audio/fold1/100-0-0-0.wav", 1, "100")
    assert len({clip.group for clip in dataset.clips}) == 20
    assert all(path.is_file() for path in dataset.paths)
    assert dataset.note == "the table lists 40 of 8732 clips"
    train, held_out = dataset.split(7)
    assert {dataset.clips[i].fold for i in held_out} == {7}
    assert len(train) == 36


@pytest.mark.parametrize("how", [{"encoding": "utf-8-sig"}, {"newline": "\r\n"}])
def test_what_spreadsheets_do_to_the_table(make, how):
    assert len(read_urbansound8k(make(**how)).clips) == 40


def test_some_folds_are_told_to_be_some(make):
    note = read_urbansound8k(make(rows_of(3))).note
    assert "no clip of fold 4, 5, 6, 7, 8, 9, 10: a mean over the folds is not the data set's" in note
    assert "28 files in audio/ are not in the table and were left out" in note


def test_a_recording_in_two_folds_is_noted(make):
    rows = rows_of()
    rows[-1][1] = rows[0][1]
    assert "1 source recordings have clips in more than one fold" in read_urbansound8k(make(rows)).note


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({5: "11"}, "line 2: fold '11' is none of 1 to 10"),
        ({5: "1.0"}, "line 2: fold '1.0' is none"),
        ({5: ""}, "line 2: fold '' is none"),
        ({5: "2"}, r"line 2: filename '100-0-0-0\.wav' is not in fold2/"),
        ({7: " "}, "line 2: class of '100-0-0-0.wav' is blank"),
        ({1: ""}, "line 2: fsID of '100-0-0-0.wav' is blank"),
        ({0: ""}, "line 2: filename '' leads out of fold1/"),
        ({0: "../fold2/200-0-0-0.wav"}, "leads out of fold1/"),
        ({0: "/etc/passwd"}, "leads out of fold1/"),
        ({0: "a\0b.wav"}, "leads out of fold1/"),
        ({0: "x" * 10_000}, r"x\.\.\.x"),
        ({0: "100-0-0-1.wav"}, "line 3: slice_file_name '100-0-0-1.wav' was already given in line 2"),
    ],
)
def test_wrong_rows_are_named(make, change, said):
    rows = rows_of()
    for column, value in change.items():
        rows[0][column] = value
    with pytest.raises(DataError, match=said):
        read_urbansound8k(make(rows))


def test_all_wrong_rows_are_counted(make):
    rows = rows_of()
    for row in rows[:8]:
        row[7] = ""
    with pytest.raises(DataError, match=r"8 rows in .* cannot be used: .*; and 3 more"):
        read_urbansound8k(make(rows))


def test_missing_columns_and_no_audio(make):
    with pytest.raises(DataError, match=r"has no column 'class'; its columns: slice_file_name, fsID"):
        read_urbansound8k(make(header=[*HEADER[:-1], "label"]))


def test_no_audio_at_all(make):
    with pytest.raises(DataError, match=r"40 rows in .* cannot be used: .* is not in fold1/"):
        read_urbansound8k(make(audio=False))


@pytest.mark.parametrize(("rows", "said"), [([], "has 0 folds"), (rows_of(1), "has 1 folds")])
def test_too_little(make, rows, said):
    with pytest.raises(DataError, match=said):
        read_urbansound8k(make(rows))
