"""Recordings whose names say what they are: labels by a pattern on each file's path."""

import os
import re
from pathlib import Path

from tlprobe.audio.load import is_utf8
from tlprobe.data.csv_table import fold_of, quoted
from tlprobe.data.dataset import Clip, Dataset, inside
from tlprobe.data.folder import AUDIO_SUFFIXES
from tlprobe.data.folds import group_folds
from tlprobe.errors import DataError, ParameterError, list_errors

__all__ = ["read_named"]

_GROUPS = ("label", "group", "fold")


def read_named(root: Path, *, label_regex: str, n_folds: int = 5, seed: int = 0) -> Dataset:
    r"""Read all recordings below a folder, with labels from their paths.

    Hidden files and folders are passed over, files of other kinds are counted in the note. A recording that the
    pattern does not match is an error: nobody should wonder where clips went.

    Parameters
    ----------
    root : Path
    label_regex : str
        Searched in the path relative to `root`, with forward slashes. Has the named group ``label``, maybe ``group``
        (the source) and ``fold``; ``(?P<label>\d)_(?P<group>\w+)_`` reads ``3_jackson_7.wav``. It is the user's own,
        and a pattern that backtracks without end does so here too.
    n_folds : int >= 2
    seed : int
        Of folds, where the names have none: dealt by group, see `group_folds`.

    Returns
    -------
    dataset : Dataset
        Clips sorted by path; without ``group`` each is its own.

    Raises
    ------
    ParameterError
        If the pattern is none, or has not the group ``label``, or others than these three.
    DataError
        If recordings do not match, a fold is no whole number, or there are fewer than 2 classes or folds.
    """
    pattern = _compiled(label_regex)
    names, n_other = _recordings(root)
    clips, errors = [], []
    for name in names:
        match = pattern.search(name)
        found = {} if match is None else {key: value or "" for key, value in match.groupdict().items()}
        fold = fold_of(found["fold"]) if "fold" in found else 0
        if not found.get("label"):
            errors.append(f"{name} does not match {quoted(label_regex)}")
        elif fold is None:
            errors.append(f"{name}: fold {quoted(found['fold'])} is no whole number from 1 on")
        elif inside(root, name) is None:
            errors.append(f"{name} leads out of the data folder")
        else:
            clips.append(Clip(path=name, label=found["label"], fold=fold, group=found.get("group") or name))
    if errors:
        raise DataError(f"{root}: {list_errors(errors, what='recordings')}")
    classes = tuple(sorted({clip.label for clip in clips}))
    if len(classes) < 2:
        raise DataError(f"{root} has recordings of {len(classes)} classes by that pattern; at least 2 are needed")
    split = "own folds, by file name"
    if "fold" not in pattern.groupindex:
        split = f"by group, stratified, seed {seed}"
        folds = group_folds([clip.label for clip in clips], [clip.group for clip in clips], n_folds=n_folds, seed=seed)
        clips = [
            Clip(clip.path, clip.label, fold, clip.group) for clip, fold in zip(clips, folds.tolist(), strict=True)
        ]
    elif len({clip.fold for clip in clips}) < 2:
        raise DataError(f"{root} has all recordings in fold {clips[0].fold} by that pattern; at least 2 are needed")
    return Dataset(
        name=root.resolve().name,
        root=root,
        clips=tuple(clips),
        classes=classes,
        note=f"{n_other} files that are no recordings were left out" if n_other else "",
        split_name=split,
        prescribed=False,
        dealt="fold" not in pattern.groupindex,
    )


def _compiled(label_regex: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(label_regex)
    except (re.error, OverflowError, RecursionError) as error:
        raise ParameterError(f"label_regex {quoted(label_regex)} is no pattern: {error}") from error
    names = set(pattern.groupindex)
    if "label" not in names or names - set(_GROUPS):
        raise ParameterError(
            f"label_regex {quoted(label_regex)} has the named groups {', '.join(sorted(names)) or 'none'}; "
            "it needs (?P<label>...) and may have (?P<group>...) and (?P<fold>...)"
        )
    return pattern


def _recordings(root: Path) -> tuple[list[str], int]:
    """Return the recordings below a folder, sorted, and how many other files there are."""
    names: list[str] = []
    n_other = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in files:
            if file.startswith("."):
                continue
            name = (Path(folder) / file).relative_to(root).as_posix()
            if not is_utf8(name):
                raise DataError(f"{root}: {name!a} is no name in UTF-8; rename it")
            if Path(file).suffix.lower() in AUDIO_SUFFIXES:
                names.append(name)
            else:
                n_other += 1
    return sorted(names), n_other
