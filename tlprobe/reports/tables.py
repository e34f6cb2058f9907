"""Tables of a page: cells with a text to read and a value to sort by."""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tlprobe.plots.style import number
from tlprobe.records import Record
from tlprobe.reports.words import count, joined, plain
from tlprobe.studies.tables import MISSING, cells_table

__all__ = ["Cell", "PageTable", "record_table", "rows_table", "texts_table"]

MOST_ROWS = 200
"""Rows of a table in the page; all of them are in ``record.csv``."""
_LONG = 80  # characters of a cell
_REMARK = 300
_MOST_REMARKS = 8
_HIDDEN = ("array_index", "image_index", "kept_wav", "removed_wav")  # places in files that the page does not have
_REMARKS = "warnings"  # sentences, which would make rows high: they stand below the table
_LEADING = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell: its text, and the number it is sorted by, or None where its text is."""

    text: str
    value: float | None = None


@dataclasses.dataclass(frozen=True)
class PageTable:
    """A table of a page.

    Parameters
    ----------
    caption : str
    header : list of str
    is_number : list of bool
        Of each column.
    rows : list of list of Cell
    notes : list of str
        What is the same in all rows, and what is left out.
    """

    caption: str
    header: list[str]
    is_number: list[bool]
    rows: list[list[Cell]]
    notes: list[str]


def record_table(record: Record, *, caption: str) -> PageTable:
    """Return the table of a record that is read first: of ``cells`` the paper's, else its rows."""
    if record.probe == "cells":
        table = cells_table(record)
        return texts_table(table.header, table.rows, caption=caption, note=table.note)
    return rows_table(record.rows, caption=caption)


def rows_table(rows: Sequence[Mapping[str, Any]], *, caption: str) -> PageTable:
    """Return a table of rows; what is empty, the same in all rows or the same as another column is no column.

    A single row stands upright: a line a value.
    """
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in _HIDDEN]
    columns = {name: [_none_if_empty(row.get(name)) for row in rows] for name in names}
    columns = {name: column for name, column in columns.items() if any(value is not None for value in column)}
    if len(rows) == 1:
        cells = [[Cell(_words(name)), _cell(column[0])] for name, column in columns.items()]
        return PageTable(caption, ["what", "value"], [False, False], cells, [])
    remarks = columns.pop(_REMARKS, [])
    shown, notes = _told_apart(columns, _text)
    notes += _remarks(remarks, rows)
    if len(rows) > MOST_ROWS:
        notes.append(f"The first {MOST_ROWS} of {count(len(rows), 'row')}; record.csv has all of them.")
    is_number = [all(value is None or math.isfinite(number(value)) for value in columns[name]) for name in shown]
    cells = [[_cell(columns[name][k]) for name in shown] for k in range(min(len(rows), MOST_ROWS))]
    return PageTable(caption, [_words(name) for name in shown], is_number, cells, notes)


def texts_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str, note: str) -> PageTable:
    """Return a table of texts; a column of texts that begin with numbers is sorted by these."""
    columns = {name: [row[k] for row in rows] for k, name in enumerate(header)}
    columns = {name: column for name, column in columns.items() if any(text != MISSING for text in column)}
    shown, notes = _told_apart(columns, str)
    numbers = {name: [_LEADING.match(text) for text in columns[name]] for name in shown}
    is_number = [
        all(found or text == MISSING for found, text in zip(numbers[name], columns[name], strict=True))
        for name in shown
    ]
    cells = [
        [
            Cell(plain(columns[name][k], limit=_LONG), float(found.group()) if numeric and found else None)
            for name, numeric in zip(shown, is_number, strict=True)
            for found in (numbers[name][k],)
        ]
        for k in range(min(len(rows), MOST_ROWS))
    ]
    if len(rows) > MOST_ROWS:
        notes.append(f"The first {MOST_ROWS} of {count(len(rows), 'row')}.")
    return PageTable(caption, [plain(name) for name in shown], is_number, cells, [*notes, note])


def _told_apart(columns: Mapping[str, Sequence[Any]], text: Callable[[Any], str]) -> tuple[list[str], list[str]]:
    """Return the columns that tell rows apart, and notes on the others: one value throughout, or another column's."""
    shown: list[str] = []
    notes, same, twins = [], [], []
    for name, column in columns.items():
        twin = next((other for other in shown if _equal(columns[other], column)), None)
        if len(column) > 1 and _equal(column, [column[0]] * len(column)):
            same.append(f"{_words(name)} {plain(text(column[0]), limit=_LONG)}")
        elif twin is not None:
            twins.append(f"{_words(name)} as {_words(twin)}")
        else:
            shown.append(name)
    if same:
        notes.append(f"The same in all rows: {', '.join(same)}.")
    if twins:
        notes.append(f"The same as another column: {', '.join(twins)}.")
    return (shown or list(columns)), notes


def _remarks(remarks: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return each remark once, with how many rows it is about, and of which blocks."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for text, row in zip(remarks, rows, strict=bool(remarks)):
        for part in plain(text, limit=_REMARK).split("; ") if text is not None else ():
            found.setdefault(part.rstrip("."), []).append(row)
    notes = []
    for part, about in list(found.items())[:_MOST_REMARKS]:
        blocks = joined(dict.fromkeys(plain(row["block"]) for row in about if row.get("block") is not None))
        notes.append(f"Noted in {count(len(about), 'row')}{f', of {blocks}' if blocks else ''}: {part}.")
    if len(found) > _MOST_REMARKS:
        notes.append(f"{count(len(found) - _MOST_REMARKS, 'further remark')}: see record.csv.")
    return notes


def _equal(a: Sequence[Any], b: Sequence[Any]) -> bool:
    return all(one == other and type(one) is type(other) for one, other in zip(a, b, strict=True))


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


def _words(name: str) -> str:
    return plain(name).replace("_", " ")


def _cell(value: Any) -> Cell:
    found = number(value)
    return Cell(_text(value), found if math.isfinite(found) else None)


def _text(value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else MISSING
    return plain(value, limit=_LONG)
