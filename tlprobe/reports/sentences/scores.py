"""How good single networks are: records of ``fit``, ``eval``, ``ensemble`` and ``tune``."""

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from tlprobe.plots.style import number
from tlprobe.records import Record
from tlprobe.reports.sentences.sentence import Sentence, data_name, named_start
from tlprobe.reports.words import count, joined, percent_of, plain, points, share

__all__ = ["ensemble", "evaluation", "training", "trainings", "tuning"]

# Where the single ones' mean lies beside the ensemble's interval -> what of the ensemble can be said.
_VERDICTS = {
    -1: "above what its interval allows for.",
    0: "within its interval, no difference could be shown.",
    1: "below what its interval allows for.",
    None: "there is no interval, so whether they differ cannot be told.",
}


def training(record: Record) -> list[Sentence]:
    """Say the score of a run, and what its best epoch would claim."""
    said = []
    for row in record.rows:
        if not math.isfinite(number(row.get("accuracy"))):
            continue
        fold = f" of fold {row['fold']}" if row.get("fold") is not None else ""
        epochs = number(row.get("epochs"))
        text = f"On {data_name(record)}, {plain(row.get('backbone'))} from {named_start(row.get('init'))}"
        if row.get("treatment") not in (None, "full", "random"):
            text += f" ({plain(row['treatment'])} {plain(row.get('blocks') or row.get('block') or '')})".replace(
                " )", ")"
            )
        text += f" names {percent_of(row)} of the held-out clips{fold} right"
        text += f" after {count(int(epochs), 'epoch')}" if epochs > 0 else ""
        claimed = number(row.get("best_accuracy")) - number(row.get("accuracy"))
        if claimed > 0:
            text += f"; the best epoch, chosen on the scored clips, would claim {points(claimed)} more"
        said.append(Sentence("scores", f"{text}."))
    return said


def evaluation(record: Record) -> list[Sentence]:
    """Say how a network scores on clips, or what it names recordings."""
    said = []
    for row in record.rows:
        if math.isfinite(number(row.get("accuracy"))):
            text = f"{plain(row.get('run') or 'The network')} names {percent_of(row)} of "
            said.append(
                Sentence("scores", f"{text}{plain(row.get('clips') or 'the clips')} on {data_name(record)} right.")
            )
        if number(row.get("n_seen")) > 0:
            text = f"{count(int(row['n_seen']), 'clip')} of {data_name(record)} lie in files that the network was "
            said.append(Sentence("care", f"{text}trained on."))
    named = [row for row in record.rows if row.get("accuracy") is None and row.get("predicted") is not None]
    if named:
        listed = [
            f"{plain(r.get('clip'))} {plain(r['predicted'])} ({share(number(r.get('probability')))})" for r in named
        ]
        said.append(
            Sentence("scores", f"The network names {joined(listed)}; these recordings have no label to check by.")
        )
    return said


def ensemble(record: Record) -> list[Sentence]:
    """Say whether several networks together are better than one, and whether their mean weights are."""
    rows = [row for row in record.rows if math.isfinite(number(row.get("accuracy")))]
    rows = [row for row in rows if math.isfinite(number(row.get("single_mean")))]
    if not rows:
        return []
    said = []
    single, together = ([number(row.get(name)) for row in rows] for name in ("single_mean", "accuracy"))
    sides = [_side(value, row) for value, row in zip(single, rows, strict=True)]
    members = joined(sorted({str(row.get("members")) for row in rows}))
    if len(rows) == 1:
        text = (
            f"{members} networks together name {percent_of(rows[0])} right, one of them {share(single[0])} on average: "
        )
        text += _VERDICTS[sides[0]]
    else:
        text = f"{members} networks together name {share(sum(together) / len(rows))} right, one of them "
        text += f"{share(sum(single) / len(rows))} on average, over {_members(rows)}; "
        if n_none := sides.count(None):
            text += f"{n_none} of them {'has' if n_none == 1 else 'have'} no interval; "
        text += f"in {sides.count(-1)} of {'the others' if n_none else 'them'} "
        text += "the ensemble's interval lies above the mean of the single ones."
    said.append(Sentence("scores", text))
    soups = [(number(row.get("soup_accuracy")), row) for row in rows]
    soups = [(value, row) for value, row in soups if math.isfinite(value)]
    if soups:
        known = [side for value, row in soups if (side := _side(value, row)) is not None]
        text = f"One network with their mean weights names {share(statistics.fmean(value for value, _ in soups))} right"
        text += f", below the ensemble's interval in {known.count(-1)} of {len(known)}" if known else ""
        said.append(Sentence("scores", f"{text}."))
    return said


def _side(value: float, row: Mapping[str, object]) -> int | None:
    """Return where a value lies beside the interval of a row's accuracy: -1 below, 1 above, 0 in it; None without."""
    low, high = number(row.get("ci_low")), number(row.get("ci_high"))
    if not math.isfinite(low + high):
        return None
    return -1 if value < low else int(value > high)


def _members(rows: Sequence[Mapping[str, object]]) -> str:
    """Say what several ensembles differ in: folds, networks or both."""
    folds, networks = (len({str(row.get(name)) for row in rows}) for name in ("fold", "backbone"))
    return count(folds, "fold") if networks == 1 else f"{count(len(rows), 'ensemble')} of {networks} networks"


def tuning(record: Record) -> list[Sentence]:
    """Say what a search chose and what that scores, and what became of its trials."""
    said = []
    states = Counter(str(row["state"]) for row in record.rows if row.get("state") is not None)
    chosen = record.params.get("chosen")
    if isinstance(chosen, dict):
        inner = number(chosen.get("inner_accuracy"))
        text = f"Of {count(len(record.rows), 'trial')}, number {chosen.get('number')} was chosen with {share(inner)} "
        text += "on the inner fold"
        if math.isfinite(number(chosen.get("accuracy"))):
            text += f"; on the held-out fold, which chose nothing, it names {percent_of(chosen)} right"
        said.append(Sentence("scores", f"{text}."))
    other = {state: n for state, n in states.items() if state not in ("complete", "pruned")}
    if other:
        listed = joined(f"{n} {state}" for state, n in sorted(other.items()))
        said.append(Sentence("missing", f"Of {count(len(record.rows), 'trial')} of the search, {listed}."))
    return said


def trainings(records: Sequence[Record]) -> list[tuple[Sentence, list[int]]]:
    """Say the scores of many runs together, by network, start and treatment, each with the runs it is about."""
    found: dict[tuple[str, ...], list[int]] = {}
    for index, record in enumerate(records):
        row = record.rows[0] if record.rows else {}
        if math.isfinite(number(row.get("accuracy"))):
            key = (data_name(record), *(str(row.get(name)) for name in ("backbone", "init", "treatment", "blocks")))
            found.setdefault(key, []).append(index)
    said = []
    for (data, backbone, init, treatment, blocks), members in found.items():
        values = [number(records[index].rows[0]["accuracy"]) for index in members]
        folds, seeds = (len({str(records[i].rows[0].get(name)) for i in members}) for name in ("fold", "seed"))
        how = f" ({plain(treatment)} {plain(blocks)})" if treatment not in ("full", "random", "None") else ""
        text = f"On {data}, {count(len(members), 'run')} of {plain(backbone)} from {named_start(init)}{how} over "
        text += (
            f"{count(folds, 'fold')} and {count(seeds, 'seed')} name {share(statistics.fmean(values))} of the held-out "
        )
        text += f"clips right on average, from {share(min(values))} to {share(max(values))}."
        said.append((Sentence("scores", text), members))
    return said
