"""Captions of accuracies: sweeps, studies, trainings, evaluations, ensembles and searches."""

import math
from collections.abc import Iterable, Mapping, Sequence

from tlprobe.display import count, share
from tlprobe.plots import cells as study_cells
from tlprobe.plots import sweep as sweeps
from tlprobe.plots.captions.phrases import listed, named, percent_of, spread
from tlprobe.plots.captions.said import Row, Said, apart, basis_of, each_of, intervals_of, known
from tlprobe.plots.pretrained_vs_random import FEW
from tlprobe.plots.style import init_label, number, scope, values
from tlprobe.plots.sweep import LEVELS, SHAPE_WORDS, conditions, treated
from tlprobe.records import Record

__all__ = ["cells", "ensemble", "evaluation", "pairs", "search", "sweep", "training"]


def sweep(record: Record) -> Said:
    """Say the accuracy at each block, and of the two levels, of ``fuse``, ``freeze`` and ``cutoff``."""
    rows = [row for row in record.rows if known(row)]
    points = [row for row in rows if row.get("treatment") == record.probe]
    levels = [row for row in rows if row.get("treatment") in LEVELS]  # some of them are points of the sweep as well
    said = [
        listed(
            f"{label}{named([row['block']])} {accuracy}"
            for label, own in apart(points, ["backbone"])
            for row, accuracy in _at_each(own, "block")
        ),
        listed(
            f"{label}{LEVELS[row['treatment']][0]} {accuracy}"
            for label, own in apart(levels, ["backbone"])
            for row, accuracy in _at_each(own, "treatment")
        ),
    ]
    what = _what({**record.params, "sweep": record.probe})
    basis = basis_of(rows, scope(points or rows))
    numbers = "; ".join(filter(None, said))
    return Said(f"Held-out accuracy, {what}", numbers, basis, intervals_of(record), sweeps.has_bars(record))


def cells(record: Record) -> Said:
    """Say the accuracy of each cell of a study."""
    rows = [row for row in record.rows if known(row)]
    levels = [row for row in rows if row.get("block") is None]
    swept = [row for row in rows if row.get("block") is not None]
    network = ["backbone", "start", "features", "data_split"]
    rest = ["rest"] * any(conditions(row.get("rest"), None) for row in swept)  # else it is what each sweep always has
    points = apart(_with_words(swept), [*network, "words", "partition", *rest])
    said = [
        listed(f"{label}{named([row['block']])} {percent_of(row)}" for label, own in points for row in own),
        listed(
            dict.fromkeys(
                f"{label}{row['words']} {percent_of(row)}"
                for label, own in apart(_with_levels(levels), network)
                for row in own
            )
        ),
    ]
    what = dict.fromkeys(_what(row) for row in swept)
    shows = f"Held-out accuracy, {', '.join(what)}" if what else "Held-out accuracy of networks"
    basis = basis_of(rows, _of_study(record, rows))
    numbers = "; ".join(filter(None, said))
    intervals = intervals_of(record, always="bootstrap over source recordings")
    return Said(shows, numbers, basis, intervals, study_cells.has_bars(record))


def training(record: Record) -> Said:
    """Say the accuracy of a run after its last epoch."""
    rows = [row for row in record.rows if known(row)]
    said = listed(f"after the last epoch {percent_of(row)} of the held-out clips are named right" for row in rows)
    shows = "Accuracy of training and held-out clips by epoch"
    has_bars = bool(values(rows, "ci_low").size)
    return Said(shows, said, basis_of(rows, scope(rows)), intervals_of(record), has_bars=has_bars)


def pairs(record: Record) -> Said:
    """Say the accuracy at the end of pretrained and of random runs."""
    rows = [row for row in record.rows if known(row)]
    by_init = [(init, [row for row in rows if row.get("init") == init]) for init in each_of(rows, "init")]
    few = all(len(own) <= FEW for _, own in by_init)
    parts = []
    for init, own in by_init:
        said = ", ".join(map(percent_of, own)) if few else spread([number(row["accuracy"]) for row in own])
        parts.append(f"{init_label(str(init))} {said}")
    has_bars = few and bool(values(rows, "ci_low").size)
    shows = "Held-out accuracy by epoch, at the end"
    return Said(shows, "; ".join(parts), basis_of(rows, scope(rows)), intervals_of(record), has_bars=has_bars)


def evaluation(record: Record) -> Said:
    """Say the accuracy of an evaluation, or what unlabelled clips are named."""
    confusion = record.arrays.get("confusion")
    rows = [row for row in record.rows if known(row)]
    if confusion is None:
        there = [row for row in record.rows if math.isfinite(number(row.get("probability")))]
        parts = (
            f"{named([row.get('clip')])} as {named([row.get('predicted')])} ({share(number(row['probability']))})"
            for row in there
        )
        shows = "What clips without labels are named, with the probability of the class"
        return Said(shows, listed(parts), basis_of(there, count(len(there), "clip")))
    classes = count(int(confusion.shape[-1]), "class", "classes")
    shows = f"Clips of {classes} by true (rows) and predicted class (columns), shares of a row; accuracy"
    return Said(shows, listed(map(percent_of, rows)), basis_of(rows, scope(rows)), intervals_of(record))


def ensemble(record: Record) -> Said:
    """Say the accuracy of single networks, of their mean weights and of them together."""
    rows = [row for row in record.rows if known(row)]
    parts = []
    for label, own in apart(rows, ["backbone", "fold"]):
        for row in own:
            single, soup = number(row.get("single_mean")), percent_of(row, prefix="soup_")
            members = row.get("members")
            n = f"{len(members) if isinstance(members, list) else members} together" if members else "together"
            said = [f"{n} {percent_of(row)}", f"one on average {share(single)}" if math.isfinite(single) else ""]
            said.append(f"of mean weights {soup}" if soup else "")
            parts.append(f"{label}{', '.join(filter(None, said))}")
    about = scope([{"fold": record.params.get("fold"), **row} for row in rows])
    has_bars = bool(values(rows, "ci_low").size)
    shows = "Accuracy of several networks and of their ensemble"
    return Said(shows, "; ".join(parts), basis_of(rows, about), intervals_of(record), has_bars=has_bars)


def search(record: Record) -> Said:
    """Say what a search chose, and how that does on the held-out fold."""
    chosen = record.params.get("chosen")
    inner, n_inner = (number(chosen.get(name)) if isinstance(chosen, Mapping) else math.nan
                      for name in ("inner_accuracy", "n_inner"))  # fmt: skip
    parts = [f"the chosen one {share(inner)} there" if math.isfinite(inner) else ""]
    if isinstance(chosen, Mapping) and known(chosen):
        n = f", n = {chosen['n']} clips" if chosen.get("n") else ""
        parts.append(f"on held-out fold {record.params.get('fold')}, which chose nothing, {percent_of(chosen)}{n}")
    shows = f"Accuracy of {count(len(record.rows), 'trial')} of a search on the inner fold"
    fold = record.params.get("inner_fold")
    basis = [f"inner fold {fold}" if fold is not None else ""]
    basis.append(f"n = {n_inner:.0f} clips" if math.isfinite(n_inner) else "")
    return Said(shows, listed(parts), listed(basis), intervals_of(record))


def _at_each(rows: Sequence[Row], field: str) -> Iterable[tuple[Row, str]]:
    """Return the first row of each value of a field, with its accuracy, or that of several runs."""
    for value in each_of(rows, field):
        runs = sweeps.distinct(row for row in rows if row.get(field) == value)
        yield runs[0], percent_of(runs[0]) if len(runs) == 1 else spread([number(row["accuracy"]) for row in runs])


def _what(row: Row) -> str:
    """Say what was done to the network: up to, from, alone in or in all but the blocks that follow."""
    what = treated(row.get("sweep"), row.get("shape")).removesuffix(":")
    return what + conditions(row.get("rest"), row.get("partition"))


def _with_words(rows: Sequence[Row]) -> list[Row]:
    """Add to cells of sweeps what was done to the network, as much of it as differs."""
    several = len(each_of(rows, "sweep")) > 1
    words = [treated(row.get("sweep"), row.get("shape")).removesuffix(":") for row in rows]
    shapes = [SHAPE_WORDS.get(str(row.get("shape")), "").removesuffix(":") for row in rows]
    return [{**row, "words": word} for row, word in zip(rows, words if several else shapes, strict=True)]


def _with_levels(rows: Sequence[Row]) -> list[Row]:
    """Add to levels what they are called; random weights stand for a start, so that none is put before them."""
    starts = each_of([row for row in rows if study_cells.start_of(row) != "random"], "start")
    random = {"words": "from random weights", "start": starts[0] if len(starts) == 1 else None}  # one needs no name
    full = {"words": LEVELS["full"][0]}
    return [{**row, **(random if study_cells.start_of(row) == "random" else full)} for row in rows]


def _of_study(record: Record, rows: Sequence[Row]) -> str:
    """Say how many clips, folds, epochs and seeds the cells of a study have, and what of it is planned alone."""
    params = record.params
    folds, seeds, recipe = params.get("folds") or [None], params.get("seeds") or [], params.get("recipe")
    epochs = recipe.get("epochs") if isinstance(recipe, Mapping) else None
    n_clips = set(values(rows, "n")) or {None}
    n_seeds = count(len(seeds), "seed") if seeds else ""
    n_lacking = sum(number(row.get("n_runs")) < number(row.get("n_planned")) for row in record.rows)
    if not n_lacking:
        about = scope([{"n": n, "fold": fold, "epochs": epochs} for fold in folds for n in n_clips])
        clips = "clips a cell" if len(n_clips) > 1 else "clips in all"
        return listed([about.replace("clips each", clips), n_seeds])
    about = scope([{"n": n, "epochs": epochs} for n in n_clips]).replace("clips", "clips a cell")
    planned = " and ".join(filter(None, [scope([{"fold": fold} for fold in folds]), n_seeds]))
    lack = "lacks" if n_lacking == 1 else "lack"
    missing = f"{n_lacking} of {count(len(record.rows), 'cell')} {lack} runs"
    return listed([about, planned and f"{planned} planned", missing])
