"""One's own data set as a table: a row a clip, in CSV, TSV or Parquet, with columns of any names.

Paths count from the table's folder. Whether files are there is seen when they are read: a million rows must not
ask the disk a million times.
"""

import math
from collections.abc import Mapping
from pathlib import Path

from tlprobe.data.csv_table import FOLD_DIGITS, FolderCheck, Row, fold_of, quoted, read_csv_table
from tlprobe.data.dataset import Clip, Dataset
from tlprobe.data.folds import group_folds
from tlprobe.errors import DataError, ParameterError, list_errors

__all__ = ["TABLE_SUFFIXES", "read_table"]

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")

_USUAL = {
    "path": ("path", "filename", "file"),
    "label": ("label", "class", "category"),
    "fold": ("fold",),
    "group": ("group",),
    "start": ("start_s",),
    "end": ("end_s",),
}
_Part = tuple[str, str, int, str, float | None, float | None]  # a clip before it is one: a million are cheap
_OPTIONAL = ("fold", "group", "start", "end")


def read_table(
    file: Path,
    *,
    path_column: str | None = None,
    label_column: str | None = None,
    fold_column: str | None = None,
    group_column: str | None = None,
    start_column: str | None = None,
    end_column: str | None = None,
    n_folds: int = 5,
    seed: int = 0,
) -> Dataset:
    """Read a table of clips.

    Parameters
    ----------
    file : Path
        ``.csv`` (commas or semicolons), ``.tsv`` or ``.parquet``.
    path_column, label_column : str, optional
        Default: ``path``, ``filename`` or ``file``; ``label``, ``class`` or ``category``.
    fold_column, group_column, start_column, end_column : str, optional
        Default: ``fold``, ``group``, ``start_s`` and ``end_s``, where they are there. A clip without a group is of
        the source that is its file.
    n_folds : int >= 2
    seed : int
        Of folds, where the table has none: dealt by group (`group_folds`).

    Returns
    -------
    dataset : Dataset
        Clips in the order of the table.

    Raises
    ------
    DataError
        If the table, a row of it or its folds cannot be used; rows are named by their line.
    ParameterError
        If a named column is not there, or the file is none of the three kinds.
    """
    given = {
        "path": path_column,
        "label": label_column,
        "fold": fold_column,
        "group": group_column,
        "start": start_column,
        "end": end_column,
    }
    rows, unit = _rows(file)
    columns = _columns(file, rows, given)
    check = FolderCheck(file.parent)
    parts: list[_Part] = []
    errors: list[str] = []
    seen: dict[tuple[str, float | None, float | None], int] = {}
    for line, row in rows:
        part, problem = _part(row, columns, check)
        if part is not None:
            key = (part[0], part[4], part[5])
            if line != (first := seen.setdefault(key, line)):
                problem = f"{columns['path']} {quoted(part[0])} was already given in {unit} {first}"
        if problem is not None or part is None:
            errors.append(f"{file.name} {unit} {line}: {problem}")
            continue
        parts.append(part)
    if errors:
        raise DataError(list_errors(errors, what=f"rows of {file}"))
    classes = tuple(sorted({label for _, label, *_ in parts}))
    if len(classes) < 2:
        raise DataError(f"{file} has clips of {len(classes)} classes; at least 2 are needed")
    if "fold" in columns:
        split = f"own folds, column {columns['fold']}"
        folds = [part[2] for part in parts]
        if len(set(folds)) < 2:
            raise DataError(f"{file} puts all clips in fold {folds[0]}; at least 2 folds are needed")
    else:
        split = f"by group, stratified, seed {seed}"
        folds = group_folds(
            [part[1] for part in parts], [part[3] for part in parts], n_folds=n_folds, seed=seed
        ).tolist()
    clips = tuple(
        Clip(path, label, fold, group, start_s, end_s)
        for (path, label, _, group, start_s, end_s), fold in zip(parts, folds, strict=True)
    )
    return Dataset(
        name=file.stem,
        root=file.parent,
        clips=clips,
        classes=classes,
        split_name=split,
        prescribed=False,
        dealt="fold" not in columns,
    )


def _rows(file: Path) -> tuple[list[Row], str]:
    """Return the rows, and what their numbers count."""
    suffix = file.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise ParameterError(f"{file} is no table; choose from {', '.join(TABLE_SUFFIXES)}")
    if not file.is_file():
        raise DataError(f"{file} is {'no regular file' if file.exists() else 'missing'}")
    if suffix == ".parquet":
        return _parquet_rows(file), "row"
    delimiter = "\t"
    if suffix == ".csv":
        try:
            with file.open("rb") as content:
                header = content.readline(1 << 16)
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
        delimiter = ";" if header.count(b";") > header.count(b",") else ","
    return read_csv_table(file, needed=(), delimiter=delimiter), "line"


def _parquet_rows(file: Path) -> list[Row]:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ParameterError(f"{file} needs pyarrow: pip install 'tlprobe[parquet]', or write it as CSV") from error
    from pyarrow import ArrowException

    try:
        table = parquet.read_table(file)
    except (OSError, ArrowException) as error:
        raise DataError(f"{file} is no Parquet table: {str(error).splitlines()[0]}") from error
    columns = {name: ["" if v is None else str(v) for v in table[name].to_pylist()] for name in table.column_names}
    return [
        (number, dict(zip(columns, cells, strict=True)))
        for number, cells in enumerate(zip(*columns.values(), strict=True), start=1)
    ]


def _columns(file: Path, rows: list[Row], given: Mapping[str, str | None]) -> dict[str, str]:
    """Return what each part of a clip is called in the table."""
    if not rows:
        raise DataError(f"{file} has no rows")
    there = list(rows[0][1])
    listed = ", ".join(there[:20])
    columns: dict[str, str] = {}
    for part, name in given.items():
        if name is not None and name not in there:
            raise ParameterError(f"--{part}-column {name!r} is no column of {file}; choose from {listed}")
        found = name if name is not None else next((usual for usual in _USUAL[part] if usual in there), None)
        if found is not None:
            columns[part] = found
        elif part not in _OPTIONAL:
            usual = " or ".join(_USUAL[part])
            raise ParameterError(f"{file} has no column {usual}; name it by --{part}-column, one of {listed}")
    return columns


def _part(
    row: Mapping[str, str], columns: Mapping[str, str], check: FolderCheck
) -> tuple[_Part, None] | tuple[None, str]:
    """Return a row's clip, or what is wrong with it; without a column of folds it is in fold 0."""
    path, label = row[columns["path"]], row[columns["label"]]
    if not path:
        return None, f"{columns['path']} is blank"
    if not check.holds(path):
        return None, f"{columns['path']} {quoted(path)} leads out of the table's folder"
    if not label:
        return None, f"{columns['label']} of {quoted(path)} is blank"
    fold: int | None = 0
    if "fold" in columns:
        text = row[columns["fold"]]
        fold = fold_of(text)
        if fold is None:
            return (
                None,
                f"{columns['fold']} {quoted(text)} is no whole number from 1 on, of at most {FOLD_DIGITS} digits",
            )
    start = end = None
    if "start" in columns or "end" in columns:
        ends: list[float | None] = []
        for name in ("start", "end"):
            text = row[columns[name]] if name in columns else ""
            ends.append(_seconds(text))
            if text and ends[-1] is None:
                return None, f"{columns[name]} {quoted(text)} is no time in seconds from 0 on"
        start, end = ends
        if end is not None and end <= (start or 0):
            return None, f"{columns['end']} {end:g} is not after {start or 0:g}"
    group = (row[columns["group"]] if "group" in columns else "") or path
    assert fold is not None
    return (path, label, fold, group, start, end), None


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None
