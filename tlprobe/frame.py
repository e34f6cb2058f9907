"""Rows of a record as a pandas table with a type a column."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

__all__ = ["frame"]


def frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows of plain values as a table, see `tlprobe.Record.to_pandas`."""
    columns = {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}
    index = range(len(rows))
    return pd.DataFrame({name: pd.Series(found, index, _dtype(found)) for name, found in columns.items()}, index)


def _dtype(column: Sequence[Any]) -> str:
    """Return the pandas type for a column of plain values; None is a missing one."""
    known = [value for value in column if value is not None]
    missing = len(known) < len(column)
    kinds = {type(value) for value in known}
    if kinds == {bool}:
        return "boolean" if missing else "bool"
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in known):
        return "Int64" if missing else "int64"
    if kinds == {float} or kinds == {int, float}:
        return "float64"
    return "string" if kinds == {str} else "object"
