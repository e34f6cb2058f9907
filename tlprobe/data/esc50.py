"""The layout of ESC-50: ``meta/esc50.csv`` beside ``audio/``, with the official folds.

Needed columns: ``filename`` (within ``audio/``), ``fold``, ``category``; ``esc10`` for the 10-class
subset; ``src_file``, where there is one, names the recording that a clip was cut from.
Reference: K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015.
"""

import csv
import reprlib
from pathlib import Path, PurePosixPath

from tlprobe.data.dataset import Clip, Dataset, inside
from tlprobe.errors import DataError, list_errors

__all__ = ["META", "read_esc50"]

META = "meta/esc50.csv"
_AUDIO = "audio"
_NEEDED = ("filename", "fold", "category")
_FOLD_DIGITS = 9  # more is a mistake, and Python refuses to read thousands of them
_FLAGS = {"true": True, "false": False, "1": True, "0": False}

_Row = tuple[int, dict[str, str]]  # line of the table, cells by column

_quoted = reprlib.Repr()  # for cells of any length
_quoted.maxstring = 80


def read_esc50(root: Path, *, esc10: bool = False) -> Dataset:
    """Read a folder in the ESC-50 layout.

    Parameters
    ----------
    root : Path
        Holds ``meta/esc50.csv`` and ``audio/``.
    esc10 : bool
        Take the rows marked ``esc10`` only.

    Returns
    -------
    dataset : Dataset
        Clips in the order of the table; groups are the source recordings.

    Raises
    ------
    DataError
        If the table or a row of it is wrong, or a file is missing; rows are named by their line.
    """
    rows = _read_table(root / META, needed=(*_NEEDED, "esc10") if esc10 else _NEEDED)
    clips, errors, listed = [], [], set[str]()
    seen: dict[Path, int] = {}  # by resolved path: a.wav and ./a.wav are one file
    for line, row in rows:
        name = row["filename"]
        problem = _problem(root, row)
        if problem is None and line != (first := seen.setdefault((root / _AUDIO / name).resolve(), line)):
            problem = f"filename {_quoted.repr(name)} was already given in line {first}"
        if problem:
            errors.append(f"{META} line {line}: {problem}")
            continue
        listed.add(PurePosixPath(name).parts[0])
        if esc10 and not _flag(row, line):
            continue
        group = row.get("src_file") or name
        clips.append(Clip(path=f"{_AUDIO}/{name}", label=row["category"], fold=int(row["fold"]), group=group))
    if errors:
        raise DataError(list_errors(errors, what=f"rows in {root}"))
    if not clips:
        raise DataError(f"{root / META} lists no clip{' marked esc10' if esc10 else ''}")
    if len({clip.fold for clip in clips}) < 2:
        raise DataError(f"{root / META} puts all clips in fold {clips[0].fold}; at least 2 folds are needed")
    if len({clip.label for clip in clips}) < 2:
        raise DataError(
            f"{root / META} gives all clips{' marked esc10' if esc10 else ''} the category "
            f"{_quoted.repr(clips[0].label)}; at least 2 categories are needed"
        )
    return Dataset(
        name="esc10" if esc10 else "esc50",
        root=root,
        clips=tuple(clips),
        classes=tuple(sorted({clip.label for clip in clips})),
        note=_note(root, clips, listed=listed),
    )


def _read_table(path: Path, *, needed: tuple[str, ...]) -> list[_Row]:
    rows: list[_Row] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # -sig: spreadsheets add a byte-order mark
            table = csv.reader(file, strict=True)
            columns = [cell.strip() for cell in next(table, [])]
            missing = [name for name in needed if name not in columns]
            if missing:
                raise DataError(
                    f"{path} has no column {', '.join(map(repr, missing))}; its columns: {', '.join(columns) or 'none'}"
                )
            for cells in table:
                if not cells:
                    continue  # a blank line
                if len(cells) != len(columns):
                    raise DataError(f"{path} line {table.line_num}: {len(cells)} cells for {len(columns)} columns")
                rows.append((table.line_num, {k: cell.strip() for k, cell in zip(columns, cells, strict=True)}))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no table in UTF-8: {error}") from error
    return rows


def _problem(root: Path, row: dict[str, str]) -> str | None:
    """Return what is wrong with a row on its own, or None."""
    name, fold = _quoted.repr(row["filename"]), row["fold"]
    if not (fold.isascii() and fold.isdigit() and len(fold) <= _FOLD_DIGITS and int(fold) > 0):
        return f"fold {_quoted.repr(fold)} is no whole number from 1 on, of at most {_FOLD_DIGITS} digits"
    if not row["category"]:
        return f"category of {name} is blank"
    path = inside(root / _AUDIO, row["filename"]) if row["filename"] else None
    if path is None:
        return f"filename {name} leads out of {_AUDIO}/"
    try:
        return None if path.is_file() else f"filename {name} is not in {_AUDIO}/"
    except OSError as error:
        return f"filename {name} cannot be looked up: {error.strerror or error}"


def _flag(row: dict[str, str], line: int) -> bool:
    try:
        return _FLAGS[row["esc10"].lower()]
    except KeyError:
        raise DataError(f"{META} line {line}: esc10 {row['esc10']!r} is neither True nor False") from None


def _note(root: Path, clips: list[Clip], *, listed: set[str]) -> str:
    notes = []
    on_disk = {path.name for path in (root / _AUDIO).iterdir() if not path.name.startswith(".")}
    if unlisted := on_disk - listed:
        notes.append(f"{len(unlisted)} files in {_AUDIO}/ are not in the table and were left out")
    folds_of: dict[str, set[int]] = {}
    for clip in clips:
        folds_of.setdefault(clip.group, set()).add(clip.fold)
    if spread := sum(len(folds) > 1 for folds in folds_of.values()):
        notes.append(f"{spread} source recordings have clips in more than one fold")
    return "; ".join(notes)
