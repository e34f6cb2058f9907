"""The metadata tables that data sets come with: CSV in UTF-8, each row with its line."""

import csv
import os
import reprlib
from collections.abc import Collection
from pathlib import Path

from tlprobe.data.dataset import inside
from tlprobe.errors import DataError

__all__ = ["FOLD_DIGITS", "FilesOf", "FolderCheck", "Row", "fold_of", "quoted", "read_csv_table"]

FOLD_DIGITS = 9
"""Digits of a fold at most: more is a mistake, and Python refuses to read thousands of them."""

Row = tuple[int, dict[str, str]]
"""Line of the table, cells by column."""

_short = reprlib.Repr()  # for cells of any length
_short.maxstring = 80


def quoted(text: str) -> str:
    """Return a cell in quotes, shortened where it is long."""
    return _short.repr(text)


def read_csv_table(
    path: Path, *, needed: tuple[str, ...], delimiter: str = ",", keep_blanks: Collection[str] = ()
) -> list[Row]:
    """Read a table with a header line.

    Parameters
    ----------
    path : Path
    needed : tuple of str
        Columns that it must have.
    delimiter : str
    keep_blanks : collection of str
        Columns whose cells keep the blanks around them: a file's name may have some.

    Returns
    -------
    rows : list of (int, dict)
        Line of the file and cells by column, without the blanks around them; blank lines are passed over.

    Raises
    ------
    DataError
        If it cannot be read, is no table in UTF-8, lacks a column or has one twice, or a row has another number
        of cells.
    """
    rows: list[Row] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # -sig: spreadsheets add a byte-order mark
            table = csv.reader(file, strict=True, delimiter=delimiter)
            columns = [cell.strip() for cell in next(table, [])]
            missing = [name for name in needed if name not in columns]
            if missing:
                raise DataError(
                    f"{path} has no column {', '.join(map(repr, missing))}; its columns: {', '.join(columns) or 'none'}"
                )
            twice = sorted({name for name in columns if columns.count(name) > 1})
            if twice:
                raise DataError(f"{path} has the column {quoted(twice[0])} twice")
            for cells in table:
                if not cells:
                    continue  # a blank line
                if len(cells) != len(columns):
                    raise DataError(f"{path} line {table.line_num}: {len(cells)} cells for {len(columns)} columns")
                named = zip(columns, cells, strict=True)
                row = {name: cell if name in keep_blanks else cell.strip() for name, cell in named}
                rows.append((table.line_num, row))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no table in UTF-8: {error}") from error
    return rows


def fold_of(text: str) -> int | None:
    """Return a fold, a whole number from 1 on; None for anything else.

    Examples
    --------
    >>> fold_of("3"), fold_of("0"), fold_of("1.0"), fold_of("²")
    (3, None, None, None)
    """
    sound = text.isascii() and text.isdigit() and len(text) <= FOLD_DIGITS
    return int(text) if sound and int(text) > 0 else None


class FilesOf:
    """The files of one folder that a table names, looked up without asking the disk for each.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            with os.scandir(folder) as entries:
                # A link is looked up the long way: where it leads matters.
                self._plain = {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
        except OSError:
            self._plain = set()  # each file is then told to be missing

    def look_up(self, name: str) -> tuple[str, None] | tuple[None, str]:
        """Return the file's path in the folder, the same for all names of one file; or what is wrong with the name."""
        if name in self._plain:
            return name, None
        called = f"filename {quoted(name)}"
        path = inside(self._folder, name) if name else None
        if path is None:
            return None, f"{called} leads out of {self._folder.name}/"
        try:
            if not path.is_file():
                return None, f"{called} is not in {self._folder.name}/"
            return path.resolve().relative_to(self._folder.resolve()).as_posix(), None
        except OSError as error:
            return None, f"{called} cannot be looked up: {error.strerror or error}"

    def unlisted(self, listed: Collection[str]) -> int:
        """Return how many visible files are not among the listed."""
        return sum(not name.startswith(".") and name not in listed for name in self._plain)


class FolderCheck:
    """Say whether paths stay in a root, looking at each folder on the disk once: a million rows have few.

    Parameters
    ----------
    root : Path
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._inside: dict[str, bool] = {}

    def holds(self, name: str) -> bool:
        """Say whether a path stays in the root: no ``..``, nothing absolute, no folder that is a link out of it.

        A file that is itself a link is looked at when it is read.
        """
        if not name or "\0" in name or name.startswith(("/", "\\")) or ".." in name.split("/"):
            return False
        folder = name.rpartition("/")[0]
        known = self._inside.get(folder)
        if known is None:
            known = self._inside[folder] = inside(self._root, folder) is not None
        return known
