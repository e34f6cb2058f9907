"""What the numbers rest on: the data, leaks, skipped files, parts of folds, single seeds, missing points."""

from collections.abc import Mapping
from typing import Any

from tlprobe.plots.style import number
from tlprobe.records import Record
from tlprobe.reports.sentences.sentence import Sentence, data_name, held_out, part_of_folds
from tlprobe.reports.words import count, joined, plain

__all__ = ["data_set", "folds", "leaks", "points", "seeds", "skipped"]


def leaks(record: Record) -> list[Sentence]:
    """Say how many held-out clips share a sound with the training part."""
    n = number(_data(record).get("n_leaked", record.params.get("n_leaked")))
    if record.probe == "fit":
        n = max((number(row.get("n_leaked")) for row in record.rows), default=n)
    whose = f"the {held_out(record)} of {data_name(record)}"
    if n > 0:
        text = f"{int(n)} of {whose} share{'s' if n == 1 else ''} a sound with the training part, so the accuracies "
        return [Sentence("care", f"{text}may be a little too high.")]
    if n == 0:
        return [Sentence("care", f"None of {whose} shares a sound with the training part.")]
    return []


def skipped(record: Record) -> list[Sentence]:
    """Say how many recordings were left out because they cannot be used."""
    n = number(_data(record).get("n_skipped"))
    if not n > 0:
        return []
    return [
        Sentence("care", f"{count(int(n), 'recording')} of {data_name(record)} could not be used and were left out.")
    ]


def folds(record: Record) -> list[Sentence]:
    """Say where the numbers are of a part of the folds only."""
    listed, n_folds = part_of_folds(record), number(_data(record).get("n_folds"))
    if not listed:
        return []
    text = f"{'Fold' if len(listed) == 1 else 'Folds'} {joined(listed)} of {n_folds:.0f} only: a part of the folds, so "
    return [Sentence("care", f"{text}not the score of {data_name(record)}.")]


def seeds(record: Record) -> list[Sentence]:
    """Say where intervals know nothing of how trainings differ."""
    given = record.params.get("seeds")
    if record.probe != "cells" or not isinstance(given, list) or len(given) != 1:
        return []
    text = "Each network was trained with one seed: how much another seed would change is in none of the intervals."
    return [Sentence("care", text)]


def data_set(record: Record) -> list[Sentence]:
    """Say what is in a data set and what is out of the ordinary, of a ``data_info`` record."""
    params = record.params
    n, n_classes = number(params.get("n")), number(params.get("n_classes"))
    if not n > 0 or not n_classes > 0:
        return []
    name = plain(params.get("name"))
    text = f"{name} has {count(int(n), 'clip')} of {count(int(n_classes), 'class', 'classes')}"
    shares = [number(row.get("n")) for row in record.rows if number(row.get("n")) > 0]
    if shares:
        same = min(shares) == max(shares)
        text += f", {shares[0]:.0f} each" if same else f", {min(shares):.0f} to {max(shares):.0f} a class"
    if number(params.get("n_groups")) > 0:
        text += f", from {count(int(params['n_groups']), 'source recording')}"
    said = [Sentence("data", f"{text}.")]
    unusable = number(params.get("n_unusable"))
    if unusable > 0:
        said.append(Sentence("data", f"{count(int(unusable), 'file')} of {name} cannot be used."))
    elif unusable == 0:
        said.append(Sentence("data", f"All files of {name} can be decoded."))
    spread = number(params.get("n_groups_in_several_folds"))
    if spread > 0:
        said.append(
            Sentence("data", f"{count(int(spread), 'source recording')} of {name} have clips in several folds.")
        )
    for found, one, many, none in (
        ("leaks", "lies in several folds", "lie in several folds", f"No sound of {name} lies in several folds"),
        ("copies", "is in it more than once", "are in it more than once", f"No two clips of {name} are one sound"),
    ):
        sounds = params.get(found)
        if isinstance(sounds, list):  # None: not looked for
            some = f"{count(len(sounds), 'sound')} of {name} {one if len(sounds) == 1 else many}"
            said.append(Sentence("data", f"{some if sounds else none}."))
    noted = params.get("noted")
    if isinstance(noted, Mapping) and noted:
        listed = joined(f"{len(files)} {plain(note)}" for note, files in noted.items() if isinstance(files, list))
        said.append(Sentence("data", f"Noted among the files of {name}: {listed}."))
    return said


def points(record: Record) -> list[Sentence]:
    """Say how many points of a study are there, missing and failed, with the reasons."""
    by_status: dict[str, list[Mapping[str, Any]]] = {}
    for row in record.rows:
        by_status.setdefault(str(row.get("status")), []).append(row)
    n = len(record.rows)
    there = len(by_status.pop("finished", []))
    if there == n:
        text = f"All {n} points of the study are finished." if n > 1 else "The one point of the study is finished."
        return [Sentence("missing", text)] if n else []
    said = [Sentence("missing", f"{there} of {count(n, 'point')} of the study are finished.")]
    for status, rows in sorted(by_status.items()):
        reasons = joined(dict.fromkeys(plain(row["reason"], limit=120) for row in rows if row.get("reason")), n_named=3)
        text = f"{count(len(rows), 'point')} of the study {'is' if len(rows) == 1 else 'are'} {plain(status)}"
        said.append(Sentence("missing", f"{text}{f': {reasons}' if reasons else ''}."))
    return said


def _data(record: Record) -> Mapping[str, Any]:
    data = record.provenance.get("data")
    return data if isinstance(data, Mapping) else {}
