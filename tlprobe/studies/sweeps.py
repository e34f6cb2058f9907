"""Fusion, freezing and cutoff over the blocks of one network: the curves of Fig. 2.

A sweep is a list of trials (`tlprobe.studies.trials`) and a record of their accuracies. Every point,
the random ones included, is trained by one recipe, from one starting state, on one split.
"""

import dataclasses
import logging
from pathlib import Path
from typing import Any, Literal

from tlprobe.backbones.partition import Partition
from tlprobe.numerics.intervals import shared_intervals
from tlprobe.probes.fuse import Rest
from tlprobe.probes.selection import Shape
from tlprobe.records import Record, provenance
from tlprobe.studies.baseline import baseline_of
from tlprobe.studies.differences import add_differences
from tlprobe.studies.points import Point, canonical, points_of
from tlprobe.studies.trials import run_trial
from tlprobe.train.material import FitOptions
from tlprobe.train.run import Run

__all__ = ["TRIALS_FOLDER", "Levels", "cutoff", "freeze", "fuse", "kind_columns", "levels", "row_of"]

TRIALS_FOLDER = "runs/trials"
"""Where trials live unless said otherwise: one place, so that sweeps share what coincides."""

_log = logging.getLogger(__name__)

Sweep = Literal["fuse", "freeze", "cutoff"]


@dataclasses.dataclass(frozen=True)
class Levels:
    """The two runs that every sweep is read against, of one recipe and split.

    Parameters
    ----------
    full : Run
        Pretrained, fully fine-tuned.
    random : Run
        Trained from random weights.
    """

    full: Run
    random: Run


def levels(
    ckpt: Path | str | Run | None = None,
    *,
    options: FitOptions | None = None,
    data: Path | str | None = None,
    trials: Path | str = TRIALS_FOLDER,
    device: str = "auto",
    progress: bool | None = None,
) -> Levels:
    """Train the fully fine-tuned network and the random one, or find them; parameters as in `fuse`."""
    baseline = baseline_of(
        "fuse", ckpt, options=options, data=data, trials=Path(trials), device=device, progress=progress
    )
    return Levels(
        full=run_trial(baseline, Point("full"), progress=progress),
        random=run_trial(baseline, Point("random"), progress=progress),
    )


def fuse(
    ckpt: Path | str | Run | None = None,
    *,
    block: str | None = None,
    shape: Shape = "prefix",
    rest: Rest = "random",
    partition: Partition | None = None,
    options: FitOptions | None = None,
    data: Path | str | None = None,
    trials: Path | str = TRIALS_FOLDER,
    device: str = "auto",
    progress: bool | None = None,
) -> Record:
    """Train with pretrained weights in some blocks only (Fig. 2b: those up to a block).

    Parameters
    ----------
    ckpt : path or Run, optional
        A fully fine-tuned run. It gives recipe, data, fold, seed and its *starting* weights, and is the
        fully fine-tuned level itself. Without it, `options` say all that, and that level is trained.
    block : str, optional
        ``"none"`` or a block, inclusive; default: the whole sweep, and the random level.
    shape : {"prefix", "suffix", "single", "except"}
        Which blocks are pretrained: those up to `block`, from it on, it alone, all but it.
    rest : {"random", "matched", "shuffled", "bn-stats"}
        What the others get, see `tlprobe.probes.fuse`.
    partition : Partition, optional
        Sweep over parts of equal size, ``part1 ..``, in place of the named blocks.
    options : FitOptions, optional
        Only without `ckpt`.
    data : path, optional
        The run's data set, where it has moved.
    trials : path
        Where trials live; finished ones are found there and never redone.
    device : {"auto", "cpu", "cuda"}
        Where to train.
    progress : bool or None
        None shows bars on a terminal and in a notebook only.

    Returns
    -------
    record : Record
        One row a point: ``block``, ``shape``, ``rest``, ``partition``, ``treatment`` (what the trial is,
        ``full`` and ``random`` where it coincides with these), ``accuracy`` in [0, 1] of the last epoch on the
        held-out fold, ``n``, ``ci_low``, ``ci_high`` (over source recordings), and ``difference`` to the fully
        fine-tuned network on the same clips, with ``difference_low``, ``difference_high``, ``p_value`` (sign flips by
        recording) and ``p_holm`` (adjusted for the sweep's points). Levels that are no point have ``block`` None.

    Raises
    ------
    ParameterError
        If `block` names no block, or `ckpt` was not pretrained or is no fully fine-tuned run.
    CheckpointError, DataError, DivergedError, ResourceError
        If a run, its data, or a training fails.

    Examples
    --------
    >>> import tlprobe
    >>> record = tlprobe.fuse("runs/full", block="block2", trials="runs/trials")
    >>> [(row["treatment"], row["block"]) for row in record.rows]
    [('fuse', 'block2'), ('full', None)]
    """
    return _sweep(
        "fuse",
        ckpt,
        block=block,
        kind={"shape": shape, "rest": rest, "partition": partition},
        options=options,
        data=data,
        trials=trials,
        device=device,
        progress=progress,
    )


def freeze(
    ckpt: Path | str | Run | None = None,
    *,
    block: str | None = None,
    shape: Shape = "prefix",
    partition: Partition | None = None,
    options: FitOptions | None = None,
    data: Path | str | None = None,
    trials: Path | str = TRIALS_FOLDER,
    device: str = "auto",
    progress: bool | None = None,
) -> Record:
    """Train with some blocks frozen (Fig. 2c: those up to a block); parameters and result as in `fuse`.

    Examples
    --------
    >>> import tlprobe
    >>> record = tlprobe.freeze("runs/full", block="block2", trials="runs/trials")
    >>> [(row["treatment"], row["block"]) for row in record.rows]
    [('freeze', 'block2'), ('full', None)]
    """
    return _sweep(
        "freeze",
        ckpt,
        block=block,
        kind={"shape": shape, "partition": partition},
        options=options,
        data=data,
        trials=trials,
        device=device,
        progress=progress,
    )


def cutoff(
    ckpt: Path | str | Run | None = None,
    *,
    after: str | None = None,
    options: FitOptions | None = None,
    data: Path | str | None = None,
    trials: Path | str = TRIALS_FOLDER,
    device: str = "auto",
    progress: bool | None = None,
) -> Record:
    """Train networks that end after a block; parameters and result as in `fuse`, without ``"none"``.

    Examples
    --------
    >>> import tlprobe
    >>> record = tlprobe.cutoff("runs/full", after="block2", trials="runs/trials")
    >>> [(row["treatment"], row["block"]) for row in record.rows]
    [('cutoff', 'block2'), ('full', None)]
    """
    return _sweep(
        "cutoff",
        ckpt,
        block=after,
        kind={},
        options=options,
        data=data,
        trials=trials,
        device=device,
        progress=progress,
    )


def _sweep(
    treatment: Sweep,
    ckpt: Path | str | Run | None,
    *,
    block: str | None,
    kind: dict[str, Any],
    options: FitOptions | None,
    data: Path | str | None,
    trials: Path | str,
    device: str,
    progress: bool | None,
) -> Record:
    baseline = baseline_of(
        treatment, ckpt, options=options, data=data, trials=Path(trials), device=device, progress=progress
    )
    points = points_of(treatment, block_names=baseline.block_names, block=block, **kind)
    values = [str(point.block) for point in points]
    kinds = [canonical(point, block_names=baseline.block_names) for point in points]
    for level in [Point("full")] if block is not None else [Point("full"), Point("random")]:
        if (what := canonical(level, block_names=baseline.block_names)) not in kinds:
            points, kinds = [*points, level], [*kinds, what]
    runs: list[Run] = []
    for number, point in enumerate(points, start=1):
        _log.info("%s %d/%d: %s", treatment, number, len(points), point.block or point.treatment)
        runs.append(run_trial(baseline, point, progress=progress))
    rows = [row_of(run, point) for run, point in zip(runs, points, strict=True)]
    full = runs[kinds.index(canonical(Point("full"), block_names=baseline.block_names))]
    add_differences(rows, runs, full=full)
    for row in rows:
        row["run"] = row.pop("run")  # last: it is long, and says least
    config = baseline.config
    params = {
        "treatment": treatment,
        **kind_columns(points[0]),
        "block": block,
        "blocks": values,
        "backbone": config.backbone,
        "init": config.init,
        "fold": config.fold,
        "seed": config.seed,
        "recipe": config.recipe.model_dump(mode="json"),
        "image": config.image.model_dump(mode="json"),
        **shared_intervals(run.record.params for run in runs),
    }
    about = provenance(
        data=baseline.material.dataset.describe(),
        device=str(baseline.device),
        trained_s=sum({row["run"]: row["duration_s"] for row in rows}.values()),
    )
    return Record(probe=treatment, params=params, rows=rows, provenance=about)


def kind_columns(point: Point) -> dict[str, Any]:
    """Return the columns that say of which sweep a point is; None where they mean nothing."""
    swept = point.block is not None
    return {
        "shape": point.shape if swept else None,
        "rest": {"fuse": point.rest, "freeze": "trained"}.get(point.treatment) if swept else None,
        "partition": None if point.partition is None else str(point.partition),
    }


def row_of(run: Run, point: Point) -> dict[str, Any]:
    """Return a point's row of a sweep's record."""
    result = run.record.rows[0]
    names = ("backbone", "init", "fold", "seed", "epochs", "accuracy", "n", "ci_low", "ci_high")
    more = ("best_accuracy", "n_weights", "n_trained", "duration_s")
    return {
        "treatment": result["treatment"],
        "block": point.block,
        **kind_columns(point),
        **{name: result[name] for name in (*names, *more)},
        "run": run.name,
    }
