"""Alt texts: what a figure shows, in words and numbers taken from its record."""

import math
from collections.abc import Callable, Iterable, Sequence

from tlprobe.plots.style import number
from tlprobe.records import Record
from tlprobe.reports.sentences.sentence import Row, rows_of
from tlprobe.reports.words import count, joined, plain, share

__all__ = ["alt_of"]

_N_NAMED = 12


def alt_of(record: Record) -> str:
    """Return what the figure of a record shows, for those who cannot see it."""
    describe = _OF.get(record.probe)
    return describe(record) if describe else f"Figure of a {plain(record.probe)} record."


def _listed(parts: Iterable[str]) -> str:
    found = list(parts)
    more = f"; and {len(found) - _N_NAMED} more, see the table" if len(found) > _N_NAMED else ""
    return "; ".join(found[:_N_NAMED]) + more


def _shares(rows: Iterable[Row], names: Sequence[str], field: str = "accuracy") -> str:
    """List the rows with a share, each by its names."""
    there = [row for row in rows if math.isfinite(number(row.get(field)))]
    parts = (
        f"{' '.join(plain(row[name]) for name in names if row.get(name) is not None)} {share(number(row[field]))}"
        for row in there
    )
    return _listed(parts) if there else "nothing, it has no accuracies"


def _cells(record: Record) -> str:
    swept = [row for row in record.rows if row.get("block") is not None]
    if not swept:
        names = ("backbone", "sweep", "start", "features", "data_split")
        return f"Points with error bars, held-out accuracy: {_shares(record.rows, names)}."
    levels = [row for row in record.rows if row.get("block") is None]
    text = f"Lines with error bars, held-out accuracy by block: {_shares(swept, ('sweep', 'shape', 'block'))}."
    return text + (f" Horizontal lines: {_shares(levels, ('sweep',))}." if levels else "")


def _sweep(record: Record) -> str:
    points = [row for row in record.rows if row.get("block") is not None]
    levels = [row for row in record.rows if row.get("treatment") in ("full", "random")]
    text = f"A line with error bars, held-out accuracy by block: {_shares(points, ('block',))}."
    return text + (f" Horizontal lines: {_shares(levels, ('treatment',))}." if levels else "")


def _similarity(record: Record) -> str:
    there = [row for row in record.rows if math.isfinite(number(row.get("value")))]
    mode = plain(record.params.get("mode"))
    if mode == "grid" and there:
        above = [value for row in there if math.isfinite(value := number(row.get("corrected")))]
        values = above or [number(row["value"]) for row in there]
        n = len({row.get("layer") for row in there})
        text = f"Heat map of the similarity{' above its null' if above else ''} of {n} by {count(n, 'layer')}"
        return f"{text}, from {min(values):.2f} to {max(values):.2f}."
    names = ("init", "conv", "epoch", "block")
    parts = (
        f"{' '.join(plain(row[name]) for name in names if row.get(name) is not None)} {number(row['value']):.2f}"
        + (f" (null {number(row['null']):.2f})" if math.isfinite(number(row.get("null"))) else "")
        for row in there
    )
    return f"Lines of similarity by {'epoch' if mode == 'training' else 'block'}: {_listed(parts)}."


def _weights(record: Record) -> str:
    shown = _shares(record.rows, ("init", "epoch", "block"), "relative_l2")
    return f"Lines, how far weights moved by block, relative to their length: {shown}."


def _fit(record: Record) -> str:
    history = [entry for entry in record.params.get("history") or () if isinstance(entry, dict)]
    if not history:
        return "Training curves without an epoch."
    first, last = history[0], history[-1]
    parts = [
        f"{words} from {show(number(first.get(name)))} to {show(number(last.get(name)))}"
        for name, words, show in (
            ("held_out_accuracy", "held-out accuracy", share),
            ("train_accuracy", "training accuracy", share),
            ("held_out_loss", "held-out loss", "{:.2f}".format),
            ("train_loss", "training loss", "{:.2f}".format),
        )
        if math.isfinite(number(first.get(name)) + number(last.get(name)))
    ]
    return f"Lines over {count(len(history), 'epoch')}: {_listed(parts)}."


def _pairs(record: Record) -> str:
    shown = _shares(record.rows, ("init", "fold", "seed"))
    return f"Lines of held-out accuracy by epoch; at the end, by start, fold and seed: {shown}."


def _evaluation(record: Record) -> str:
    confusion = record.arrays.get("confusion")
    if confusion is None:
        return f"Bars, probability of the named class: {_shares(record.rows, ('clip', 'predicted'), 'probability')}."
    n = int(confusion.shape[-1])
    text = f"Confusion matrix of {count(n, 'class', 'classes')}, true classes in rows, predicted ones in columns"
    return f"{text}; {_total(record)}. The classes' numbers are in the table."


def _total(record: Record) -> str:
    accuracy = number(record.rows[0].get("accuracy")) if record.rows else math.nan
    return f"accuracy {share(accuracy)}" if math.isfinite(accuracy) else "no accuracy"


def _ensemble(record: Record) -> str:
    together = _shares(record.rows, ("backbone", "fold"))
    return f"Points with error bars, accuracy of the ensemble: {together}; of a single network on average: " + (
        f"{_shares(record.rows, ('backbone', 'fold'), 'single_mean')}."
    )


def _tune(record: Record) -> str:
    shown = _shares(record.rows, ("number",), "inner_accuracy")
    return f"Points, accuracy of each trial on the inner fold: {shown}."


def _data(record: Record) -> str:
    parts = (f"{plain(row.get('label'))} {number(row.get('n')):.0f}" for row in record.rows)
    return f"The spectrogram of one clip of each class. Clips by class: {_listed(parts)}."


def _faithfulness(record: Record) -> str:
    rows = [row for row in record.rows if row.get("measure") in ("insertion", "deletion")]
    parts = (f"{plain(row['measure'])}, {plain(row.get('ranking'))} {number(row.get('mean')):.3f}" for row in rows)
    return f"Curves of the answer while patches come and go; area under each: {_listed(parts)}."


def _attribute(record: Record) -> str:
    parts = (
        f"{plain(row.get('clip'))}, of {plain(row.get('label'))}, named {plain(row.get('predicted'))}"
        for row in record.rows
    )
    return f"Spectrograms of clips beside maps of what the answer rests on: {_listed(dict.fromkeys(parts))}."


def _transferability(record: Record) -> str:
    scores: dict[str, list[str]] = {}
    for row in rows_of(record, kind="score"):
        value, null = number(row.get("value")), number(row.get("null"))
        if math.isfinite(value):
            beside = f" ({null:.2f} by chance)" if math.isfinite(null) else ""
            name = plain(row.get("score")).replace("_", " ")
            scores.setdefault(name, []).append(f"{plain(row.get('block'))} {value:.2f}{beside}")
    left = ". ".join(f"{name}: {_listed(parts)}" for name, parts in scores.items())
    sweeps = dict.fromkeys(plain(row.get("against")) for row in rows_of(record, kind="treatment"))
    right = f" On the right, accuracies of {joined(sweeps)} against each score, a point a block." if sweeps else ""
    return f"Scores by block, before any fine-tuning. {left or 'There are none'}.{right}"


_OF: dict[str, Callable[[Record], str]] = {
    "cells": _cells,
    "fuse": _sweep,
    "freeze": _sweep,
    "cutoff": _sweep,
    "svcca": _similarity,
    "weight_distance": _weights,
    "fit": _fit,
    "pretrained_vs_random": _pairs,
    "eval": _evaluation,
    "ensemble": _ensemble,
    "tune": _tune,
    "data_info": _data,
    "faithfulness": _faithfulness,
    "attribute": _attribute,
    "transferability": _transferability,
}
