"""A sentence of the summary, and the questions that sentences answer, in the order a reader asks them."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from tlprobe.plots.style import number
from tlprobe.records import Record
from tlprobe.reports.words import count, joined, plain

__all__ = [
    "TOPICS",
    "Row",
    "Sentence",
    "Topic",
    "after_epochs",
    "data_name",
    "held_out",
    "named_start",
    "part_of_folds",
    "rows_of",
]

Row: TypeAlias = Mapping[str, Any]

Topic = Literal[
    "pretraining", "blocks", "freezing", "cutting", "foretold", "change", "basis", "scores", "data", "care", "missing"
]

TOPICS: dict[Topic, str] = {
    "pretraining": "How much did pretraining help?",
    "blocks": "Which blocks carry it?",
    "freezing": "What does freezing cost?",
    "cutting": "What does a cut network keep?",
    "foretold": "What could be told before any training?",
    "change": "What did training change?",
    "basis": "What do the answers rest on?",
    "scores": "How good are the networks?",
    "data": "What are the data?",
    "care": "What to keep in mind",
    "missing": "Is anything missing?",
}
"""Topic -> its heading."""


class Sentence(NamedTuple):
    """A sentence and the question it answers; of the answers to one, those of the lowest rank are read first."""

    topic: Topic
    text: str
    rank: int = 0


def data_name(record: Record) -> str:
    """Return the name of a record's data set, for "on ..."."""
    data = record.provenance.get("data")
    name = data.get("name") if isinstance(data, Mapping) else None
    return plain(name) if name else "its data"


def part_of_folds(record: Record) -> list[str]:
    """Return the folds that a record is about, where they are not all of its data set; else none."""
    data = record.provenance.get("data")
    n_folds = number(data.get("n_folds")) if isinstance(data, Mapping) else 0
    given = record.params.get("folds", record.params.get("fold"))
    listed = sorted({str(fold) for fold in (given if isinstance(given, list) else [given]) if fold is not None})
    return listed if record.probe != "data_info" and len(listed) < n_folds else []


def held_out(record: Record) -> str:
    """Return "held-out clips", with the folds where they are not all."""
    folds = part_of_folds(record)
    return f"held-out clips of {'fold' if len(folds) == 1 else 'folds'} {joined(folds)}" if folds else "held-out clips"


def after_epochs(record: Record) -> str:
    """Return how long the networks of a record were trained, with a space in front; empty where it is not known."""
    recipe = record.params.get("recipe")
    epochs = number(recipe.get("epochs")) if isinstance(recipe, Mapping) else 0
    return f" after {count(int(epochs), 'epoch')}" if epochs > 0 else ""


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
