"""Which blocks carry pretraining, what freezing costs, what a cut keeps: the sweeps of ``cells`` records, or one alone.

Each point has its difference to the fully fine-tuned network on the same clips. In every family the points are
walked from the one nearest to that network to the farthest.
"""

import itertools
import math
from collections.abc import Sequence

from tlprobe.plots.style import number
from tlprobe.records import Record
from tlprobe.reports.sentences.sentence import Row, Sentence, Topic
from tlprobe.reports.words import effect_of, joined, percent_of, plain, share

__all__ = ["cutoff", "freeze", "fuse"]

_FAMILY = ("backbone", "start", "features", "data_split", "rest", "partition", "shape")


def fuse(record: Record) -> list[Sentence]:
    """Say which blocks' pretrained weights the accuracy rests on."""
    said = []
    for points in _families(record, "fuse"):
        about = _about(points[0], record)
        shape = points[0].get("shape")
        if shape in ("prefix", "suffix"):
            said += _until_enough(points, about)
            said += _largest_step(points, about)
        elif shape == "except":
            said += _missed(points, about, phrase="without the pretrained weights of {}", topic="blocks")
        elif shape == "single":
            said += _alone(points, record, about)
    return said


def freeze(record: Record) -> list[Sentence]:
    """Say what leaving blocks untrained costs."""
    said = []
    for points in _families(record, "freeze"):
        about = _about(points[0], record)
        if points[0].get("shape") in ("prefix", "suffix"):
            said += _frozen(points, about)
        else:
            phrase = "with all blocks but {} frozen" if points[0].get("shape") == "except" else "with {} frozen"
            said += _missed(points, about, phrase=phrase, topic="freezing")
    return said


def cutoff(record: Record) -> list[Sentence]:
    """Say how much of the accuracy a shorter network keeps."""
    said = []
    for points in _families(record, "cutoff"):
        full = _level("full", points[0], record)
        whole = number(full.get("accuracy")) if full else math.nan
        cut = [row for row in reversed(points) if effect_of(row).is_known]
        if not cut or not whole > 0:
            continue
        nearest, effect = cut[0], effect_of(cut[0])
        text = f"Cut after {plain(nearest.get('block'))}, {_about(nearest, record)} names {percent_of(nearest)} right: "
        text += f"it loses {effect.size()}" if effect.sign < 0 else ""
        text += f"it gains {effect.size()}" if effect.sign > 0 else ""
        text += f"no difference to the whole network could be shown, {effect.signed()}" if not effect.sign else ""
        said.append(Sentence("cutting", f"{text}."))
        kept = [f"{share(number(row['accuracy']) / whole)} after {plain(row.get('block'))}" for row in cut]
        said.append(Sentence("cutting", f"Of the whole network's accuracy, a cut keeps {joined(kept)}."))
    return said


def _families(record: Record, sweep: str) -> list[list[Row]]:
    """Return the points of each curve of a sweep that have an accuracy, in the record's order."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in record.rows:
        if row.get("sweep") == sweep and row.get("block") is not None and math.isfinite(number(row.get("accuracy"))):
            found.setdefault(tuple(str(row.get(name)) for name in _FAMILY), []).append(row)
    return list(found.values())


def _level(sweep: str, like: Row, record: Record) -> Row | None:
    names = ("backbone", "start", "features", "data_split")
    for row in record.rows:
        if row.get("sweep") == sweep and row.get("block") is None and all(row.get(n) == like.get(n) for n in names):
            return row
    return None


def _about(row: Row, record: Record) -> str:
    """Name the network of a curve, with what tells it from the others of the record."""
    several = [n for n in ("start", "features", "data_split") if len({str(r.get(n)) for r in record.rows}) > 1]
    about = [plain(row.get(name)) for name in several]
    if row.get("rest") not in (None, "random", "trained"):
        about.append(f"rest {plain(row.get('rest'))}")
    if row.get("partition") is not None:
        about.append(f"parts equal by {plain(row.get('partition')).partition('/')[0]}")
    return plain(row.get("backbone")) + (f" ({', '.join(about)})" if about else "")


def _place(row: Row) -> str:
    """Return the blocks that a point of a curve is about."""
    block = plain(row.get("block"))
    return f"from {block} on" if row.get("shape") == "suffix" else f"up to {block}"


def _nearest_first(points: Sequence[Row], *, whole_last: bool) -> list[Row]:
    """Return the points with a difference to the whole network, the one nearest to it first."""
    there = [row for row in points if row.get("block") != "none" and effect_of(row).is_known]
    forward = whole_last == (points[0].get("shape") == "suffix")
    return there if forward else there[::-1]


def _until_enough(points: Sequence[Row], about: str) -> list[Sentence]:
    """Say the fewest pretrained blocks from which on no difference to all of them is shown."""
    order = _nearest_first(points, whole_last=True)
    if not order:
        return []
    enough = None
    for row in order:
        if effect_of(row).sign < 0:
            break
        enough = row
    if enough is None:
        nearest = order[0]
        text = f"Pretrained only {_place(nearest)}, {about} is worse than pretrained everywhere by "
        return [Sentence("blocks", f"{text}{effect_of(nearest).size()}: the other blocks carry something too.")]
    text = f"For {about}, pretrained weights {_place(enough)} are enough as far as can be told: no loss against "
    return [Sentence("blocks", f"{text}pretrained weights everywhere could be shown, {effect_of(enough).signed()}.")]


def _largest_step(points: Sequence[Row], about: str) -> list[Sentence]:
    """Say with which block the accuracy rises most, and which point lies below the random start."""
    forward = points[0].get("shape") == "prefix"
    order = list(points) if forward else list(points)[::-1]
    if len(order) < 2:
        return []
    walk = f"Pretrained block by block from the {'first to the last' if forward else 'last to the first'}"
    steps = [
        (number(after.get("accuracy")) - number(before.get("accuracy")), before, after)
        for before, after in itertools.pairwise(order)
        if number(after.get("ci_low")) > number(before.get("ci_high"))
    ]
    said = []
    if steps:
        _, before, after = max(steps, key=lambda step: step[0])
        text = f"{walk}, {about} makes its largest step with {plain(after.get('block'))}: from "
        said.append(Sentence("blocks", f"{text}{percent_of(before)} to {percent_of(after)}; the intervals lie apart."))
    else:
        said.append(Sentence("blocks", f"{walk}, {about} makes no step whose intervals lie apart."))
    none = next((row for row in order if row.get("block") == "none"), None)
    below = [row for row in order if none and number(row.get("ci_high")) < number(none.get("ci_low"))]
    if none and below:
        worst = min(below, key=lambda row: number(row.get("accuracy")))
        text = f"Pretrained only {_place(worst)}, {about} is worse than from random weights: {percent_of(worst)} "
        said.append(Sentence("blocks", f"{text}against {percent_of(none)}; the intervals lie apart."))
    return said


def _frozen(points: Sequence[Row], about: str) -> list[Sentence]:
    """Say up to where freezing costs nothing that can be shown, and what it costs from there on."""
    order = _nearest_first(points, whole_last=False)
    free: list[Row] = []
    for row in order:
        if effect_of(row).sign < 0:
            break
        free.append(row)
    said = []
    if free:
        effect = effect_of(free[-1])
        text = f"In {about}, freezing the blocks {_place(free[-1])} "
        text += (
            f"helps by {effect.size()}."
            if effect.sign > 0
            else f"costs nothing that could be shown, {effect.signed()}."
        )
        said.append(Sentence("freezing", text))
        helped = [row for row in free[:-1] if effect_of(row).sign > effect.sign]
        if helped:
            best = max(helped, key=lambda row: effect_of(row).estimate)
            text = f"Freezing the blocks {_place(best)} helps {about} by {effect_of(best).size()}."
            said.append(Sentence("freezing", text))
    costly = [row for row in order[len(free) :] if effect_of(row).sign < 0]
    for row in costly if len(costly) < 3 else (costly[0], costly[-1]):
        text = f"Freezing the blocks {_place(row)} costs {about} {effect_of(row).size()}."
        said.append(Sentence("freezing", text))
    return said


def _missed(points: Sequence[Row], about: str, *, phrase: str, topic: Topic) -> list[Sentence]:
    """Say with which block, one at a time, most is lost or gained, and with which none is shown; `phrase` holds it."""
    known = [row for row in points if row.get("block") != "none" and effect_of(row).is_known]
    silent = [row.get("block") for row in known if effect_of(row).sign == 0]
    said = []
    for sign, verb in ((-1, "loses"), (1, "gains")):
        shown = [row for row in known if effect_of(row).sign == sign]
        if shown:
            most = max(shown, key=lambda row: abs(effect_of(row).estimate))
            text = f"One block at a time, {about} {verb} most {phrase.format(plain(most.get('block')))}: "
            said.append(Sentence(topic, f"{text}{effect_of(most).size()}."))
    if silent:
        without = phrase.format(joined(silent, last="or"))
        text = f"One block at a time, no difference of {about} could be shown {without}."
        said.append(Sentence(topic, text))
    return said


def _alone(points: Sequence[Row], record: Record, about: str) -> list[Sentence]:
    """Say which block's pretrained weights help most when they are the only ones."""
    random = next((row for row in points if row.get("block") == "none"), None) or _level("random", points[0], record)
    blocks = [row for row in points if row.get("block") != "none"]
    if random is None or not blocks:
        return []
    best = max(blocks, key=lambda row: number(row.get("accuracy")))
    block = plain(best.get("block"))
    text = f"Alone, the pretrained weights of {block} bring {about} to {percent_of(best)}, the most of any block, "
    if number(best.get("ci_low")) > number(random.get("ci_high")):
        text += f"above the {percent_of(random)} of the random start; the intervals lie apart."
    else:
        text += f"against {percent_of(random)} of the random start: no difference could be shown by these intervals."
    return [Sentence("blocks", text)]
