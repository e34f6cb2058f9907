"""What captions are made of: what a panel says, and rows by what tells them apart."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tlprobe.plots.captions.phrases import named, networks
from tlprobe.plots.style import init_label, number
from tlprobe.records import Record

__all__ = ["INTERVALS", "Row", "Said", "apart", "basis_of", "each_of", "intervals_of", "known"]

INTERVALS = "95 % intervals"
_NO_SEEDS = "; how trainings with other seeds differ is not in them"

Row = Mapping[str, Any]


class Said(NamedTuple):
    """What a panel shows, its numbers, what they rest on, and what its bars and brackets hold."""

    shows: str
    numbers: str
    basis: str
    intervals: str = ""
    has_bars: bool = False


def intervals_of(record: Record, *, always: str = "") -> str:
    """Return what the intervals of accuracies are, as far as a record says it.

    Parameters
    ----------
    record : Record
        ``params["intervals"]`` says how they were made. Of records without it, some hold Wilson's over clips, and
        others those over source recordings, so that nothing is said.
    always : str
        How they are made in all records of its kind.

    Examples
    --------
    >>> intervals_of(Record("fit", {"intervals": "bootstrap over source recordings"}, [], {}))
    '95 % intervals (bootstrap over source recordings); how trainings with other seeds differ is not in them'
    """
    made = named([record.params.get("intervals") or always or None])
    return INTERVALS + (f" ({made})" if made else "") + _NO_SEEDS


def apart(rows: Sequence[Row], names: Sequence[str]) -> list[tuple[str, list[Row]]]:
    """Return rows by their values of some columns, each with what tells it from the others in front."""
    differ = [name for name in names if len({str(row.get(name)) for row in rows}) > 1]
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(str(row.get(name)) for name in differ), []).append(row)
    return [(_label(dict(zip(differ, key, strict=True))), own) for key, own in found.items()]


def _label(values: Mapping[str, str]) -> str:
    words: dict[str, Callable[[str], str]] = {
        "partition": _parts,
        "rest": lambda value: f"rest {value}",
        "fold": lambda value: f"fold {value}",
        "start": init_label,
    }
    said = (words.get(name, str)(value) for name, value in values.items() if value != "None")
    return "".join(f"{named([word])} " for word in said)


def _parts(partition: str) -> str:
    """Name a partition so that no other is named alike.

    >>> _parts("params/4")
    '4 parts equal by params'
    """
    by, _, n = partition.partition("/")
    return f"{n} parts equal by {by}".lstrip()


def each_of(rows: Iterable[Row], field: str) -> list[Any]:
    """Return each value of a column once, in order."""
    return list(dict.fromkeys(row.get(field) for row in rows))


def basis_of(rows: Sequence[Row], about: str) -> str:
    """Return what numbers rest on: the networks, and what else is known."""
    return ", ".join(filter(None, [networks(rows), about]))


def known(row: Row) -> bool:
    """Say whether a row has an accuracy."""
    return math.isfinite(number(row.get("accuracy")))
