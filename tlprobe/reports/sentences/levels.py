"""How much pretraining helped, and how good the networks of a study are: the levels of a ``cells`` record."""

import math

from tlprobe.plots.style import number
from tlprobe.records import Record
from tlprobe.reports.sentences.sentence import Row, Sentence, after_epochs, data_name, held_out, named_start
from tlprobe.reports.words import count, effect_of, percent_of, plain, points

__all__ = ["features", "gain", "level", "runs_missing", "scatter"]


def gain(record: Record) -> list[Sentence]:
    """Say how much each pretrained network is better than the same one from random weights."""
    said = []
    for full in _levels(record):
        random = _random_of(full, record)
        if random is None:
            continue
        text = (
            f"On {data_name(record)}, {_network(full, record)} from {named_start(full.get('start'))} names "
            f"{percent_of(full)} of the {held_out(record)} right{after_epochs(record)}, from random weights "
            f"{percent_of(random)}"
        )
        effect = effect_of(random).turned()
        if not effect.is_known:
            text += ". The two were not compared clip by clip, so how much pretraining helped has no interval."
        elif effect.sign > 0:
            text += f": pretraining helped by {effect.size()}."
        elif effect.sign < 0:
            text += f": pretraining made it worse by {effect.size()}."
        else:
            text += f": no difference could be shown, {effect.signed()}."
        said.append(Sentence("pretraining", text))
    return said


def level(record: Record) -> list[Sentence]:
    """Say the accuracy of each fully trained network that `gain` says nothing of."""
    rows = [row for row in _levels(record, pretrained=False) if _random_of(row, record) is None]
    beside = [_random_of(row, record) for row in _levels(record)]
    return [
        Sentence(
            "scores",
            f"On {data_name(record)}, {_network(row, record)} from {named_start(row.get('start'))} names "
            f"{percent_of(row)} of the {held_out(record)} right{after_epochs(record)}.",
        )
        for row in rows
        if not any(row is other for other in beside)
    ]


def features(record: Record) -> list[Sentence]:
    """Say whether a network that is shown other features is as good."""
    said = []
    for row in _levels(record, pretrained=False):
        start, _, shown = str(row.get("compared_with") or "").partition(", ")
        effect = effect_of(row)
        if not shown or start != row.get("start") or not effect.is_known:
            continue
        text = f"Shown {plain(row.get('features'))} in place of {plain(shown)}, {plain(row.get('backbone'))} "
        if effect.sign:
            text += f"is {'better' if effect.sign > 0 else 'worse'} by {effect.size()}."
        else:
            text += f"has no difference that could be shown, {effect.signed()}."
        said.append(Sentence("scores", text))
    return said


def scatter(record: Record) -> list[Sentence]:
    """Say how much training scatters, and what choosing the best epoch on the scored fold would claim."""
    said = []
    for row in _levels(record, pretrained=False):
        sd, n, optimism = (number(row.get(name)) for name in ("sd_seeds", "n_seeds", "optimism"))
        who = f"{_network(row, record)} from {named_start(row.get('start'))}"
        if math.isfinite(sd) and n > 1:
            text = f"Over {n:.0f} seeds, the accuracy of {who} has a standard deviation of {100 * sd:.1f} points"
            low, high = number(row.get("seeds_low")), number(row.get("seeds_high"))
            if math.isfinite(low) and math.isfinite(high):
                text += f"; its mean over seeds lies in [{100 * low:.1f} to {100 * high:.1f}] %"
            said.append(Sentence("scores", f"{text}.", rank=1))
        if optimism > 0:
            text = f"Reporting the best epoch of {who} would claim {points(optimism)} more than a choice that is not "
            text += "made on the scored clips; all numbers here are the last epoch's."
            said.append(Sentence("scores", text, rank=1))
    return said


def runs_missing(record: Record) -> list[Sentence]:
    """Say how many runs of a study are not there."""
    n_rows = sum(number(row.get("n_planned")) > number(row.get("n_runs")) for row in record.rows)
    n_empty = sum(number(row.get("n_runs")) == 0 for row in record.rows)
    if not n_rows:
        return []
    text = f"{n_rows} of {count(len(record.rows), 'point')} lack runs"
    return [Sentence("missing", f"{text}{f', {n_empty} of them have none' if n_empty else ''}.")]


def _levels(record: Record, *, pretrained: bool = True) -> list[Row]:
    """Return the fully trained networks that have an accuracy, without random starts or with them."""
    return [
        row
        for row in record.rows
        if row.get("sweep") == "full"
        and math.isfinite(number(row.get("accuracy")))
        and not (pretrained and row.get("start") == "random")
    ]


def _random_of(full: Row, record: Record) -> Row | None:
    """Return the random network that a pretrained one is compared with."""
    if full.get("start") == "random":
        return None
    for row in record.rows:
        own_start = row.get("sweep") == "random" and row.get("start") == full.get("start")
        is_random = own_start or (row.get("sweep") == "full" and row.get("start") == "random")
        same = all(row.get(name) == full.get(name) for name in ("backbone", "features", "data_split"))
        if is_random and same and math.isfinite(number(row.get("accuracy"))):
            return row
    return None


def _network(row: Row, record: Record) -> str:
    """Name a network, with its features and split where the record has several."""
    about = [
        plain(row[name]) for name in ("features", "data_split") if len({str(r.get(name)) for r in record.rows}) > 1
    ]
    return plain(row.get("backbone")) + (f" ({', '.join(about)})" if about else "")
