"""GTZAN as it is distributed: ``GENRE/GENRE.00000.wav``, ten genres of 100 excerpts of 30 s.

The folder of the genres may be the one given, or ``genres`` (the author's archive) or ``genres_original`` (Kaggle's)
in it. Splits:

``paper``
    Stratified 80/20: of each genre, names sorted and drawn by a seed. The code of Palanisamy et al. 2020 takes the last
    fifth in the order that the file system lists, so its split differs from disk to disk; artists are on both sides.
``fault-filtered``
    443 to train, 197 to choose, 290 to score, without the repeated and distorted excerpts and without an artist in
    two of the parts. The list is that of torchaudio 2.9 (`torchaudio.datasets.GTZAN`), from C. Kereliuk, B. L. Sturm
    and J. Larsen, Deep Learning and Music Adversaries, IEEE Trans. Multimedia 17(11), 2015.

References: G. Tzanetakis and P. Cook, Musical Genre Classification of Audio Signals, IEEE Trans. Speech Audio Proc.
10(5), 2002; on its faults: B. L. Sturm, The GTZAN dataset: its contents, its faults, arXiv:1306.1461.
"""

import csv
import re
from importlib import resources
from pathlib import Path

import numpy as np

from tlprobe.data.dataset import Clip, Dataset, inside
from tlprobe.errors import DataError, ParameterError, list_errors
from tlprobe.numerics.seeds import derive_seed

__all__ = ["GENRES", "GTZAN_SPLITS", "gtzan_folder", "read_gtzan"]

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
GTZAN_SPLITS = ("paper", "fault-filtered")

_N_PER_GENRE = 100
_HELD_OUT_OF_5 = 1  # the paper's 80/20
_NAME = re.compile(rf"({'|'.join(GENRES)})\.(\d{{5}})\.(wav|au)")
_NESTED = ("", "genres", "genres_original", "Data/genres_original")
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
        Clips sorted by name; fold 1 is held out, and of ``fault-filtered`` fold 2 chosen on. The note tells every
        file that is missing or should not be there. Artists are not known: each excerpt is a source of its own.

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
    if split == "paper":
        folds, scored, validation = _paper_folds(sorted(found), seed=seed), (1,), None
        name = f"paper's 80/20, seed {seed}"
    else:
        parts = _filtered()
        folds, scored, validation = {key: _PARTS[parts[key]] for key in found if key in parts}, (1,), 2
        name = "fault-filtered 443/197/290"
        notes.append(_told("of the split's 930 missing", sorted(parts.keys() - found.keys())))
        notes.append(f"{len(found) - len(folds)} excerpts are not in the split and were left out")
    clips = tuple(
        Clip(path=found[key], label=key.partition(".")[0], fold=folds[key], group=key) for key in sorted(folds)
    )
    for fold in {1, 2, *({3} if validation else ())}:
        if fold not in set(folds.values()):
            raise DataError(f"{root}: part {fold} of the split {split} is empty; too many files are missing")
    return Dataset(
        name="gtzan",
        root=root,
        clips=clips,
        classes=tuple(sorted({clip.label for clip in clips})),
        note="; ".join(filter(None, notes)),
        split_name=name,
        scored_folds=scored,
        validation_fold=validation,
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


def _paper_folds(names: list[str], *, seed: int) -> dict[str, int]:
    """Hold out a fifth of each genre's excerpts, drawn by a seed."""
    folds = dict.fromkeys(names, 2)
    for genre in GENRES:
        own = [name for name in names if name.startswith(f"{genre}.")]
        drawn = np.random.default_rng(derive_seed(seed, "gtzan", genre)).permutation(len(own))
        for index in drawn[: len(own) * _HELD_OUT_OF_5 // 5]:
            folds[own[index]] = 1
    return folds


def _filtered() -> dict[str, str]:
    """Return the part of each excerpt of the fault-filtered split."""
    text = resources.files("tlprobe.data").joinpath("lists/gtzan_filtered.csv").read_text(encoding="utf-8")
    return {row["name"]: row["part"] for row in csv.DictReader(text.splitlines())}


def _told(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _N_NAMED} more" if len(names) > _N_NAMED else ""
    return f"{len(names)} files {what}: {', '.join(names[:_N_NAMED])}{more}"
