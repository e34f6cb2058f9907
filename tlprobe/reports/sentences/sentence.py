"""A sentence of the summary, and the questions that sentences answer, in the order a reader asks them."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from tlprobe.records import Record
from tlprobe.reports.words import plain

__all__ = ["TOPICS", "Row", "Sentence", "Topic", "data_name", "named_start", "rows_of"]

Row: TypeAlias = Mapping[str, Any]

Topic = Literal["pretraining", "blocks", "freezing", "cutting", "change", "basis", "scores", "data", "care", "missing"]

TOPICS: dict[Topic, str] = {
    "pretraining": "How much did pretraining help?",
    "blocks": "Which blocks carry it?",
    "freezing": "What does freezing cost?",
    "cutting": "What does a cut network keep?",
    "change": "What did training change?",
    "basis": "What do the answers rest on?",
    "scores": "How good are the networks?",
    "data": "What are the data?",
    "care": "What to keep in mind",
    "missing": "Is anything missing?",
}
"""Topic -> its heading."""


class Sentence(NamedTuple):
    """A sentence and the question it answers."""

    topic: Topic
    text: str


def data_name(record: Record) -> str:
    """Return the name of a record's data set, for "on ..."."""
    data = record.provenance.get("data")
    name = data.get("name") if isinstance(data, Mapping) else None
    return plain(name) if name else "its data"


def named_start(start: object) -> str:
    """Return what a network started from.

    >>> named_start("imagenet"), named_start("random"), named_start("audioset.pth")
    ('ImageNet weights', 'random weights', 'the weights audioset.pth')
    """
    known = {"imagenet": "ImageNet weights", "random": "random weights"}
    return known.get(str(start), f"the weights {plain(start)}")


def rows_of(record: Record, **wanted: object) -> list[Row]:
    """Return the rows that have the wanted values."""
    return [row for row in record.rows if all(row.get(name) == value for name, value in wanted.items())]
