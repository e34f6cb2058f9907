"""Folds that were dealt once: kept, or a difference is told."""

import csv
import shutil

import pytest

from tlprobe.data.open import open_dataset
from tlprobe.data.options import DataOptions
from tlprobe.errors import DataError, ParameterError
from tlprobe.files import cache_root
from tlprobe.studies.space import load_space
from tlprobe.studies.study_file import load_study


@pytest.fixture
def own(tiny_data, tmp_path):
    return shutil.copytree(tiny_data, tmp_path / "own")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "folds.csv"


def folds(dataset):
    return {clip.path: clip.fold for clip in dataset.clips}


def rows(file):
    with file.open(newline="") as text:
        return list(csv.DictReader(text))


def test_clips_that_move_to_other_folds_are_told_each_time_until_the_former_are_deleted(own, caplog):
    before = folds(open_dataset(own))
    open_dataset(own)
    assert not caplog.text
    (own / "high" / "0.wav").unlink()
    shutil.copy(own / "low" / "0.wav", own / "low" / "extra.wav")
    for _ in range(2):
        caplog.clear()
        now = folds(open_dataset(own))
        n_moved = sum(before[path] != fold for path, fold in now.items() if path in before)
        assert n_moved > 0
        said = f"own: {n_moved} of 30 clips are in other folds than when they were first dealt, for 1 clips came and 1"
        assert said in caplog.text
    stored = caplog.text.partition("go together. ")[2].partition(" has the former")[0]
    assert {row["path"]: int(row["fold"]) for row in rows(type(own)(stored))} == before
    caplog.clear()
    type(own)(stored).unlink()
    open_dataset(own)
    assert not caplog.text


def test_other_options_deal_other_folds_and_nothing_is_told(own, caplog):
    first, second = (folds(open_dataset(own, DataOptions(data_seed=seed))) for seed in (0, 1))
    assert first != second
    open_dataset(own, DataOptions(n_folds=2))
    assert not caplog.text


def test_a_clip_that_comes_and_moves_no_other_is_no_matter(own, caplog, monkeypatch):
    open_dataset(own)
    (own / "high" / "0.wav").rename(own / "high" / "0b.wav")  # as many, in the same order
    first = folds(open_dataset(own))
    assert not caplog.text
    (stored,) = cache_root().glob("folds/*.csv")
    assert {row["path"]: int(row["fold"]) for row in rows(stored)} == {"high/0.wav": first["high/0b.wav"], **first}
    for name in ("0b", "1"):
        (own / "high" / f"{name}.wav").rename(own / "high" / f"z{name}.wav")
    n_moved = sum(first[path] != fold for path, fold in folds(open_dataset(own)).items() if path in first)
    assert f"own: {n_moved} of 30 clips are in other folds" in caplog.text  # the newcomer is among the known
    assert n_moved > 0


def test_a_file_keeps_the_folds(own, file, caplog):
    options = DataOptions(folds_file=str(file))
    first = open_dataset(own, options)
    assert rows(file)[0] == {"path": "high/0.wav", "start_s": "", "end_s": "", "fold": str(first.clips[0].fold)}
    again = open_dataset(own, DataOptions(folds_file=str(file), data_seed=7))  # what is in the file counts
    assert folds(again) == folds(first)
    assert again.content_hash == first.content_hash
    for dataset in (first, again):  # who wrote it says the same of it
        assert (dataset.split_name, dataset.prescribed, dataset.dealt) == ("own folds, folds.csv", False, False)
    (own / "high" / "0.wav").unlink()
    with pytest.raises(DataError, match=r"folds\.csv is not of own: 'high/0\.wav' is no clip"):
        open_dataset(own, options)
    shutil.copy(own / "high" / "1.wav", own / "high" / "new.wav")
    with pytest.raises(DataError, match=r"2 clips cannot be used: 'high/0\.wav' is no clip; 'high/new\.wav' has no"):
        open_dataset(own, options)
    assert not caplog.text


def test_windows_are_cut_after_it(own, file):
    options = DataOptions(folds_file=str(file), window_s=0.4)
    assert len(open_dataset(own, options).clips) == 60
    assert len(rows(file)) == 30
    assert len(open_dataset(own, options).clips) == 60


def test_folds_of_ones_own_replace_those_of_the_data_set(own, file, tmp_path):
    table = tmp_path / "clips.csv"
    lines = [f"own/{label}/{i}.wav,{label},{i % 2 + 1}" for label in ("high", "low") for i in range(4)]
    table.write_text("\n".join(["path,label,fold", *lines]))
    with pytest.raises(ParameterError, match=r"folds\.csv is missing, and clips has folds of its own"):
        open_dataset(table, DataOptions(folds_file=str(file)))
    names = [line.partition(",")[0] for line in lines]
    file.write_text("\n".join(["path,start_s,fold", *(f"{name},,{k // 2 + 1}" for k, name in enumerate(names))]))
    assert [clip.fold for clip in open_dataset(table, DataOptions(folds_file=str(file))).clips] == [
        1, 1, 2, 2, 3, 3, 4, 4,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,start_s\na,1\n", "has no column 'fold'"),
        ("path,fold,start_s\nhigh/0.wav,1,later\n", "line 2: could not convert string to float: 'later'"),
        ("path,start_s,fold\nhigh/0.wav,,zero\n", "line 2: fold 'zero' is no whole number from 1 on"),
        ("path,start_s,fold\nhigh/0.wav,,1\nhigh/0.wav,,2\n", "line 3: 'high/0.wav' was already given"),
        ("path,start_s,fold\nhigh/0.wav,0.5,1\n", "'high/0.wav' from 0.5 s is no clip"),
        ("\x00", "no column|no table"),
    ],
)
def test_what_is_no_table_of_folds(own, file, text, said):
    file.write_text(text)
    with pytest.raises(DataError, match=said):
        open_dataset(own, DataOptions(folds_file=str(file)))


def test_parts_are_told_apart_by_start_and_end_as_numbers(own, file, tmp_path):
    table = tmp_path / "parts.csv"
    parts = [(f"own/{label}/{i}.wav", label, i + 1, start, end) for label in ("high", "low") for i in range(2)
             for start, end in ((0.1, 0.3), (0.1, 0.4))]  # fmt: skip
    text = [f"{path},{label},{fold},{start},{end}" for path, label, fold, start, end in parts]
    table.write_text("\n".join(["path,label,fold,start_s,end_s", *text]))
    swapped = [f"{path},{start}0,{end}00,{3 - fold}" for path, _, fold, start, end in parts]
    file.write_text("\n".join(["path,start_s,end_s,fold", *swapped]))
    dataset = open_dataset(table, DataOptions(folds_file=str(file)))
    assert [clip.fold for clip in dataset.clips] == [3 - fold for _, _, fold, *_ in parts]
    file.write_text("\n".join(["path,start_s,end_s,fold", *swapped[:-1]]))
    with pytest.raises(DataError, match=r"'own/low/1\.wav' from 0\.1 s to 0\.4 s has no fold"):
        open_dataset(table, DataOptions(folds_file=str(file)))


def test_a_name_keeps_its_blanks(own, file):
    (own / "high" / "0.wav").rename(own / "high" / " 0.wav")
    (own / "low" / "0.wav").rename(own / "low" / "0 .wav")
    options = DataOptions(folds_file=str(file))
    assert folds(open_dataset(own, options)) == folds(open_dataset(own, options)) == folds(open_dataset(own))


def test_one_fold_alone_is_refused(own, file):
    open_dataset(own, DataOptions(folds_file=str(file)))
    file.write_text("\n".join(["path,start_s,fold", *(f"{row['path']},,1" for row in rows(file))]))
    with pytest.raises(DataError, match="puts all clips in fold 1"):
        open_dataset(own, DataOptions(folds_file=str(file)))


def test_what_was_kept_and_is_damaged_is_told(own, caplog):
    (own / "high" / "0.wav").unlink()
    open_dataset(own)
    (own / "high" / "1.wav").unlink()
    open_dataset(own)
    stored = type(own)(caplog.text.partition("go together. ")[2].partition(" has the former")[0])
    stored.write_bytes(b"\xff\xfe")
    caplog.clear()
    assert len(open_dataset(own).clips) == 28
    assert f"{stored} is not used" in caplog.text


def test_in_a_study_the_file_lies_beside_it(tmp_path):
    (tmp_path / "a.yaml").write_text("treatments: [full]\ndata_options: {folds_file: folds.csv}\n")
    assert load_study(tmp_path / "a.yaml").data_options.folds_file == str(tmp_path / "folds.csv")
    (tmp_path / "b.yaml").write_text("space: {lr: [0.1, 0.2]}\ndata_options: {folds_file: ../folds.csv}\n")
    assert load_space(tmp_path / "b.yaml").data_options.folds_file == str(tmp_path.parent / "folds.csv")
