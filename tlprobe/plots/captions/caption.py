"""The caption of a figure: for each panel what it shows, its numbers with intervals, and what they rest on.

All of it comes from the records, as plain text; `tlprobe.plots.latex` makes LaTeX of it.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from string import ascii_lowercase
from typing import Any

from tlprobe.display import count, plain
from tlprobe.plots.captions import accuracies, measures
from tlprobe.plots.captions.phrases import named
from tlprobe.plots.captions.said import Said
from tlprobe.plots.series import series_of
from tlprobe.plots.similarity import rows_of
from tlprobe.plots.svcca import MOST_CURVES
from tlprobe.records import Record

__all__ = ["caption_of"]

_OF = {
    "fuse": accuracies.sweep,
    "freeze": accuracies.sweep,
    "cutoff": accuracies.sweep,
    "cells": accuracies.cells,
    "svcca": measures.similarity,
    "weight_distance": measures.weights,
    "fit": accuracies.training,
    "pretrained_vs_random": accuracies.pairs,
    "eval": accuracies.evaluation,
    "ensemble": accuracies.ensemble,
    "tune": accuracies.search,
    "data_info": measures.data_set,
    "faithfulness": measures.faithfulness,
    "transferability": measures.scores,
    "attribute": measures.maps,
}


_BELOW = {"fit": "below: the loss", "weight_distance": "below: the shift of batch-norm statistics"}
"""What a record's figure shows beside its panel, where it is the only one."""


def caption_of(records: Sequence[Record]) -> str:
    """Return the caption of a figure of some records, as plain text on one line.

    Parameters
    ----------
    records : sequence of Record
        Panels a, b, c, ... in this order; one has no letter.

    Examples
    --------
    >>> rows = [{"block": "stem", "treatment": "freeze", "accuracy": 0.8, "ci_low": 0.76, "ci_high": 0.84, "n": 400}]
    >>> caption_of([Record("freeze", {}, rows, {"data": {"name": "esc50"}})])  # doctest: +ELLIPSIS
    'Held-out accuracy, frozen up to: stem 80.0 % [76.0 to 84.0] (n = 400 clips). Bars and brackets hold 95 % ...'
    """
    said = [_OF[record.probe](_drawn(record, alone=len(records) == 1)) for record in records]
    data = [_data(record) for record in records]
    same = len(set(data)) == 1
    letters = [f"({ascii_lowercase[k % 26]}) " if len(records) > 1 else "" for k in range(len(records))]
    parts = []
    for record, letter, one, whose in zip(records, letters, said, data, strict=True):
        below = _BELOW.get(record.probe) if len(records) == 1 else ""
        basis = ", ".join(filter(None, [one.basis, "" if same else whose, below]))
        parts.append(f"{letter}{one.shows}: {one.numbers or 'no values'}{f' ({basis})' if basis else ''}.")
    parts += _intervals(letters, said)
    if same and data[0]:
        parts.append(f"Data: {data[0]}.")
    text = " ".join(parts).replace(r"\$", "$")  # as names are written for matplotlib
    return plain(text, limit=len(text))


def _drawn(record: Record, *, alone: bool) -> Record:
    """Return a record without what its panel leaves out for want of room."""
    if record.probe != "svcca" or (alone and record.params.get("mode") not in ("grid", "training")):
        return record
    rows = rows_of(record)
    measures = list(dict.fromkeys(row.get("measure") for row in rows))
    if record.params.get("mode") in ("change", "against") and len(series_of(rows)) * len(measures) > MOST_CURVES:
        rows = [row for row in rows if row.get("measure") == measures[0]]
    return dataclasses.replace(record, rows=rows)


def _intervals(letters: Sequence[str], said: Sequence[Said]) -> Iterable[str]:
    """Say once what each kind of interval is over, and where it is, unless it is everywhere."""
    where_of: dict[tuple[str, str], list[str]] = {}
    for letter, one in zip(letters, said, strict=True):
        held = [*["bars"] * one.has_bars, *["brackets"] * ("[" in one.numbers)]
        if held and one.intervals:
            where_of.setdefault((" and ".join(held), one.intervals), []).append(letter.strip())
    for (what, intervals), where in where_of.items():
        place = "" if len(where) == len(said) else f" in {', '.join(where)}"
        yield f"{what.capitalize()}{place} hold {intervals}."


def _data(record: Record) -> str:
    data: object = record.provenance.get("data")
    if not isinstance(data, Mapping):
        return ""
    about: Mapping[str, Any] = data
    n = about.get("n_clips")
    name = named([about.get("name")])
    return name + (f" ({count(n, 'clip')})" if name and isinstance(n, int) else "")
