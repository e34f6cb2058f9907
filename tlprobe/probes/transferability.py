"""Transferability: which blocks are worth transferring, told in minutes and before any fine-tuning?

The network at its start, never fine-tuned, is shown the clips. Each block's output, averaged over time and frequency,
is scored for how much it tells of the classes: by a linear probe, LogME and H-score; and what the network says of its
own source classes, by LEEP (`tlprobe.probes.block_scores`). Whether these are any good is asked of what they would
spare: the accuracies after freezing up to each block, or cutting after it, by rank correlation over blocks. A score
that only says "later blocks are better" reaches as much as the number of the block does, which stands beside it.
"""

import dataclasses
import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tlprobe.backbones.source_head import read_source_head
from tlprobe.data.leaks import leaked_clips
from tlprobe.data.loader import Standardiser, channel_statistics
from tlprobe.errors import ParameterError
from tlprobe.numerics.clip_scores import bootstrap_means
from tlprobe.numerics.rank_agreement import MEASURES, rank_agreement
from tlprobe.numerics.resampling import paired_difference
from tlprobe.numerics.seeds import derive_seed
from tlprobe.probes.block_features import BlockFeatures, block_features
from tlprobe.probes.block_scores import BLOCK_SCORES, N_PERMUTATIONS, Part, Score, leep_score, score_block
from tlprobe.probes.costly import Treatment, Wanted, read_treatments
from tlprobe.records import Record, provenance
from tlprobe.train.device import resolve_device
from tlprobe.train.material import FitOptions, Prepared, prepare
from tlprobe.train.recipe import load_recipe

__all__ = ["HEAD", "transferability"]

HEAD = "head"
"""What a record calls the place of LEEP: after the last block."""

_N_DRAWS = 500  # of scores and accuracies, for the interval of a correlation
_COLUMNS = (
    *("kind", "score", "block", "value", "low", "high", "null", "n", "n_features", "penalty"),
    *("difference", "difference_low", "difference_high", "p_value", "against", "sweep", "measure", "n_blocks"),
)


def transferability(
    options: FitOptions | None = None,
    *,
    against: Sequence[Path | str | Record] = (),
    device: str = "auto",
    progress: bool | None = None,
) -> Record:
    """Score each block of a network for how much it tells of a data set's classes, without training it.

    Parameters
    ----------
    options : FitOptions, optional
        Data, images, network, starting weights and fold, as for a training. The seed reaches random weights and all
        draws. Of a recipe only ``normalize`` counts; of single values, others than that are refused.
    against : sequence of path or Record
        Records of costly treatments of the same network: of a study's ``cells``, of ``tlprobe freeze`` or ``cutoff``.
    device : {"auto", "cpu", "cuda"}
        Where the network runs.
    progress : bool or None
        None shows a bar on a terminal and in a notebook only.

    Returns
    -------
    record : Record
        Rows of three kinds. ``score``: one a block and ``score``, with its ``value``, the 95 % interval over source
        recordings ``low``, ``high``, the mean of permuted labels ``null``, ``n`` clips and ``n_features``; of the
        linear probe also the ``penalty``, and the paired ``difference`` to the block before with interval and
        ``p_value`` (sign flips by recording). LEEP is one row, of block ``head``. ``treatment``: one a block of each
        sweep in `against`, ``value`` its accuracy. ``correlation``: one a score, sweep and ``measure``, over
        ``n_blocks``; ``null`` is what the number of the block gives in place of the score, ``p_value`` (Kendall's
        alone) that of no association. Its interval is of the noise of scores and accuracies on these blocks.
        Array ``correct`` ``(n_blocks, n_held_out)``: the linear probe's answers, with ``params["held_out"]``.

    Raises
    ------
    CheckpointError, DataError, ParameterError, UndefinedError
        If the options or a record cannot be used, or a block says nothing at all.

    Examples
    --------
    >>> import tlprobe
    >>> options = tlprobe.FitOptions(backbone="timm/test_efficientnet", weights="random")
    >>> record = tlprobe.transferability(options)
    >>> sorted({row["score"] for row in record.rows})
    ['h_score', 'linear_probe', 'logme']
    """
    options = options or FitOptions()
    foreign = sorted(set(options.changes) - {"normalize"})
    if foreign:
        raise ParameterError(f"{', '.join(foreign)}: nothing is trained, so of a recipe only normalize counts")
    normalize = load_recipe(options.recipe, changes=options.changes).normalize
    options = dataclasses.replace(options, recipe="quick", changes={"normalize": normalize})
    where = resolve_device(device)
    records = _named_records(against)
    found = prepare(options, progress=progress)
    config, dataset = found.config, found.material.dataset
    wanted = Wanted(
        config.backbone, config.init, config.image.features, found.model.block_names, dataset.describe()["hash"]
    )
    read = [read_treatments(record, wanted, name=name) for name, record in records.items()]
    head = read_source_head(options.weights, model=found.model)
    train_index, held_out_index = _split(found)
    train, held_out = (_part(found, index) for index in (train_index, held_out_index))
    seconds = {"features": -time.perf_counter()}
    features = block_features(
        found.model,
        found.material.images.array,
        np.concatenate([train_index, held_out_index]),
        standardise=_standardiser(found, train_index),
        head=None if isinstance(head, str) else head,
        device=where,
        progress=progress,
    )
    seconds["features"] += time.perf_counter()
    seconds["scores"] = -time.perf_counter()
    scores = _scores(features, train=train, held_out=held_out, seed=options.seed)
    rows = [{"kind": "score", **score.row} for score in scores]
    _compare_with_the_block_before([s for s in scores if s.row["score"] == "linear_probe"], rows)
    notes = [] if not isinstance(head, str) else [f"no LEEP: {head}"]
    for treatments, said in read:
        notes += said
        for treatment in treatments:
            about = {"against": treatment.against, "sweep": treatment.sweep}
            rows += [{"kind": "treatment", **about, **row} for row in treatment.rows]
            rows += [{**row, **about} for row in _correlations(scores, treatment, wanted.blocks, seed=options.seed)]
    seconds["scores"] += time.perf_counter()
    params = {
        "backbone": config.backbone,
        "init": config.init,
        "fold": config.fold,
        "inner_fold": config.inner_fold,
        "seed": config.seed,
        "blocks": list(wanted.blocks),
        "classes": len(dataset.classes),
        "normalize": config.recipe.normalize,
        "image": config.image.model_dump(mode="json"),
        "n_train": len(train_index),
        "n_leaked": len(leaked_clips(dataset, found.material.leaks, config.fold)),
        "n_permutations": N_PERMUTATIONS,
        "folds_against": {t.against: t.folds for treatments, _ in read for t in treatments},
        "notes": notes,
        "held_out": [dataset.clips[i].path for i in held_out_index],
    }
    correct = np.stack([s.contributions for s in scores if s.row["score"] == "linear_probe"])
    spent = {name: round(value, 2) for name, value in seconds.items()}
    about_it = provenance(data=dataset.describe(), device=str(where), seconds=spent)
    whole = [{**dict.fromkeys(_COLUMNS), **row} for row in rows]
    return Record("transferability", params, whole, about_it, {"correct": correct.astype(np.float32)})


def _named_records(against: Sequence[Path | str | Record]) -> dict[str, Record]:
    """Return the records by name: their folder's, so that no path gets into a record."""
    named: dict[str, Record] = {}
    for one in against:
        name = one.probe if isinstance(one, Record) else Path(one).resolve().name
        if name in named:
            raise ParameterError(f"against: two records are called {name}; rename a folder, or give it once")
        named[name] = one if isinstance(one, Record) else Record.load(one)
    return named


def _split(found: Prepared) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return training and held-out clips, as the training itself would have them."""
    train, held_out = found.material.dataset.split(found.config.fold)
    if found.config.inner_fold is not None:
        train = np.setdiff1d(train, found.material.dataset.split(found.config.inner_fold)[1])
    return train, held_out


def _part(found: Prepared, index: npt.NDArray[np.int64]) -> Part:
    dataset = found.material.dataset
    return Part(dataset.labels[index], [dataset.clips[i].group for i in index])


def _standardiser(found: Prepared, train_index: npt.NDArray[np.int64]) -> Standardiser:
    if found.config.recipe.normalize == "none":
        return Standardiser()
    return channel_statistics(found.material.images.array, train_index)


def _scores(features: BlockFeatures, *, train: Part, held_out: Part, seed: int) -> list[Score]:
    """Return the scores block by block, and LEEP last; rows have their block."""
    n = len(train.labels)
    scores = []
    for block, both in features.blocks.items():
        for score in score_block(both[:n], both[n:], train=train, held_out=held_out, seed=seed):
            score.row["block"] = block
            scores.append(score)
    if features.source is not None:
        scores.append(leep_score(features.source[:n], train=train, seed=seed))
        scores[-1].row["block"] = HEAD
    return scores


def _compare_with_the_block_before(probes: Sequence[Score], rows: Sequence[dict[str, Any]]) -> None:
    """Add to each linear probe's row but the first what it gains over the one before, on the same clips."""
    if len(set(probes[0].groups)) < 2:
        return
    by_block = {row["block"]: row for row in rows if row["score"] == "linear_probe"}
    for before, own in itertools.pairwise(probes):
        found = paired_difference(own.contributions, before.contributions, own.groups)
        by_block[own.row["block"]] |= {
            "difference": found.estimate,
            "difference_low": found.low,
            "difference_high": found.high,
            "p_value": found.p_value,
        }


def _correlations(
    scores: Sequence[Score], treatment: Treatment, blocks: Sequence[str], *, seed: int
) -> list[dict[str, Any]]:
    """Return how each score ranks the blocks of a treatment, beside how their numbers do."""
    rng = np.random.default_rng(derive_seed(seed, "treatment", treatment.against, treatment.sweep))
    trained = treatment.draws(_N_DRAWS, rng=rng)
    depth = np.array([blocks.index(block) for block in treatment.blocks], dtype=np.float64)
    of_depth = np.repeat(depth[None], _N_DRAWS, axis=0)
    rows = []
    for name in BLOCK_SCORES:
        by_block = {score.row["block"]: score for score in scores if score.row["score"] == name}
        own = [by_block[block] for block in treatment.blocks]
        series = np.stack([score.contributions for score in own])
        drawn = bootstrap_means(series, own[0].groups, n_resamples=_N_DRAWS, seed=derive_seed(seed, "draws", name))
        values = np.array([score.row["value"] for score in own])
        for measure in MEASURES:
            found = rank_agreement(values, treatment.accuracy, draws_x=drawn, draws_y=trained, measure=measure)
            by_depth = rank_agreement(depth, treatment.accuracy, draws_x=of_depth, draws_y=trained, measure=measure)
            row = {"kind": "correlation", "score": name, "measure": measure, "null": by_depth.value}
            row |= {"value": found.value, "low": found.low, "high": found.high, "p_value": found.p_value}
            rows.append({**row, "n_blocks": len(own)})
    return rows
