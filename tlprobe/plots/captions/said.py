"""What captions are made of: what a panel says, and rows by what tells them apart."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tlprobe.plots.captions.phrases import named, networks
from tlprobe.plots.style import init_label, number
from tlprobe.plots.sweep import SHAPE_WORDS, X_LABELS

__all__ = ["OVER_RECORDINGS", "Row", "Said", "apart", "basis_of", "each_of", "known"]

OVER_RECORDINGS = "over source recordings; how trainings with other seeds differ is not in them"
"""What the interval of an accuracy is over."""

Row = Mapping[str, Any]


class Said(NamedTuple):
    """What a panel shows, its numbers, what they rest on, and what their intervals are over."""

    shows: str
    numbers: str
    basis: str
    over: str = ""
    has_bars: bool = False


def apart(rows: Sequence[Row], names: Sequence[str]) -> list[tuple[str, list[Row]]]:
    """Return rows by their values of some columns, each with what tells it from the others in front."""
    differ = [name for name in names if len({str(row.get(name)) for row in rows}) > 1]
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(str(row.get(name)) for name in differ), []).append(row)
    return [(_label(dict(zip(differ, key, strict=True))), own) for key, own in found.items()]


def _label(values: Mapping[str, str]) -> str:
    words: dict[str, Callable[[str], str]] = {
        "shape": lambda value: SHAPE_WORDS.get(value, value).removesuffix(":"),
        "sweep": lambda value: X_LABELS.get(value, value),
        "fold": lambda value: f"fold {value}",
        "start": init_label,
    }
    said = (words.get(name, str)(value) for name, value in values.items() if value != "None")
    return "".join(f"{named([word])} " for word in said)


def each_of(rows: Iterable[Row], field: str) -> list[Any]:
    """Return each value of a column once, in order."""
    return list(dict.fromkeys(row.get(field) for row in rows))


def basis_of(rows: Sequence[Row], about: str) -> str:
    """Return what numbers rest on: the networks, and what else is known."""
    return ", ".join(filter(None, [networks(rows), about]))


def known(row: Row) -> bool:
    """Say whether a row has an accuracy."""
    return math.isfinite(number(row.get("accuracy")))
