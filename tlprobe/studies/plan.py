"""From a study to its trials: which points there are, which training each is, and how long they may take."""

import dataclasses
import itertools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from tlprobe.audio.settings import Features
from tlprobe.errors import CheckpointError
from tlprobe.studies.points import Point, canonical, points_of
from tlprobe.studies.study_file import Study
from tlprobe.studies.trials import trial_config, trial_name
from tlprobe.train.config import FitConfig
from tlprobe.train.material import FitOptions, define
from tlprobe.train.run import Run, is_finished

__all__ = ["Estimate", "Plan", "Planned", "View", "estimate", "plan_study"]

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Planned:
    """One trial of a study, and the points it stands for.

    Parameters
    ----------
    name : str
        Of its run directory.
    config : FitConfig
        What defines it.
    options : FitOptions
        From which its data and starting weights are loaded.
    points : tuple of (str, Point)
        At least one, each with the start of its sweep: fusing nothing, from ``imagenet``, is the random network.
    """

    name: str
    config: FitConfig
    options: FitOptions
    points: tuple[tuple[str, Point], ...]


@dataclasses.dataclass(frozen=True)
class View:
    """What a network of the grid is shown, and how that is split.

    Parameters
    ----------
    features : str, one of `tlprobe.audio.settings.FEATURES`
    data_split : str or None
        None: the data set's first.
    """

    features: Features
    data_split: str | None

    @classmethod
    def of(cls, options: FitOptions) -> "View":
        """Return what a trial's options say."""
        return cls(options.features, options.data_split)


@dataclasses.dataclass(frozen=True)
class Plan:
    """The trials of a study, in the order they are run.

    Parameters
    ----------
    study : Study
    trials : tuple of Planned
        Each training once.
    block_names : dict of str to tuple of str
        By network.
    grid : tuple of (str, str, View, Point)
        Network, start, view and point of each cell, in the study file's order; folds and seeds are within.
    """

    study: Study
    trials: tuple[Planned, ...]
    block_names: Mapping[str, tuple[str, ...]]
    grid: tuple[tuple[str, str, View, Point], ...]

    @property
    def n_points(self) -> int:
        """Points of the grid; several may be one trial."""
        return sum(len(trial.points) for trial in self.trials)


def plan_study(study: Study) -> Plan:
    """Return the trials of a study; no image is computed and nothing is trained.

    Parameters
    ----------
    study : Study

    Returns
    -------
    plan : Plan
        Fold by fold, seed by seed: a study that is stopped half-way has whole folds.

    Raises
    ------
    ParameterError, DataError, CheckpointError
        If data, weights or recipe cannot be used, or a network has no such fold or block.
    """
    found: dict[str, Planned] = {}
    block_names: dict[str, tuple[str, ...]] = {}
    bases: dict[tuple[View, str, str], tuple[FitConfig, FitOptions]] = {}
    inner_folds: dict[tuple[View, int], int | None] = {}
    views = itertools.starmap(View, itertools.product(study.features, study.data_splits))
    for view, network, init in itertools.product(views, study.networks, study.inits):
        options = _options(study, network=network, init=init, view=view)
        definition = define(options)
        for fold in definition.dataset.folds if study.folds == "all" else study.folds:
            definition.dataset.split(fold)
            inner_folds[view, fold] = definition.dataset.inner_fold(fold, wanted=study.inner_fold)
        bases[view, network, init] = (definition.config, options)
        block_names[network] = definition.model.block_names
    grid: dict[tuple[str, str, View, Point], None] = {}
    folds = dict.fromkeys(fold for _, fold in inner_folds)
    for fold, seed, (view, network, init) in itertools.product(folds, study.seeds, bases):
        if (view, fold) not in inner_folds:  # another split has more folds
            continue
        base, options = bases[view, network, init]
        config = base.model_copy(update={"fold": fold, "inner_fold": inner_folds[view, fold], "seed": seed})
        here = dataclasses.replace(options, fold=fold, seed=seed)
        for point in _points(study, block_names[network], init=init):
            grid[network, base.init, view, point] = None
            trial = trial_config(config, canonical(point, block_names=block_names[network]))
            name = trial_name(trial)
            before = found[name].points if name in found else ()
            if (base.init, point) not in before:
                points = (*before, (base.init, point))
                found[name] = Planned(name, trial, found[name].options if before else here, points)
    return Plan(study=study, trials=tuple(found.values()), block_names=block_names, grid=tuple(grid))


def _options(study: Study, *, network: str, init: str, view: View) -> FitOptions:
    same = ("data", "inner_fold", "recipe", "changes", "sr", "clip_s", "width", "short", "channel")
    return FitOptions(
        **study.data_options.given(),
        **dataclasses.asdict(view),
        backbone=network,
        weights=init,
        fold=1 if study.folds == "all" else study.folds[0],
        seed=study.seeds[0],
        **{name: getattr(study, name) for name in same},
    )


def _points(study: Study, names: tuple[str, ...], *, init: str) -> list[Point]:
    points: list[Point] = []
    for item in study.treatments:
        if item.treatment in ("full", "random"):
            points.append(Point(item.treatment))
        elif init != "random" or item.treatment == "cutoff":  # from random weights nothing is fused or frozen
            blocks: Sequence[str | None] = (None,) if item.blocks == "all" else item.blocks
            for block in blocks:
                points += points_of(
                    item.treatment,
                    block_names=names,
                    block=block,
                    shape=item.shape,
                    rest=item.rest,
                    partition=item.divided,
                )
    return list(dict.fromkeys(points))


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What is left of a study.

    Parameters
    ----------
    finished, missing : tuple of str
        Names of trials.
    seconds : float or None
        Of training for the missing ones, one after the other; None where nothing similar is finished.
    """

    finished: tuple[str, ...]
    missing: tuple[str, ...]
    seconds: float | None


def estimate(plan: Plan, *, trials: Path) -> Estimate:
    """Say which trials are finished, and how long the others may take.

    An epoch of a missing trial is taken to last as long as one of the finished trials of its network and
    treatment, else of its network, that are on the same clips.

    Parameters
    ----------
    plan : Plan
    trials : Path
        Where runs live, of other studies as well.
    """
    by_kind: dict[tuple[str, ...], list[float]] = {}
    data = {(trial.config.data_hash, trial.config.image) for trial in plan.trials}
    for folder in sorted(trials.glob("*/")):
        if not is_finished(folder):
            continue
        try:
            run = Run.load(folder)
            row = run.record.rows[0]
        except CheckpointError as error:
            _log.warning("%s", error)
            continue
        if (run.config.data_hash, run.config.image) in data:
            seconds = float(row["duration_s"]) / int(row["epochs"])
            for key in _keys(run.config):
                by_kind.setdefault(key, []).append(seconds)
    finished = tuple(trial.name for trial in plan.trials if is_finished(trials / trial.name))
    missing = [trial for trial in plan.trials if trial.name not in finished]
    total: float | None = 0.0
    for trial in missing:
        known = next((by_kind[key] for key in _keys(trial.config) if key in by_kind), None)
        total = None if known is None or total is None else total + fmean(known) * trial.config.recipe.epochs
    return Estimate(finished=finished, missing=tuple(trial.name for trial in missing), seconds=total)


def _keys(config: FitConfig) -> list[tuple[str, ...]]:
    return [
        (config.backbone, config.treatment, *config.blocks),
        (config.backbone, config.treatment),
        (config.backbone,),
    ]
