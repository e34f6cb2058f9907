"""Folds that were dealt once stay known: a later call cannot quietly use others.

Folds that tlprobe deals depend on which clips there are, so that a recording that comes or goes can move others. What
was dealt for a place and its options is remembered in the cache, and a difference is told. ``folds_file`` keeps folds
in a file of one's own, for any data set: written when it is not there, and from then on what counts.
"""

import csv
import dataclasses
import hashlib
import io
import json
import logging
import os
from pathlib import Path

from tlprobe.data.csv_table import fold_of, quoted, read_csv_table
from tlprobe.data.dataset import Clip, Dataset
from tlprobe.data.options import DataOptions
from tlprobe.errors import DataError, ParameterError, list_errors
from tlprobe.files import cache_root, write_atomic

__all__ = ["keep_folds"]

_log = logging.getLogger(__name__)

_COLUMNS = ("path", "start_s", "end_s", "fold")
_OF_THE_DEAL = ("dataset", "data_seed", "n_folds", "label_regex", "path_column", "label_column", "group_column")

_Key = tuple[str, float | None, float | None]  # path, and where the part starts and ends


def keep_folds(dataset: Dataset, options: DataOptions) -> Dataset:
    """Return a data set with the folds that are kept for it.

    Parameters
    ----------
    dataset : Dataset
        As it was read, before clips are left out or cut into windows.
    options : DataOptions
        With `folds_file`, the folds in that file count; where it is missing, those that were dealt are written to it.
        Without, folds that were dealt are compared with those that were dealt before for the same place and options;
        clips that would change fold are told in a warning, and clips that came without moving any are remembered.

    Raises
    ------
    DataError
        If the file of folds cannot be used, or names other clips than the data set has.
    ParameterError
        If there is no such file, and the folds are not tlprobe's to deal.
    ResourceError
        If the cache, or the file, cannot be written.
    """
    if options.folds_file is not None:
        file = Path(options.folds_file)
        if not file.exists():
            if not dataset.dealt:
                raise ParameterError(
                    f"folds_file={options.folds_file} is missing, and {dataset.name} has folds of its own"
                )
            write_atomic(file, _text(_folds(dataset)))
        return _with_folds(dataset, file)
    if not dataset.dealt:
        return dataset
    how = {name: getattr(options, name) for name in _OF_THE_DEAL}
    place = {"root": os.path.realpath(dataset.root), "name": dataset.name, **how}
    stored = cache_root() / "folds" / f"{hashlib.sha256(json.dumps(place).encode()).hexdigest()[:32]}.csv"
    mark = stored.with_suffix(".sha256")
    text = _text(_folds(dataset))
    digest = hashlib.sha256(text.encode()).hexdigest()
    if not stored.exists():
        write_atomic(stored, text)
        write_atomic(mark, digest)
    elif not mark.exists() or mark.read_bytes() != digest.encode():
        before = _compare(dataset, stored)
        if before is not None:
            write_atomic(stored, _text(before | _folds(dataset)))  # those that went may come back
            write_atomic(mark, digest)
    return dataset


def _compare(dataset: Dataset, stored: Path) -> dict[_Key, int] | None:
    """Tell of clips that moved to other folds; return the former folds where none did."""
    try:
        before = _read(stored)
    except DataError as error:
        _log.warning("%s is not used: %s; delete it", stored, error)
        return None
    now = _folds(dataset)
    n_moved = sum(before[key] != fold for key, fold in now.items() if key in before)
    if n_moved:
        _log.warning(
            "%s: %d of %d clips are in other folds than when they were first dealt, for %d clips came and %d went; "
            "results of the two do not go together. %s has the former folds (--folds-file takes such a file); delete "
            "it to be told no more",
            dataset.name,
            n_moved,
            len(now),
            len(now.keys() - before.keys()),
            len(before.keys() - now.keys()),
            stored,
        )
        return None
    return before


def _with_folds(dataset: Dataset, file: Path) -> Dataset:
    folds = _read(file)
    keys = [_key(clip) for clip in dataset.clips]
    errors = [f"{_named(key)} has no fold" for key in keys if key not in folds]
    errors += [f"{_named(key)} is no clip" for key in folds.keys() - set(keys)]
    if errors:
        raise DataError(f"{file} is not of {dataset.name}: {list_errors(sorted(errors), what='clips')}")
    if len(set(folds.values())) < 2:
        raise DataError(f"{file} puts all clips in fold {next(iter(folds.values()))}; at least 2 folds are needed")
    clips = tuple(dataclasses.replace(clip, fold=folds[key]) for clip, key in zip(dataset.clips, keys, strict=True))
    return dataclasses.replace(
        dataset,
        clips=clips,
        split_name=f"own folds, {file.name}",
        prescribed=False,
        dealt=False,
        scored_folds=None,
        validation_fold=None,
    )


def _read(file: Path) -> dict[_Key, int]:
    folds: dict[_Key, int] = {}
    errors: list[str] = []
    for line, row in read_csv_table(file, needed=("path", "fold"), keep_blanks=("path",)):
        fold = fold_of(row["fold"])
        try:
            start_s, end_s = (float(row[name]) if row.get(name) else None for name in ("start_s", "end_s"))
        except ValueError as error:
            errors.append(f"line {line}: {error}")
            continue
        key = (row["path"], start_s, end_s)
        if fold is None:
            errors.append(f"line {line}: fold {quoted(row['fold'])} is no whole number from 1 on")
        elif key in folds:
            errors.append(f"line {line}: {_named(key)} was already given")
        else:
            folds[key] = fold
    if errors:
        raise DataError(f"{file}: {list_errors(errors, what='lines')}")
    return folds


def _folds(dataset: Dataset) -> dict[_Key, int]:
    return {_key(clip): clip.fold for clip in dataset.clips}


def _text(folds: dict[_Key, int]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((*key, fold) for key, fold in folds.items())
    return text.getvalue()


def _key(clip: Clip) -> _Key:
    return clip.path, clip.start_s, clip.end_s


def _named(key: _Key) -> str:
    path, start_s, end_s = key
    start = "" if start_s is None else f" from {start_s:g} s"
    return f"{quoted(path)}{start}" + ("" if end_s is None else f" to {end_s:g} s")
