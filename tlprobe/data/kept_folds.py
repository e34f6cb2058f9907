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

_COLUMNS = ("path", "start_s", "fold")
_OF_THE_DEAL = ("dataset", "data_seed", "n_folds", "label_regex", "path_column", "label_column", "group_column")

_Key = tuple[str, str]  # path, and the start of the part or nothing


def keep_folds(dataset: Dataset, options: DataOptions) -> Dataset:
    """Return a data set with the folds that are kept for it.

    Parameters
    ----------
    dataset : Dataset
        As it was read, before clips are left out or cut into windows.
    options : DataOptions
        With `folds_file`, the folds in that file count, or are written to it. Without, folds that were dealt are
        compared with those that were dealt before for the same place and options; clips that would change fold are
        told in a warning.

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
        if file.exists():
            return _with_folds(dataset, file)
        if not dataset.dealt:
            raise ParameterError(f"folds_file={options.folds_file} is missing, and {dataset.name} has folds of its own")
        write_atomic(file, _text(dataset))
        return dataset
    if not dataset.dealt:
        return dataset
    how = {name: getattr(options, name) for name in _OF_THE_DEAL}
    place = {"root": os.path.realpath(dataset.root), "name": dataset.name, **how}
    stored = cache_root() / "folds" / f"{hashlib.sha256(json.dumps(place).encode()).hexdigest()[:32]}.csv"
    mark = stored.with_suffix(".sha256")
    text = _text(dataset)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if not stored.exists():
        write_atomic(stored, text)
        write_atomic(mark, digest)
    elif not mark.exists() or mark.read_bytes() != digest.encode():
        _tell(dataset, stored)
    return dataset


def _tell(dataset: Dataset, stored: Path) -> None:
    try:
        before = _read(stored)
    except DataError as error:
        _log.warning("%s is not used: %s; delete it", stored, error)
        return
    now = {_key(clip): clip.fold for clip in dataset.clips}
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


def _with_folds(dataset: Dataset, file: Path) -> Dataset:
    folds = _read(file)
    keys = [_key(clip) for clip in dataset.clips]
    errors = [f"{quoted(path)}{_part(start)} has no fold" for path, start in keys if (path, start) not in folds]
    errors += [f"{quoted(path)}{_part(start)} is no clip" for path, start in folds.keys() - set(keys)]
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
    for line, row in read_csv_table(file, needed=_COLUMNS):
        fold = fold_of(row["fold"])
        key = (row["path"], row["start_s"])
        if fold is None:
            errors.append(f"line {line}: fold {quoted(row['fold'])} is no whole number from 1 on")
        elif key in folds:
            errors.append(f"line {line}: {quoted(row['path'])} was already given")
        else:
            folds[key] = fold
    if errors:
        raise DataError(f"{file}: {list_errors(errors, what='lines')}")
    return folds


def _text(dataset: Dataset) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((*_key(clip), clip.fold) for clip in dataset.clips)
    return text.getvalue()


def _key(clip: Clip) -> _Key:
    return clip.path, "" if clip.start_s is None else repr(clip.start_s)


def _part(start: str) -> str:
    return f" from {start} s" if start else ""
