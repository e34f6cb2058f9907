"""What could be told before any fine-tuning: scores of blocks, and whether training ranks the blocks as they do."""

import math
from collections.abc import Sequence

from tlprobe.plots.style import number
from tlprobe.records import Record
from tlprobe.reports.sentences.sentence import Row, Sentence, data_name, named_start, rows_of
from tlprobe.reports.words import count, effect_of, joined, plain, share

__all__ = ["foretold", "probe_steps", "probed", "source_classes"]

_N_NAMED = 6
_EQUAL = 1e-9  # rank correlations are sums of thirds and the like
_SCORES = {"linear_probe": "the linear probe", "logme": "LogME", "h_score": "the H-score"}
_SWEEPS = {"cutoff": "when networks are cut after them", "freeze": "when networks are frozen up to them"}


def probed(record: Record) -> list[Sentence]:
    """Say what a linear probe on each block reaches, and what it reaches by chance, of a ``transferability`` record."""
    rows = _probes(record)
    if not rows:
        return []
    best = max(range(len(rows)), key=lambda k: number(rows[k].get("value")))
    named = rows if len(rows) <= _N_NAMED else [rows[k] for k in sorted({0, best, len(rows) - 1})]
    shares = (f"{plain(row.get('block'))} {share(number(row.get('value')))}{_percents(row)}" for row in named)
    ns = {number(row.get("n")) for row in rows}
    clips = f"{min(ns):.0f} held-out clips" if len(ns) == 1 and min(ns) > 0 else "the held-out clips"
    text = f"Before any fine-tuning, a linear probe on a block's output of {plain(record.params.get('backbone'))} from "
    text += f"{named_start(record.params.get('init'))} names this share of {clips} of {data_name(record)} right: "
    text += joined(shares, n_named=_N_NAMED, limit=200)
    chance = [share(value) for row in rows if math.isfinite(value := number(row.get("null")))]
    if chance:
        text += f"; with permuted labels {min(chance, key=_leading)}"
        text += f" to {max(chance, key=_leading)}" if len(set(chance)) > 1 else ""
    level = [row.get("block") for row in rows if number(row.get("low")) <= number(row.get("null"))]
    text += f". No more than chance is shown on {joined(level)}" if level else ""
    return [Sentence("foretold", f"{text}.")]


def probe_steps(record: Record) -> list[Sentence]:
    """Say with which blocks the linear probe gains over the block before, and with which no more."""
    steps = [(row.get("block"), effect) for row in _probes(record) if (effect := effect_of(row)).is_known]
    verdicts = ((1, "the probe gains with"), (-1, "the probe loses with"), (0, "no difference could be shown with"))
    said = []
    for sign, verdict in verdicts:
        named = [f"{plain(b)} ({e.size() if sign else e.signed()})" for b, e in steps if e.sign == sign]
        said += [f"{verdict} {joined(named, n_named=_N_NAMED, limit=200)}"] if named else []
    if not said:
        return []
    text = f"On the same clips, against the block before, {'; '.join(said)}."
    text += " The p values are not adjusted for the number of blocks." if len(steps) > 1 else ""
    return [Sentence("foretold", text)]


def source_classes(record: Record) -> list[Sentence]:
    """Say what the classes that the network was pretrained on tell of the labels (LEEP)."""
    said = []
    for row in rows_of(record, kind="score", score="leep"):
        value, null, n = (number(row.get(name)) for name in ("value", "null", "n_features"))
        if math.isfinite(value):
            classes = count(int(n), "source class", "source classes") if n > 0 else "source classes"
            text = f"What its {classes} tell of the labels, LEEP, is {value:.2f}{_interval(row)} nats"
            text += f", with permuted labels {null:.2f}" if math.isfinite(null) else ""
            said.append(Sentence("foretold", f"{text}; 0 would be to know them all."))
    return said


def foretold(record: Record) -> list[Sentence]:
    """Say whether training ranks the blocks as their scores do, beside how their mere order does.

    The order's correlation rests on the same accuracies, so a score's interval says nothing of which of the two is the
    better: both numbers are told, and no verdict.
    """
    rows = rows_of(record, kind="correlation", measure="kendall")
    said = []
    for key in dict.fromkeys((str(row.get("against")), str(row.get("sweep"))) for row in rows):
        own = [row for row in rows if (str(row.get("against")), str(row.get("sweep"))) == key]
        n = int(max((number(row.get("n_blocks")) for row in own if number(row.get("n_blocks")) > 0), default=0))
        about = f"{plain(key[0])}, {count(n, 'block')}" if n else plain(key[0])
        what = f"{_SWEEPS.get(key[1], f'in the sweep {plain(key[1])}')} ({about})"
        known = [row for row in own if math.isfinite(number(row.get("value")))]
        if not known:
            said.append(Sentence("foretold", f"How scores rank blocks {what} is not defined: too many are equal."))
            continue
        listed = joined((f"{_tau(row)} for {_name(row)}" for row in known), limit=200)
        text = f"{_direction(known)} {what}: Kendall's \N{GREEK SMALL LETTER TAU} is {listed}"
        order = number(known[0].get("null"))
        if math.isfinite(order):
            text += f". The mere order of the blocks has {order:+.2f}; whether a score does better was not tested"
        said.append(Sentence("foretold", f"{text}."))
        said += _few(n)
    return said


def _probes(record: Record) -> list[Row]:
    """Return the linear probe's rows that have a value, in the order of the blocks."""
    rows = rows_of(record, kind="score", score="linear_probe")
    return [row for row in rows if math.isfinite(number(row.get("value")))]


def _direction(rows: Sequence[Row]) -> str:
    """Say on which side of 0 the correlations lie with their intervals, and of which it is not told."""
    sides: dict[int | None, list[str]] = {}
    for row in rows:
        sides.setdefault(_side(row), []).append(_name(row))
    if sides.keys() >= {1, -1}:
        return "The scores do not agree on which blocks reach more"
    shown = 1 if 1 in sides else -1 if -1 in sides else 0
    if not shown:
        why = "could not be shown" if 0 in sides else "cannot be told without an interval"
        return f"Whether blocks that score higher reach more {why}"
    text = f"Blocks that score higher {'also reach more' if shown > 0 else 'reach less'}"
    others = [name for side, names in sides.items() if side != shown for name in names]
    return f"By {joined(sides[shown])}, though not shown by {joined(others)}, {text.lower()}" if others else text


def _side(row: Row) -> int | None:
    """Return 1 or -1 where the interval lies above or below 0, 0 where it holds or touches 0, None without one."""
    low, high = number(row.get("low")), number(row.get("high"))
    if not math.isfinite(low + high):
        return None
    return 1 if low > _EQUAL else -1 if high < -_EQUAL else 0


def _few(n: int) -> list[Sentence]:
    """Say how little so few blocks can show: a permutation test over them has 2 / n! as its least p value."""
    if not 1 < n < 8:
        return []
    least = f"{min(1.0, 2 / math.factorial(n)):.2g}"
    text = (
        f"Of rank correlations over {n} blocks no p value can be below {least}, and their intervals are of the noise "
    )
    text += "of scores and accuracies: they describe these blocks and test nothing beyond them."
    return [Sentence("foretold", text, rank=1)]


def _tau(row: Row) -> str:
    low, high = number(row.get("low")), number(row.get("high"))
    ends = f"[{low:+.2f} to {high:+.2f}]" if math.isfinite(low + high) else "(no interval)"
    return f"{number(row.get('value')):+.2f} {ends}"


def _name(row: Row) -> str:
    return _SCORES.get(str(row.get("score")), plain(row.get("score")))


def _interval(row: Row) -> str:
    low, high = number(row.get("low")), number(row.get("high"))
    return f" [{low:.2f} to {high:.2f}]" if math.isfinite(low + high) else ""


def _percents(row: Row) -> str:
    low, high = number(row.get("low")), number(row.get("high"))
    return f" [{100 * low:.1f} to {100 * high:.1f}]" if math.isfinite(low + high) else ""


def _leading(text: str) -> float:
    return float(text.split()[0])
