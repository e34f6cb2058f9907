"""What one sweep says: records of ``tlprobe fuse``, ``freeze`` and ``cutoff``, and pairs of trainings.

A sweep's record has, as a study's cells do, each point's difference to the fully fine-tuned network on the same clips:
the sentences on cells tell both. A record without these columns has accuracies with intervals alone, and then what is
told is whether they lie apart. That is stricter: a paired test can show a difference where intervals overlap.
"""

import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence

from tlprobe.plots.style import number
from tlprobe.records import Record
from tlprobe.reports.sentences import levels, steps
from tlprobe.reports.sentences.sentence import Row, Sentence, Topic, after_epochs, data_name, named_start
from tlprobe.reports.words import count, effect_of, percent_of, plain, points

__all__ = ["pairs", "sweep"]

_PHRASES: dict[str, tuple[Topic, str]] = {
    "fuse": ("blocks", "With pretrained weights in some blocks"),
    "freeze": ("freezing", "With some blocks frozen"),
    "cutoff": ("cutting", "Cut after a block"),
}
_STEPS: dict[str, Callable[[Record], list[Sentence]]] = {
    "fuse": steps.fuse,
    "freeze": steps.freeze,
    "cutoff": steps.cutoff,
}
_PLACES = {"prefix": "up to {}", "suffix": "from {} on", "single": "{} alone", "except": "all but {}"}


def sweep(record: Record) -> list[Sentence]:
    """Say how the fully fine-tuned network compares with the random one, and each point of the sweep with it."""
    full, random = (_one(record, treatment=name) for name in ("full", "random"))
    swept = [row for row in record.rows if row.get("block") is not None and _has_accuracy(row)]
    cells = _as_cells(record, full, random, swept)
    said = []
    if full and random:
        said += levels.gain(cells) if effect_of(random).is_known else _gain_by_intervals(full, random, record)
    if full is None or len({str(row.get("block")) for row in swept}) < len(swept):
        return said  # several folds or seeds: their points have no common interval here
    if any(effect_of(row).is_known for row in swept):
        return said + _STEPS[record.probe](cells)
    return said + _points_by_intervals([row for row in swept if row.get("treatment") == record.probe], full, record)


def _as_cells(record: Record, full: Row | None, random: Row | None, swept: Sequence[Row]) -> Record:
    """Return a sweep in the columns of a study's cells, its levels beside its points."""
    start = (full or {}).get("init")
    rows = [{**row, "sweep": record.probe, "start": start} for row in swept]
    for name, level in (("full", full), ("random", random)):
        if level is not None:
            # A level is compared once, whatever is swept: its p is the unadjusted one, the same beside every sweep.
            rows.append({**level, "sweep": name, "start": start, "block": None, "shape": None, "p_holm": None})
    return dataclasses.replace(record, rows=rows)


def _gain_by_intervals(full: Row, random: Row, record: Record) -> list[Sentence]:
    text = f"On {data_name(record)}, {plain(full.get('backbone'))} from {named_start(full.get('init'))} names "
    text += f"{percent_of(full)} of the held-out clips right, from random weights {percent_of(random)}: "
    return [Sentence("pretraining", f"{text}{_beside(full, random)}.")]


def _points_by_intervals(swept: Sequence[Row], full: Row, record: Record) -> list[Sentence]:
    """Say which points' intervals lie apart from the whole network's, and which ones' do not."""
    topic, phrase = _PHRASES[record.probe]
    place = "after {}" if record.probe == "cutoff" else _PLACES.get(str(record.params.get("shape")), "up to {}")
    verdicts = (
        ("is different, the intervals lie apart", _apart),
        ("has no difference that could be shown, the intervals overlap", _overlap),
    )
    said = []
    for verdict, test in verdicts:
        rows = [row for row in swept if test(row, full)]
        if rows:
            listed = "; ".join(f"{place.format(plain(row.get('block')))} {percent_of(row)}" for row in rows)
            text = f"{phrase}, the network {verdict}, against the whole one's {percent_of(full)}: {listed}."
            said.append(Sentence(topic, text))
    return said


def pairs(record: Record) -> list[Sentence]:
    """Say in how many pairs of trainings the pretrained one is ahead, of a ``pretrained_vs_random`` record."""
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for row in record.rows:
        key = tuple(str(row.get(name)) for name in ("backbone", "fold", "seed"))
        found.setdefault(key, {})[str(row.get("treatment"))] = number(row.get("accuracy"))
    gains = [pair["full"] - pair["random"] for pair in found.values() if pair.keys() >= {"full", "random"}]
    gains = [value for value in gains if math.isfinite(value)]
    if not gains:
        return []
    n_ahead = sum(value > 0 for value in gains)
    spread = f", from {points(min(gains))} to {points(max(gains))}" if len(gains) > 1 else ""
    text = f"On {data_name(record)}, the pretrained network is ahead{after_epochs(record)} in {n_ahead} of "
    text += f"{count(len(gains), 'pair')} of trainings (one fold and seed each), on average by "
    text += f"{points(statistics.fmean(gains))}{spread}; folds share training clips, so this average has no interval."
    return [Sentence("pretraining", text, rank=1)]


def _one(record: Record, **wanted: object) -> Row | None:
    """Return the one row with an accuracy that has these values; None of several different ones."""
    rows = [row for row in record.rows if all(row.get(n) == v for n, v in wanted.items()) and _has_accuracy(row)]
    same = {tuple(str(row.get(name)) for name in ("backbone", "fold", "seed", "accuracy")) for row in rows}
    return rows[0] if len(same) == 1 else None


def _has_accuracy(row: Row) -> bool:
    return math.isfinite(number(row.get("accuracy")))


def _apart(a: Row, b: Row) -> bool:
    return number(a.get("ci_high")) < number(b.get("ci_low")) or number(b.get("ci_high")) < number(a.get("ci_low"))


def _overlap(a: Row, b: Row) -> bool:
    ends = [number(row.get(name)) for row in (a, b) for name in ("ci_low", "ci_high")]
    return all(map(math.isfinite, ends)) and not _apart(a, b)


def _beside(full: Row, random: Row) -> str:
    gain = number(full.get("accuracy")) - number(random.get("accuracy"))
    if _apart(full, random):
        return f"{points(gain)}, and the intervals lie apart"
    return f"{points(gain)}, but the intervals overlap, so no difference could be shown from these alone"
