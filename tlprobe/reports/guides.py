"""How to read each figure: what its axes are, what to look for, and what it does not say."""

from tlprobe.records import Record
from tlprobe.reports.sentences.sentence import named_start
from tlprobe.reports.words import joined, plain

__all__ = ["guide_of", "title_of", "titled_guide"]

_CELLS_TITLES = {"fuse": "weight fusion", "freeze": "block freezing", "cutoff": "model cutoff"}

_TITLES = {
    "cells": "A study over blocks",
    "cells:levels": "A study over networks",
    "study": "Points of a study",
    "pretrained_vs_random": "Pretrained against random",
    "fuse": "Weight fusion",
    "freeze": "Block freezing",
    "cutoff": "Model cutoff",
    "weight_distance": "How far weights moved",
    "fit": "A training",
    "eval": "An evaluation",
    "ensemble": "An ensemble",
    "tune": "A search",
    "data_info": "A data set",
    "faithfulness": "Are the attributions any good?",
    "attribute": "What an answer rests on",
    "transferability": "Scores before any training",
    "svcca:change": "Similarity before and after training",
    "svcca:against": "Similarity of two trainings",
    "svcca:grid": "Similarity of every two layers",
    "svcca:training": "Similarity to the end over training",
}

_ACCURACY = (
    "The y axis is the share of held-out clips that are named right, after the last epoch. Bars and bands are 95 % "
    "intervals over source recordings; they do not hold how seeds differ."
)
_PAIRED = "Overlapping bars do not prove equality: the paired differences, with their p values, are in the table."

_GUIDES = {
    "cells": (
        f"{_ACCURACY} Along x is the block up to which something was done, or as the legend says from it on, to it "
        "alone or to all but it; the horizontal lines are the fully fine-tuned network and the one from random "
        f"weights. Look for the block where the curve leaves the upper line or reaches it. {_PAIRED}"
    ),
    "cells:levels": (
        f"{_ACCURACY} Along x are the networks, or what differs between them; each start has its own marker. Look "
        "at the distance of the points against their bars. The paired differences, with p values, are in the "
        "table."
    ),
    "fuse": (
        f"{_ACCURACY} Along x is the block up to which weights are pretrained, the others are as the record says. "
        "A steep rise says that this block's pretrained weights matter, given those before it; it does not say "
        f"that they would matter alone. {_PAIRED}"
    ),
    "freeze": (
        f"{_ACCURACY} Along x is the last frozen block; the later ones and the head are trained. Where the curve "
        "stays on the upper line, training the frozen blocks brought nothing that shows. It does not say that "
        f"they stayed the same when they were trained. {_PAIRED}"
    ),
    "cutoff": (
        f"{_ACCURACY} Along x is the last block that is kept; a new head follows it. Where the curve is flat, the "
        "later blocks bring little on these data. A cut network is also smaller, so this is not about depth "
        f"alone. {_PAIRED}"
    ),
    "pretrained_vs_random": (
        "The x axis is the epoch, the y axis the share of held-out clips that are named right. Look at the gap at "
        "the end, and whether the lower curve still rises: a longer training could narrow it. A line is a run, in "
        "the colour of its start; where there are many, they are pale and the strong line is their mean."
    ),
    "fit": (
        "Above, accuracy by epoch on training and held-out clips; below, the loss. A gap between the two is "
        "overfitting; a held-out curve that still rises says that more epochs might help. The score is the last "
        "epoch's, not the best one's, which was not chosen blindly."
    ),
    "eval": (
        "Rows are true classes, columns what the network said; a cell is the share of a class's clips. A strong "
        "diagonal is good; a strong cell beside it names two classes that are mixed up. With few clips a class, "
        "one clip is a large share: see the counts in the table."
    ),
    "ensemble": (
        f"{_ACCURACY} The ensemble averages the members' probabilities; the single members stand beside it. Look "
        "whether they lie below its bar. The weight soup is one network with the members' mean weights. It does "
        "not say why the members differ."
    ),
    "tune": (
        "Each point is a trial, its y value the accuracy on the inner fold, which chooses. The held-out fold was "
        "used once, for the chosen trial. Importances say which value explains the accuracies' variance over the "
        "searched space, not which value is good."
    ),
    "data_info": (
        "One clip of each class, drawn by a seed, as a spectrogram (time along x, frequency along y), with the "
        "number of the class's clips in brackets. Look for padding, cut-off frequencies and classes that are rare: "
        "a network can tell classes apart by that alone. One clip does not show how a class varies."
    ),
    "faithfulness": (
        "The x axis is the share of patches put in (insertion) or taken out (deletion), the most important ones "
        "first; the y axis is the probability of the class. Insertion should rise early, deletion fall early. A "
        "ranking by loudness, edges or chance knows nothing of the network: an attribution that does not beat it "
        "explains no more. Clips with patches missing are unlike any that the network was trained on."
    ),
    "attribute": (
        "Beside each spectrogram (time along x, frequency along y) is a map of what the logit of the class rests "
        "on: red speaks for it, blue against it. Look whether it lies on the sound itself, or on "
        "padding, edges and noise. A map shows where, not why, and not whether another network would look there "
        "too."
    ),
    "transferability": (
        "On the left is each score over the blocks, beside its value for permuted labels (dashed): only what lies "
        "above that counts. On the right is the accuracy after training against the score, a point a block. Where "
        "a score foretells, the points rise; with five blocks they may do so by chance."
    ),
    "weight_distance": (
        "The y axis is how far the weights of a block moved in training, relative to their length at the start; "
        "below, the shift of batch-norm statistics. Look at which blocks move most. Far is not important: weights "
        "can move without changing what a block computes."
    ),
    "study": (
        "There is no figure of single points; `tlprobe study figures` draws a study's cells. In the table, each "
        "row is a point of the grid for one fold and seed, finished, missing or failed."
    ),
    "svcca:change": (
        "The y axis is the similarity of a block's activations before and after training, 1 where one is a linear "
        "map of the other. Dotted lines and bands are the null, what unrelated clips would give: only the part above "
        "it counts, which is drawn below as corrected. Alike does not mean unused: a block may be kept because it is "
        "already good."
    ),
    "svcca:against": (
        "The y axis is the similarity of a block in two trainings, 1 where one is a linear map of the other. The "
        "null is what unrelated clips would give: only the part above it counts. Alike in what is represented "
        "does not mean alike in what is answered."
    ),
    "svcca:grid": (
        "Each cell compares a layer (row) with another (column). A bright diagonal says that layers kept their "
        "place; a bright block, that several layers hold the same. Where the scale is above a null, 0 is "
        "what chance gives and 1 the same: numbers near 0 say nothing."
    ),
    "svcca:training": (
        "The x axis is the epoch, the y axis the similarity to the end of training. A curve that is high early "
        "belongs to a block that settles early. Only what lies above the null counts."
    ),
}


def title_of(record: Record) -> str:
    """Return the heading of a record's section."""
    if record.probe == "cells":
        swept = dict.fromkeys(str(row.get("sweep")) for row in record.rows if row.get("block") is not None)
        named = joined(_CELLS_TITLES.get(sweep, sweep) for sweep in swept)
        shapes = {str(row.get("shape")) for row in record.rows if row.get("block") is not None}
        more = ", in equal parts" if any(row.get("partition") is not None for row in record.rows) else ""
        more += f", {len(shapes)} ways" if len(shapes) > 1 else ""
        return f"A study: {named or 'its networks'}{more}"
    if record.probe == "fit" and record.rows:
        row = record.rows[0]
        fold = f", fold {plain(row['fold'])}" if row.get("fold") is not None else ""
        how = f", {plain(row['treatment'])}" if row.get("treatment") not in (None, "full", "random") else ""
        return f"A training: {plain(row.get('backbone'))} from {named_start(row.get('init'))}{how}{fold}"
    if record.probe == "attribute":
        counts = [len({str(row.get(name)) for row in record.rows}) for name in ("run", "method")]
        several = [f"{n} {noun}" for n, noun in zip(counts, ("networks", "methods"), strict=True) if n > 1]
        return f"{_TITLES['attribute']}{': ' if several else ''}{joined(several)}"
    return _TITLES.get(_key(record), f"A record of {plain(record.probe)}")


def guide_of(record: Record) -> str:
    """Return how to read a record's figure; empty for a probe without one."""
    if record.probe == "cells" and all(row.get("block") is None for row in record.rows):
        return _GUIDES["cells:levels"]
    return _GUIDES.get(_key(record), "")


def titled_guide(key: str) -> str:
    """Return how to read a figure, with its title in front.

    Parameters
    ----------
    key : str
        A probe; of svcca with its mode, as ``svcca:change``; ``cells`` or ``cells:levels`` of a study.

    Raises
    ------
    KeyError
        If there is no such guide.
    """
    return f"{_TITLES[key]}: {_GUIDES[key]}"


def _key(record: Record) -> str:
    return f"svcca:{record.params.get('mode')}" if record.probe == "svcca" else record.probe
