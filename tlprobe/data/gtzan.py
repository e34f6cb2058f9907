"""GTZAN as it is distributed: ``GENRE/GENRE.00000.wav``, ten genres of 100 excerpts of 30 s.

The folder of the genres may be the one given, or ``genres`` (the author's archive) or ``genres_original`` (Kaggle's)
in it. Splits:

``paper``
    Stratified 80/20: of each genre's 100 numbers a fifth is drawn by a seed, whichever files are there, so that a
    missing excerpt moves no other. The code of Palanisamy et al. 2020 takes the last fifth in the order that the file
    system lists, so its split differs from disk to disk; artists are on both sides.
``fault-filtered``
    443 to train, 197 to choose, 290 to score, without the repeated and distorted excerpts and without an artist in
    two of the parts. The list is that of torchaudio 2.9 (`torchaudio.datasets.GTZAN`), from C. Kereliuk, B. L. Sturm
    and J. Larsen, Deep Learning and Music Adversaries, IEEE Trans. Multimedia 17(11), 2015. Three artists who sing with
    others on one excerpt are in two of its parts all the same (Mariah Carey, Donna Summer, Bob Marley).
``artists``
    Five folds, no artist in two of them: 919 excerpts by 235 artists or circles of artists who share an excerpt, over
    all genres; classical music goes by its composers. The 81 excerpts whose artist nobody has named are left out.
    Reggae cannot be spread: 36 of its 82 excerpts are Bob Marley's and so in one fold. Artists are those of Sturm's
    index (GTZANindex.txt, with the article below), dealt once by `tlprobe.data.folds.group_folds` with seed 0.

In all three, an artist who is known is the source of an excerpt.

References: G. Tzanetakis and P. Cook, Musical Genre Classification of Audio Signals, IEEE Trans. Speech Audio Proc.
10(5), 2002; on its faults: B. L. Sturm, The GTZAN dataset: its contents, its faults, arXiv:1306.1461.
"""

import csv
import re
from importlib import resources
from pathlib import Path

import numpy as np

from tlprobe.data.dataset import Clip, Dataset, inside
from tlprobe.data.options import ImageOptions
from tlprobe.errors import DataError, ParameterError, list_errors
from tlprobe.numerics.seeds import derive_seed

__all__ = ["GENRES", "GTZAN_SPLITS", "gtzan_folder", "read_gtzan"]

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
GTZAN_SPLITS = ("paper", "fault-filtered", "artists")

_N_PER_GENRE = 100
_HELD_OUT_OF_5 = 1  # the paper's 80/20
_NAME = re.compile(rf"({'|'.join(GENRES)})\.(\d{{5}})\.(wav|au)")
_NESTED = ("", "genres", "genres_original", "Data/genres_original")
_SPLIT_NAMES = {
    "paper": "paper's 80/20, seed {seed}",
    "fault-filtered": "fault-filtered 443/197/290",
    "artists": "five folds by artist",
}
_PARTS = {"test": 1, "valid": 2, "train": 3}
_N_NAMED = 5


def gtzan_folder(root: Path) -> Path | None:
    """Return the folder that holds GTZAN's genres, in a folder or right below it; None if there is none.

    Eight of the ten genres must be there, with files that are named as GTZAN's.
    """
    for nested in _NESTED:
        folder = root / nested
        n = sum(any(_NAME.fullmatch(path.name) for path in (folder / genre).glob("*.00*")) for genre in GENRES)
        if n >= 8:
            return folder
    return None


def read_gtzan(root: Path, *, split: str = "paper", seed: int = 0) -> Dataset:
    """Read a folder in a layout of GTZAN.

    Parameters
    ----------
    root : Path
    split : str, one of `GTZAN_SPLITS`
    seed : int
        Of the split ``paper``.

    Returns
    -------
    dataset : Dataset
        Clips sorted by name; fold 1 is held out, of ``fault-filtered`` fold 2 chosen on, and of ``artists`` each fold
        is held out in turn. The note tells every file that is missing or should not be there. A source is an artist;
        an excerpt whose artist is not known is a source of its own.

    Raises
    ------
    ParameterError
        If there is no such split.
    DataError
        If this is no GTZAN, a file leads out of the folder, or a part of the split is empty.
    """
    if split not in GTZAN_SPLITS:
        raise ParameterError(f"split {split!r} of gtzan; choose from {', '.join(GTZAN_SPLITS)}")
    folder = gtzan_folder(root)
    if folder is None:
        raise DataError(
            f"{root} holds no GTZAN: neither genre folders with blues.00000.wav, ... nor genres[_original]/"
        )
    found, extra = _files(root, folder)
    expected = {f"{genre}.{number:05d}" for genre in GENRES for number in range(_N_PER_GENRE)}
    notes = [
        _told("missing", sorted(expected - found.keys())),
        _told("not of the set and left out", sorted(extra)),
    ]
    artists = _list("gtzan_artists")
    listed = _folds_of(split, artists=artists, seed=seed)
    folds = {key: fold for key, fold in listed.items() if key in found}
    if split != "paper":
        notes.append(_told(f"of the split's {len(listed)} missing", sorted(listed.keys() - found.keys())))
        notes.append(f"{len(found) - len(folds)} excerpts are not in the split and were left out")
    clips = tuple(
        Clip(path=found[key], label=key.partition(".")[0], fold=folds[key], group=artists[key]["group"] or key)
        for key in sorted(folds)
    )
    if empty := set(listed.values()) - set(folds.values()):
        raise DataError(f"{root}: part {min(empty)} of the split {split} is empty; too many files are missing")
    return Dataset(
        name="gtzan",
        root=root,
        clips=clips,
        classes=tuple(sorted({clip.label for clip in clips})),
        note="; ".join(filter(None, notes)),
        split_name=_SPLIT_NAMES[split].format(seed=seed),
        scored_folds=None if split == "artists" else (1,),
        validation_fold=2 if split == "fault-filtered" else None,
        usual=ImageOptions(sr=22_050, clip_s=30.0, width=1500),  # Palanisamy et al. 2020
    )


def _files(root: Path, folder: Path) -> tuple[dict[str, str], list[str]]:
    """Return GTZAN's files by name without suffix, as paths in the root, and the names of all others."""
    found: dict[str, str] = {}
    extra: list[str] = []
    errors: list[str] = []
    for genre in GENRES:
        if not (folder / genre).is_dir():
            continue
        for path in sorted((folder / genre).iterdir()):
            match = _NAME.fullmatch(path.name)
            key = path.name.rpartition(".")[0]
            if path.name.startswith("."):
                continue
            if match is None or match[1] != genre or int(match[2]) >= _N_PER_GENRE or key in found:
                extra.append(path.name)
            elif inside(root, path.relative_to(root).as_posix()) is None:
                errors.append(f"{path.name} leads out of the data folder")
            else:
                found[key] = path.relative_to(root).as_posix()
    if errors:
        raise DataError(f"{root}: {list_errors(errors)}")
    return found, extra


def _folds_of(split: str, *, artists: dict[str, dict[str, str]], seed: int) -> dict[str, int]:
    """Return the fold of each excerpt of a split, whether its file is there or not."""
    if split == "paper":
        return _paper_folds(seed=seed)
    if split == "artists":
        return {name: int(row["fold"]) for name, row in artists.items() if row["fold"]}
    return {name: _PARTS[row["part"]] for name, row in _list("gtzan_filtered").items()}


def _paper_folds(*, seed: int) -> dict[str, int]:
    """Hold out a fifth of each genre's numbers, drawn by a seed."""
    folds: dict[str, int] = {}
    for genre in GENRES:
        drawn = np.random.default_rng(derive_seed(seed, "gtzan", genre)).permutation(_N_PER_GENRE)
        held_out = set(drawn[: _N_PER_GENRE * _HELD_OUT_OF_5 // 5].tolist())
        folds |= {f"{genre}.{number:05d}": 1 if number in held_out else 2 for number in range(_N_PER_GENRE)}
    return folds


def _list(name: str) -> dict[str, dict[str, str]]:
    """Return the rows of a list that comes with tlprobe, by the excerpt's name."""
    text = resources.files("tlprobe.data").joinpath(f"lists/{name}.csv").read_text(encoding="utf-8")
    return {row["name"]: row for row in csv.DictReader(text.splitlines())}


def _told(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _N_NAMED} more" if len(names) > _N_NAMED else ""
    return f"{len(names)} files {what}: {', '.join(names[:_N_NAMED])}{more}"
