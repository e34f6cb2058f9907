"""Where a network errs: its confusion matrix, from an evaluation or a run's predictions, and its worst classes."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tlprobe.errors import DataError
from tlprobe.manifest import read_verified
from tlprobe.numerics.intervals import wilson_interval
from tlprobe.records import Record
from tlprobe.reports.sources import Source
from tlprobe.reports.tables import Cell, PageTable
from tlprobe.reports.words import NAME_LIMIT, joined, plain, share
from tlprobe.train.predictions import Predictions

__all__ = ["Confusion", "class_table", "confusion_of", "worst_classes"]

_PREDICTIONS = "predictions.csv"
_N_WORST = 3


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Counts of true against predicted classes.

    Parameters
    ----------
    classes : list of str
    counts : np.ndarray [shape=(n_classes, n_classes), int64]
        True classes in rows.
    """

    classes: list[str]
    counts: npt.NDArray[np.int64]

    def record(self, like: Record) -> Record:
        """Return it as a record that `tlprobe.plots` draws, with the score of another."""
        arrays = {"confusion": self.counts[None].astype(np.float32)}
        return Record("eval", {"classes": self.classes}, like.rows[:1], {}, arrays)


def confusion_of(source: Source) -> Confusion | None:
    """Return the confusion of an ``eval`` record, or of the predictions beside a ``fit`` record; None without any.

    Raises
    ------
    CheckpointError
        If the predictions of a run are damaged.
    DataError
        If the numbers do not fit the classes.
    """
    record = source.record
    listed = record.params.get("classes")  # of other probes it may be their number
    classes = [plain(name) for name in listed] if isinstance(listed, list) else []
    if record.probe == "eval" and "confusion" in record.arrays:
        given_counts = np.asarray(record.arrays["confusion"], dtype=np.float64)
        if given_counts.size != len(classes) ** 2 or not np.isfinite(given_counts).all():
            raise DataError(
                f"{source.name}: its confusion of shape {given_counts.shape} is not one of {len(classes)} classes"
            )
        return Confusion(classes, given_counts.reshape(len(classes), len(classes)).round().astype(np.int64))
    if record.probe != "fit" or not (source.folder / _PREDICTIONS).is_file():
        return None
    read_verified(source.folder, _PREDICTIONS)
    own = Record.load(source.folder)  # its class names as they are: the table's header has them so
    given = tuple(own.params.get("classes") or ())
    found = Predictions.read(source.folder / _PREDICTIONS, classes=given)
    place = {name: index for index, name in enumerate(given)}
    if unknown := set(found.labels) - set(given):
        raise DataError(f"{source.name}: {_PREDICTIONS} has a class that the run does not know: {plain(min(unknown))}")
    counts = np.zeros((len(given), len(given)), np.int64)
    for label, said in zip(found.labels, found.predicted, strict=True):
        counts[place[label], place[said]] += 1
    return Confusion(classes, counts)


def class_table(confusion: Confusion) -> PageTable:
    """Return a row a class, the worst first."""
    rows = []
    for index in _worst_first(confusion):
        counts, n = confusion.counts[index], int(confusion.counts[index].sum())
        right = int(counts[index])
        low, high = wilson_interval(right, n)
        taken = counts.copy()
        taken[index] = 0
        other = int(taken.argmax())
        wrong = f"{confusion.classes[other]} ({taken[other]})" if taken[other] else "\N{EM DASH}"
        interval = f"{share(right / n)} [{100 * low:.0f} to {100 * high:.0f}]"
        cells = (Cell(str(n), n), Cell(str(right), right), Cell(interval, right / n), Cell(wrong))
        rows.append([Cell(plain(confusion.classes[index], limit=NAME_LIMIT)), *cells])
    header = ["true class", "clips", "named right", "share", "most often taken for"]
    note = "Brackets hold 95 % Wilson intervals, each clip counted by itself: with few clips a class they are wide."
    caption = f"Classes, the worst first: {joined(worst_classes(confusion))}".rstrip(": ")
    return PageTable(caption, header, [False, True, True, True, False], rows, [note])


def worst_classes(confusion: Confusion) -> Sequence[str]:
    """Return the few worst classes with their counts, for a sentence; none where every clip is named right."""
    worst = [
        index for index in _worst_first(confusion) if confusion.counts[index].sum() > confusion.counts[index, index]
    ]
    return [
        f"{plain(confusion.classes[i])} ({confusion.counts[i, i]} of {confusion.counts[i].sum()})"
        for i in worst[:_N_WORST]
    ]


def _worst_first(confusion: Confusion) -> list[int]:
    """Return the classes that have clips, by the share that is named right, then in their order."""
    totals = confusion.counts.sum(axis=1)
    there = [index for index in range(len(confusion.classes)) if totals[index]]
    return sorted(there, key=lambda index: (confusion.counts[index, index] / totals[index], index))
