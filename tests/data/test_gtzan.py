"""GTZAN's layouts, its splits, and what is missing of it."""

import csv
from collections import Counter
from importlib import resources
from pathlib import PurePosixPath

import pytest

from tlprobe.data.gtzan import GENRES, gtzan_folder, read_gtzan
from tlprobe.data.leaks import find_leaks, leaked_clips
from tlprobe.errors import DataError, ParameterError


@pytest.fixture
def make(tmp_path):
    """Lay out empty files under GTZAN's names: their content is not read here."""

    def layout(nested="genres", *, suffix="wav", without=(), order=GENRES):
        folder = tmp_path / "gtzan" / nested
        for genre in order:
            (folder / genre).mkdir(parents=True)
            for number in range(100):
                name = f"{genre}.{number:05d}"
                if name not in without:
                    (folder / genre / f"{name}.{suffix}").touch()
        return tmp_path / "gtzan"

    return layout


@pytest.mark.parametrize(
    ("nested", "suffix"), [("", "wav"), ("genres", "au"), ("genres_original", "wav"), ("Data/genres_original", "wav")]
)
def test_layouts(make, nested, suffix):
    root = make(nested, suffix=suffix)
    assert gtzan_folder(root) == root / nested
    dataset = read_gtzan(root)
    assert (dataset.name, dataset.classes, len(dataset.clips), dataset.note) == ("gtzan", GENRES, 1000, "")
    assert all(path.is_file() for path in dataset.paths)


def test_the_papers_split_holds_out_a_fifth_of_each_genre(make):
    dataset = read_gtzan(make())
    assert (dataset.folds, dataset.prescribed, dataset.split_name) == ((1,), True, "paper's 80/20, seed 0")
    train, held_out = dataset.split(1)
    assert (len(train), len(held_out)) == (800, 200)
    assert set(Counter(dataset.clips[i].label for i in held_out).values()) == {20}
    other = read_gtzan(dataset.root, seed=1)
    assert [clip.fold for clip in other.clips] != [clip.fold for clip in dataset.clips]
    with pytest.raises(ParameterError, match="fold=2 is no fold of gtzan; choose from 1"):
        dataset.split(2)


def test_the_order_of_folders_plays_no_role(make, tmp_path):
    first = [(clip.path, clip.fold) for clip in read_gtzan(make()).clips]
    (tmp_path / "gtzan").rename(tmp_path / "before")
    assert [(clip.path, clip.fold) for clip in read_gtzan(make(order=GENRES[::-1])).clips] == first


def test_a_missing_excerpt_moves_no_other_of_the_papers_split(make):
    root = make()
    whole = {clip.path: clip.fold for clip in read_gtzan(root).clips}
    gone = ["genres/jazz/jazz.00054.wav", *sorted(whole)[:7]]
    for path in gone:
        (root / path).unlink()
    left = {clip.path: clip.fold for clip in read_gtzan(root).clips}
    assert left == {path: fold for path, fold in whole.items() if path not in gone}
    assert len(left) == 992


def test_the_fault_filtered_split_has_its_three_parts(make):
    dataset = read_gtzan(make(), split="fault-filtered")
    assert Counter(clip.fold for clip in dataset.clips) == {3: 443, 2: 197, 1: 290}
    assert (dataset.folds, dataset.validation_fold, dataset.inner_fold(1, wanted=False)) == ((1,), 2, 2)
    assert dataset.note == "70 excerpts are not in the split and were left out"
    of = {PurePosixPath(clip.path).stem: clip.fold for clip in dataset.clips}
    assert (of["blues.00000"], of["blues.00012"], of["blues.00029"]) == (2, 1, 3)  # torchaudio's first of each list


def test_no_artist_is_in_two_of_the_folds_by_artist(make):
    dataset = read_gtzan(make(without=("jazz.00054", "rock.00007")), split="artists")
    assert (len(dataset.clips), dataset.folds, dataset.split_name) == (918, (1, 2, 3, 4, 5), "five folds by artist")
    assert find_leaks(dataset) == ()
    assert "1 files of the split's 919 missing: rock.00007" in dataset.note
    assert "80 excerpts are not in the split and were left out" in dataset.note
    sizes = Counter(clip.fold for clip in dataset.clips)
    assert max(sizes.values()) - min(sizes.values()) < 30
    assert len({(clip.label, clip.fold) for clip in dataset.clips}) == 50  # each genre is in each fold
    group = {PurePosixPath(clip.path).stem: clip.group for clip in dataset.clips}
    together = [f"reggae.{n:05d}" for n in (0, 27, 54, 87)] + ["hiphop.00039"]  # reggae.00087: L. Hill with B. Marley
    assert [group[name] for name in together] == ["Bob Marley"] * 5


def test_the_other_splits_leak_artists(make):
    root = make()
    assert len(leaked_clips(read_gtzan(root), find_leaks(read_gtzan(root)), 1)) > 100  # of the 200 held out
    filtered = read_gtzan(root, split="fault-filtered")
    leaks = find_leaks(filtered)
    assert {filtered.clips[leak.clips[0]].group for leak in leaks} == {"Mariah Carey", "Donna Summer", "Bob Marley"}


def test_the_shipped_artists_are_whole():
    text = resources.files("tlprobe.data").joinpath("lists/gtzan_artists.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["name"] for row in rows] == [f"{genre}.{n:05d}" for genre in GENRES for n in range(100)]
    assert sum(row["artist"] == "" for row in rows) == 81
    for row in rows:
        assert bool(row["artist"]) == bool(row["group"]) == bool(row["fold"])
    groups = {}
    for row in rows:
        for artist in filter(None, row["artist"].split("; ")):
            groups.setdefault(artist, set()).add(row["group"])
    assert {len(found) for found in groups.values()} == {1}  # an artist is in one group, whoever sings along
    assert len({row["group"] for row in rows} - {""}) == 235


def test_the_shipped_list_is_whole():
    text = resources.files("tlprobe.data").joinpath("lists/gtzan_filtered.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert Counter(row["part"] for row in rows) == {"train": 443, "valid": 197, "test": 290}
    assert len({row["name"] for row in rows}) == 930


def test_missing_and_extra_files_are_told(make):
    root = make(without=("jazz.00054", "rock.00007"))
    (root / "genres" / "jazz" / "jazz.00100.wav").touch()
    (root / "genres" / "pop" / "notes.txt").touch()
    (root / "genres" / "pop" / "rock.00001.wav").touch()
    note = read_gtzan(root).note
    assert "2 files missing: jazz.00054, rock.00007" in note
    assert "3 files not of the set and left out: jazz.00100.wav, notes.txt, rock.00001.wav" in note
    assert "2 files of the split's 930 missing" not in note
    assert len(read_gtzan(root).clips) == 998


def test_what_is_no_gtzan(make, tmp_path):
    with pytest.raises(ParameterError, match="split 'artist' of gtzan; choose from paper, fault-filtered, artists"):
        read_gtzan(make(), split="artist")
    for label in ("blues", "rock"):
        (tmp_path / "own" / label).mkdir(parents=True)
        (tmp_path / "own" / label / f"{label}.00001.wav").touch()
    assert gtzan_folder(tmp_path / "own") is None
    with pytest.raises(DataError, match="holds no GTZAN"):
        read_gtzan(tmp_path / "own")


def test_a_part_that_is_empty(make):
    root = make()
    for clip in read_gtzan(root).clips:
        if clip.fold == 1:
            (root / clip.path).unlink()
    with pytest.raises(DataError, match="part 1 of the split paper is empty"):
        read_gtzan(root)


def test_a_link_out_is_refused(make, tmp_path):
    root = make()
    (tmp_path / "out.wav").touch()
    path = root / "genres" / "pop" / "pop.00000.wav"
    path.unlink()
    path.symlink_to(tmp_path / "out.wav")
    with pytest.raises(DataError, match=r"pop\.00000\.wav leads out of the data folder"):
        read_gtzan(root)
