"""Labels from file names."""

import pytest

from tlprobe.data.dataset import Clip
from tlprobe.data.named import read_named
from tlprobe.errors import DataError, ParameterError

DIGITS = r"(?P<label>\d)_(?P<group>\w+?)_"


@pytest.fixture
def root(tmp_path):
    """Spoken digits of five speakers, in two sub-folders."""
    folder = tmp_path / "digits"
    for part in ("x", "y"):
        (folder / part).mkdir(parents=True)
    for digit in range(3):
        for k, speaker in enumerate(("ann", "bob", "cat", "dan", "eve")):
            (folder / ("x" if k % 2 else "y") / f"{digit}_{speaker}_0.wav").touch()
    (folder / "readme.txt").touch()
    (folder / ".hidden.wav").touch()
    return folder


def test_label_and_group_come_from_the_name(root):
    dataset = read_named(root, label_regex=DIGITS)
    assert (dataset.name, dataset.classes, dataset.folds) == ("digits", ("0", "1", "2"), (1, 2, 3, 4, 5))
    assert [clip.path for clip in dataset.clips] == sorted(clip.path for clip in dataset.clips)
    assert len({(clip.group, clip.fold) for clip in dataset.clips}) == 5  # a speaker is in one fold
    assert dataset.note == "1 files that are no recordings were left out"
    assert not dataset.prescribed


def test_fold_from_the_folder(root):
    for name, fold in (("x", "fold1"), ("y", "fold2")):
        (root / name).rename(root / fold)
    dataset = read_named(root, label_regex=r"fold(?P<fold>\d+)/(?P<label>\d)_")
    assert dataset.clips[0] == Clip("fold1/0_bob_0.wav", "0", 1, "fold1/0_bob_0.wav")
    assert dataset.split_name == "own folds, by file name"


@pytest.mark.parametrize(
    ("regex", "said"),
    [
        ("(?P<label>", "is no pattern: missing"),
        (r"(\d)_", r"has the named groups none; it needs \(\?P<label>"),
        (r"(?P<class>\d)_", "has the named groups class; it needs"),
        (r"(?P<label>\d)_(?P<who>\w+)", "has the named groups label, who"),
    ],
)
def test_patterns_that_are_none(root, regex, said):
    with pytest.raises(ParameterError, match=said):
        read_named(root, label_regex=regex)


@pytest.mark.parametrize(
    ("regex", "said"),
    [
        (r"(?P<label>[01])_", r"5 recordings cannot be used: x/2_bob_0\.wav does not match"),
        (r"(?P<label>\d)_(?P<fold>\w)", "fold 'b' is no whole number from 1 on"),
        (r"\d_\w+_(?P<label>0)", "recordings of 1 classes by that pattern"),
        (r"(?P<label>\d)_\w+_0\.(?P<fold>w?)", "fold 'w' is no whole number"),
        (r"(?P<label>\d)_(?P<group>[ab])?", None),
    ],
)
def test_names_that_do_not_fit(root, regex, said):
    if said is None:
        assert len({clip.group for clip in read_named(root, label_regex=regex).clips}) > 2
        return
    with pytest.raises(DataError, match=said):
        read_named(root, label_regex=regex)


def test_a_link_out_of_the_folder_is_refused(root, tmp_path):
    (tmp_path / "out.wav").touch()
    (root / "0_fay_0.wav").symlink_to(tmp_path / "out.wav")
    with pytest.raises(DataError, match=r"0_fay_0\.wav leads out of the data folder"):
        read_named(root, label_regex=DIGITS)
