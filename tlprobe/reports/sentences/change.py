"""What training changed: similarity against its null, and how far weights moved."""

import math
from collections.abc import Sequence

from tlprobe.plots.style import RANDOM_PAIR, number
from tlprobe.records import Record
from tlprobe.reports.sentences.sentence import Row, Sentence
from tlprobe.reports.words import count, joined, plain, share

__all__ = ["similarity", "weights"]

_N_BLOCKS = 8
_SAMPLES = {"positions": "each position a sample", "pool": "each clip a sample"}
_SERIES = ("run", "init", "measure", "conv", "against", "epoch")


def similarity(record: Record) -> list[Sentence]:
    """Say where a similarity is above its null, of an ``svcca`` record."""
    mode = record.params.get("mode")
    if mode == "grid":
        return _grid(record)
    if mode == "training":
        return _over_training(record)
    said = []
    for rows in _series(record):
        above, level = _split(rows)
        if not above and not level:
            continue
        places = ((above, "similarity is above its null"), (level, "no similarity beyond chance is shown"))
        parts = [f"{words} {_where(found, rows)}" for found, words in places if found]
        corrected = [row for row in rows if math.isfinite(number(row.get("corrected")))]
        if mode in ("change", "against") and len(corrected) > 1:
            order = sorted(corrected, key=lambda row: number(row.get("corrected")))
            low, high = (f"{_place(row, rows)} ({number(row.get('corrected')):.2f})" for row in (order[0], order[-1]))
            parts.append(f"corrected for chance (0 is the null, 1 the same), {high} is most alike, {low} least")
        said.append(Sentence("change", f"{_about(rows[0], record)}: {'; '.join(parts)}."))
    return said


def weights(record: Record) -> list[Sentence]:
    """Say which blocks' weights moved most and least, of a ``weight_distance`` record."""
    said = []
    for (run, _), rows in _grouped(record, ("run", "epoch")).items():
        known = [row for row in rows if math.isfinite(number(row.get("relative_l2")))]
        if len(known) < 2 or rows[0].get("epoch") is not None:
            continue
        order = sorted(known, key=lambda row: number(row.get("relative_l2")))
        low, high = (
            f"{plain(row.get('block'))} ({share(number(row.get('relative_l2')))})" for row in (order[0], order[-1])
        )
        text = f"In training {plain(run)}, convolution weights moved least in {low} and most in {high}, relative to "
        said.append(Sentence("change", f"{text}their length at the start; one training, so there is no interval."))
    return said


def _grid(record: Record) -> list[Sentence]:
    said = []
    for rows in _series(record, names=("run", "init", "measure", "against")):
        above, level = _split(rows)
        if not above and not level:
            continue
        text = (
            f"{_about(rows[0], record)}: {len(above)} of {count(len(above) + len(level), 'pair')} of layers are more "
        )
        text += "alike than their null"
        same = [row for row in above if row.get("layer") == row.get("layer_y")]
        text += f", {len(same)} of them a layer with itself" if same else ""
        said.append(Sentence("change", f"{text}."))
    return said


def _over_training(record: Record) -> list[Sentence]:
    """Say how near each block is to its end at the first and the last epoch that were kept."""
    said = []
    for rows in _series(record, names=("run", "init", "measure", "conv", "against")):
        known = [row for row in rows if math.isfinite(number(row.get("corrected")) + number(row.get("epoch")))]
        epochs = sorted({number(row.get("epoch")) for row in known})
        if len(epochs) < 2:
            continue
        ends = [{_layer(row): row for row in known if number(row.get("epoch")) == e} for e in (epochs[0], epochs[-1])]
        both = [name for name in ends[0] if name in ends[1]]
        order = sorted(both, key=lambda name: number(ends[1][name].get("corrected")))
        shown = both if len(both) <= _N_BLOCKS else [order[-1], order[0]]
        values = (
            f"{_place(ends[0][name], list(ends[0].values()))} {number(ends[0][name].get('corrected')):.2f} to "
            f"{number(ends[1][name].get('corrected')):.2f}"
            for name in shown
        )
        above, level = _split(rows)
        text = f"{_about(rows[0], record)}, corrected for chance (0 is the null, 1 the same), from epoch {epochs[0]:g} "
        text += f"to {epochs[-1]:g}: {joined(values, n_named=_N_BLOCKS)}"
        n = len(above) + len(level)
        text += f"; {len(above)} of {count(n, 'value')} {'is' if n == 1 else 'are'} above the null" if n else ""
        said.append(Sentence("change", f"{text}."))
    return said


def _layer(row: Row) -> tuple[str, str]:
    return str(row.get("block")), str(row.get("layer"))


def _series(record: Record, names: Sequence[str] = _SERIES) -> list[list[Row]]:
    return list(_grouped(record, names).values())


def _grouped(record: Record, names: Sequence[str]) -> dict[tuple[object, ...], list[Row]]:
    found: dict[tuple[object, ...], list[Row]] = {}
    for row in record.rows:
        key = tuple(str(row.get(name)) if row.get(name) is not None else None for name in names)
        found.setdefault(key, []).append(row)
    return found


def _split(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the rows whose interval lies above the null's band, and the others that have both."""
    above: list[Row] = []
    level: list[Row] = []
    for row in rows:
        low, null = number(row.get("ci_low")), number(row.get("null_high", row.get("null")))
        if math.isfinite(low) and math.isfinite(null):
            (above if low > null else level).append(row)
    return above, level


def _place(row: Row, rows: Sequence[Row]) -> str:
    """Name a row by its block, or by its layer where several are of one block."""
    several = sum(other.get("block") == row.get("block") for other in rows) > 1
    return plain(row.get("layer") if several else row.get("block"))


def _where(found: Sequence[Row], rows: Sequence[Row]) -> str:
    """Say in which of the rows, with value and null: of each of a few, else of the two ends."""
    if len(found) < 4:
        return "in " + joined(f"{_place(row, rows)} ({_both(row)})" for row in found)
    order = sorted(found, key=lambda row: number(row.get("value")))
    names = f"all {_counted(rows)}" if len(found) == len(rows) else joined((_place(r, rows) for r in found), n_named=8)
    low, high = (f"{_place(row, rows)} ({_both(row)})" for row in (order[0], order[-1]))
    return f"in {names}, lowest in {low} and highest in {high}"


def _counted(rows: Sequence[Row]) -> str:
    return count(len(rows), "block" if len({str(row.get("block")) for row in rows}) == len(rows) else "layer")


def _both(row: Row) -> str:
    return f"{number(row.get('value')):.2f}, null {number(row.get('null')):.2f}"


def _about(row: Row, record: Record) -> str:
    """Say what is compared: the run, the measure, and what is a sample where the record has several."""
    against = {"init": "before and after training", "final": "to the end of training"}.get(str(row.get("against")))
    if against is None:
        against = f"to {plain(row.get('against'), limit=40)}"
    measure = plain(row.get("measure")).upper()
    several = len({str(other.get("conv")) for other in record.rows}) > 1 and record.params.get("mode") != "grid"
    conv = f", {_SAMPLES.get(str(row.get('conv')), plain(row.get('conv')))}" if several else ""
    if row.get("init") == RANDOM_PAIR:
        return f"Two untrained networks, {measure}{conv}"
    start = {"imagenet": "ImageNet start", "random": "Random start"}.get(str(row.get("init")), plain(row.get("init")))
    seeds = len({str(other.get("run")) for other in record.rows if other.get("init") == row.get("init")}) > 1
    return f"{start}{_run(row) if seeds else ''}, {measure} {against}{conv}"


def _run(row: Row) -> str:
    return f" ({plain(row.get('run'))})"
