"""Fusion, freezing and cutoff over the blocks of one network: the curves of Fig. 2.

A sweep is a list of trials (`tlprobe.studies.trials`) and a record of their accuracies. Every point,
the random ones included, is trained by one recipe, from one starting state, on one split.
"""

import dataclasses
import logging
from pathlib import Path
from typing import Any, Literal

from tlprobe.backbones.registry import build
from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.records import Record, provenance
from tlprobe.studies.trials import NONE, Baseline, canonical, run_trial, starting_weights_of
from tlprobe.train.config import Treatment
from tlprobe.train.device import resolve_device
from tlprobe.train.material import FitOptions, prepare, reload_material
from tlprobe.train.run import Run

__all__ = ["TRIALS_FOLDER", "Levels", "cutoff", "freeze", "fuse", "levels"]

TRIALS_FOLDER = "runs/trials"
"""Where trials live unless said otherwise: one place, so that sweeps share what coincides."""

_log = logging.getLogger(__name__)

Sweep = Literal["fuse", "freeze", "cutoff"]

_REST: dict[Sweep, str | None] = {"fuse": "random", "freeze": "trained", "cutoff": None}


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
    baseline = _baseline(
        "fuse", ckpt, options=options, data=data, trials=Path(trials), device=device, progress=progress
    )
    return Levels(
        full=run_trial(baseline, treatment="full", block=None, progress=progress),
        random=run_trial(baseline, treatment="random", block=None, progress=progress),
    )


def fuse(
    ckpt: Path | str | Run | None = None,
    *,
    upto: str | None = None,
    options: FitOptions | None = None,
    data: Path | str | None = None,
    trials: Path | str = TRIALS_FOLDER,
    device: str = "auto",
    progress: bool | None = None,
) -> Record:
    """Train with pretrained weights up to a block, and random ones after it (Fig. 2b).

    Parameters
    ----------
    ckpt : path or Run, optional
        A fully fine-tuned run. It gives recipe, data, fold, seed and its *starting* weights, and is the
        fully fine-tuned level itself. Without it, `options` say all that, and that level is trained.
    upto : str, optional
        ``"none"`` or a block, inclusive; default: the whole sweep, and the random level.
    options : FitOptions, optional
        Only without `ckpt`.
    data : path, optional
        The run's data set, where it has moved.
    trials : path
        Where trials live; finished ones are found there and never redone.
    device : {"auto", "cpu", "cuda"}
        Where to train.
    progress : bool or None
        None shows bars on a terminal only.

    Returns
    -------
    record : Record
        One row a point: ``block``, ``treatment`` (what the trial is, ``full`` and ``random`` where it
        coincides with these), ``accuracy`` in [0, 1] of the last epoch on the held-out fold, ``n``,
        ``ci_low``, ``ci_high`` (Wilson). Levels that are no point have ``block`` None.

    Raises
    ------
    ParameterError
        If `upto` names no block, or `ckpt` was not pretrained or is no fully fine-tuned run.
    CheckpointError, DataError, DivergedError, ResourceError
        If a run, its data, or a training fails.
    """
    return _sweep("fuse", ckpt, block=upto, options=options, data=data, trials=trials, device=device, progress=progress)


def freeze(
    ckpt: Path | str | Run | None = None,
    *,
    upto: str | None = None,
    options: FitOptions | None = None,
    data: Path | str | None = None,
    trials: Path | str = TRIALS_FOLDER,
    device: str = "auto",
    progress: bool | None = None,
) -> Record:
    """Train with the blocks up to one frozen (Fig. 2c); parameters and result as in `fuse`."""
    return _sweep(
        "freeze", ckpt, block=upto, options=options, data=data, trials=trials, device=device, progress=progress
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
    """Train networks that end after a block; parameters and result as in `fuse`, without ``"none"``."""
    return _sweep(
        "cutoff", ckpt, block=after, options=options, data=data, trials=trials, device=device, progress=progress
    )


def _sweep(
    treatment: Sweep,
    ckpt: Path | str | Run | None,
    *,
    block: str | None,
    options: FitOptions | None,
    data: Path | str | None,
    trials: Path | str,
    device: str,
    progress: bool | None,
) -> Record:
    baseline = _baseline(
        treatment, ckpt, options=options, data=data, trials=Path(trials), device=device, progress=progress
    )
    names = baseline.block_names
    whole = (NONE, *names) if treatment != "cutoff" else names
    values = whole if block is None else (block,)
    points: list[tuple[Treatment, str | None]] = [(treatment, value) for value in values]
    levels: list[Treatment] = ["full"] if block is not None else ["full", "random"]
    done = {canonical(item, value, block_names=names) for item, value in points}  # all checked before a training
    points += [(level, None) for level in levels if (level, None) not in done]
    rows: list[dict[str, Any]] = []
    for number, (item, value) in enumerate(points, start=1):
        _log.info("%s %d/%d: %s", treatment, number, len(points), value or item)
        run = run_trial(baseline, treatment=item, block=value, progress=progress)
        rows.append(_row(run, block=value, rest=_REST[treatment]))
    config = baseline.config
    params = {
        "treatment": treatment,
        "shape": "prefix",
        "block": block,
        "blocks": list(values),
        "backbone": config.backbone,
        "init": config.init,
        "fold": config.fold,
        "seed": config.seed,
        "recipe": config.recipe.model_dump(mode="json"),
        "image": config.image.model_dump(mode="json"),
    }
    about = provenance(
        data=baseline.material.dataset.describe(),
        device=str(baseline.device),
        trained_s=sum({row["run"]: row["duration_s"] for row in rows}.values()),
    )
    return Record(probe=treatment, params=params, rows=rows, provenance=about)


def _baseline(
    treatment: Sweep,
    ckpt: Path | str | Run | None,
    *,
    options: FitOptions | None,
    data: Path | str | None,
    trials: Path,
    device: str,
    progress: bool | None,
) -> Baseline:
    where = resolve_device(device)
    if ckpt is None:
        prepared = prepare(options or FitOptions(), progress=progress)
        _require_pretrained(treatment, prepared.config.init, source="--weights")
        return Baseline(
            config=prepared.config,
            block_names=prepared.model.block_names,
            material=prepared.material,
            starting=prepared.starting,
            full=None,
            folder=trials,
            device=where,
        )
    if options is not None:
        raise ParameterError("ckpt gives data, network and recipe; options beside it would be ignored")
    if not isinstance(ckpt, Run) and Path(ckpt).is_file():
        raise CheckpointError(
            f"{ckpt} is a weight file, and what it started from is not known; give a run by --ckpt, "
            f"or start from the file by --weights {ckpt}"
        )
    run = ckpt if isinstance(ckpt, Run) else Run.load(ckpt)
    _require_pretrained(treatment, run.config.init, source=str(run.path))
    starting = starting_weights_of(run)
    material = reload_material(run, data=data, to_train=True, progress=progress)
    names = build(
        run.config.backbone, n_classes=len(run.config.classes), seed=run.config.seed, image_shape=run.image_shape
    ).block_names
    return Baseline(
        config=run.config,
        block_names=names,
        material=material,
        starting=starting,
        full=run,
        folder=trials,
        device=where,
    )


def _require_pretrained(treatment: Sweep, init: str, *, source: str) -> None:
    if init == "random" and treatment != "cutoff":
        raise ParameterError(
            f"{source}: starts from random weights, nothing pretrained to {treatment}; take another start"
        )


def _row(run: Run, *, block: str | None, rest: str | None) -> dict[str, Any]:
    result = run.record.rows[0]
    return {
        "treatment": result["treatment"],
        "shape": "prefix",
        "block": block,
        "rest": rest if block is not None else None,
        **{name: result[name] for name in ("backbone", "init", "fold", "seed", "epochs", "accuracy", "n")},
        **{
            name: result[name]
            for name in ("ci_low", "ci_high", "best_accuracy", "n_weights", "n_trained", "duration_s")
        },
        "run": run.name,
    }
