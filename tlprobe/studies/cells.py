"""From runs to the cells of a table: each point's score over its folds and seeds, with what it rests on.

A cell's accuracy is the mean over held-out clips, of each clip's mean over seeds, under each of the three rules
that say which epoch of a run is scored (`tlprobe.train.held_out`).
"""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tlprobe.errors import ParameterError
from tlprobe.numerics.intervals import INTERVALS, accuracy_intervals
from tlprobe.numerics.resampling import holm, paired_difference
from tlprobe.numerics.variance import LEAST_FOR_T, spread, t_interval, variance_components
from tlprobe.records import Record, provenance
from tlprobe.studies.plan import Plan, View, plan_study
from tlprobe.studies.points import Point
from tlprobe.studies.study_file import Study
from tlprobe.studies.sweeps import TRIALS_FOLDER, kind_columns
from tlprobe.train.held_out import RULES, Rule
from tlprobe.train.run import Run, is_finished

__all__ = ["cells", "study_cells"]

Scores = Mapping[str, float]  # clip -> how often it is right, in [0, 1]


@dataclasses.dataclass(frozen=True)
class _Cell:
    """A point of one network, start and view, and its runs by fold and seed."""

    backbone: str
    start: str
    view: View
    point: Point
    runs: dict[tuple[int, int], str]


def cells(plan: Plan, *, trials: Path) -> Record:
    """Return the cells of a study as it stands.

    Parameters
    ----------
    plan : Plan
    trials : Path
        Where runs live.

    Returns
    -------
    record : Record
        One row a cell. By rule ``accuracy``, ``best_accuracy`` and ``cross_fitted_accuracy``, in [0, 1]; ``optimism``
        is how much more the second claims than the third. ``ci_low``, ``ci_high``: of the first, 95 % percentile
        bootstrap over source recordings (`tlprobe.numerics.intervals`); it covers the choice of recordings alone.
        ``sd_seeds`` with ``n_seeds`` and ``sd_folds`` with ``n_folds`` stand beside it, ``seeds_low`` and
        ``seeds_high`` (Student's t) from 5 seeds on, and the variance components ``var_fold`` .. ``var_residual`` of
        single answers (`tlprobe.numerics.variance`) where every fold has every seed. ``difference``, its interval and
        ``p_value`` (sign flips by recording) compare with the fully fine-tuned network of the same backbone and start
        on the same clips; ``p_holm`` is adjusted for the tests of its sweep. A cell without a run has ``n_runs`` 0
        and None, and one whose runs are not all there says so by ``n_runs`` below ``n_planned``. ``compared_with``
        names the start of the network that the difference is to: its own, and for the random network of a study with
        a pretrained start that one, so that the difference is what pretraining gives, with its sign turned. Of a
        network that is shown other features than the study's first, it names these too. ``n_leaked`` counts the
        cell's held-out clips that share a sound with the training part.
        ``params`` say what all runs share: ``folds``, ``seeds``, ``recipe``, ``image`` (its features where all runs
        have the same), ``block_names``. Of several splits, the provenance has all names and hashes, and the greatest
        numbers of clips and folds.

    Raises
    ------
    ParameterError
        If no trial of the study is finished.
    CheckpointError
        If a run is damaged.
    """
    table = _table(plan)
    names = {name for cell in table for name in cell.runs.values() if is_finished(trials / name)}
    if not names:
        raise ParameterError(f"no trial of the study is finished in {trials}; `tlprobe study run` trains them")
    scores, n_leaked, group_of, about = _read(trials, sorted(names))
    clips = sorted(group_of)
    groups = [group_of[clip] for clip in clips]
    rows: list[dict[str, Any]] = []
    series: dict[int, npt.NDArray[np.float64]] = {}
    for number, cell in enumerate(table):
        runs = {at: name for at, name in cell.runs.items() if name in names}
        row = {
            "sweep": cell.point.treatment,
            "block": cell.point.block,
            **kind_columns(cell.point),
            "backbone": cell.backbone,
            "start": cell.start,
            "features": cell.view.features,
            "data_split": cell.view.data_split,
            "n_leaked": sum({at[0]: n_leaked[name] for at, name in runs.items()}.values()) if runs else None,
            "n_runs": len(runs),
            "n_planned": len(cell.runs),
        }
        rows.append(row)
        by_rule = {rule: _by_clip([scores[name][rule] for name in runs.values()], clips) for rule in RULES}
        row |= {f"{'' if rule == 'last' else rule + '_'}accuracy": _mean(by_rule[rule]) for rule in RULES}
        best, fitted = row["best_accuracy"], row["cross_fitted_accuracy"]
        row["optimism"] = None if best is None or fitted is None else best - fitted
        row |= _scatter(runs, scores)
        row["n"] = int(np.isfinite(by_rule["last"]).sum())
        if runs:
            series[number] = by_rule["last"]
    several = {
        number: values
        for number, values in series.items()
        if len({group for group, value in zip(groups, values, strict=True) if np.isfinite(value)}) > 1
    }
    for row in rows:
        row |= dict.fromkeys(("ci_low", "ci_high", "difference", "difference_low", "difference_high"))
        row |= dict.fromkeys(("p_value", "p_holm", "compared_with"))
    if several:
        intervals = accuracy_intervals(list(several.values()), groups)
        for number, (low, high) in zip(several, intervals.tolist(), strict=True):
            rows[number] |= {"ci_low": low, "ci_high": high}
    _compare(table, rows, several, groups)
    config = plan.trials[0].config
    image = config.image.model_dump(mode="json")
    if len({cell.view.features for cell in table}) > 1:
        del image["features"]
    params = {
        **INTERVALS,
        "rules": list(RULES),
        "n_trials": len(plan.trials),
        "folds": sorted({trial.config.fold for trial in plan.trials}),
        "inner_fold": plan.study.inner_fold,
        "seeds": sorted({trial.config.seed for trial in plan.trials}),
        "recipe": config.recipe.model_dump(mode="json"),
        "image": image,
        "block_names": {network: list(names) for network, names in plan.block_names.items()},
    }
    return Record("cells", params, rows, provenance(data=about))


def study_cells(study: Study, *, trials: Path | str = TRIALS_FOLDER) -> Record:
    """Return a study's finished runs as the cells of a table.

    Parameters
    ----------
    study : Study
        See `tlprobe.load_study`.
    trials : path
        Where runs live.

    Returns
    -------
    record : Record
        One row a cell, over its folds and seeds: accuracies in [0, 1] by rule, interval, scatter, and the paired
        difference to the fully fine-tuned network; see `cells`. `tlprobe.cells_table` makes a table of it.

    Raises
    ------
    ParameterError
        If the study cannot be planned, or none of its trials is finished.
    CheckpointError
        If a run is damaged.

    Examples
    --------
    >>> import pathlib
    >>> import tlprobe
    >>> text = "{networks: [timm/test_efficientnet], inits: [random], treatments: [full], changes: {epochs: 1}}"
    >>> _ = pathlib.Path("study.yaml").write_text(text)
    >>> study = tlprobe.load_study("study.yaml")
    >>> _ = tlprobe.run_study(study, out="out/study", trials="runs/trials")
    >>> record = tlprobe.study_cells(study, trials="runs/trials")
    >>> [(row["sweep"], row["n_runs"], row["n"]) for row in record.rows]
    [('full', 1, 80)]
    >>> print(tlprobe.cells_table(record).markdown().splitlines()[0])  # doctest: +ELLIPSIS
    | network | start | treatment | runs | ...
    """
    return cells(plan_study(study), trials=Path(trials))


def _table(plan: Plan) -> list[_Cell]:
    found = {key: _Cell(*key, runs={}) for key in plan.grid}
    for trial in plan.trials:
        config = trial.config
        for start, point in trial.points:
            found[config.backbone, start, View.of(trial.options), point].runs[config.fold, config.seed] = trial.name
    return list(found.values())


def _read(
    trials: Path, names: Sequence[str]
) -> tuple[dict[str, dict[Rule, Scores]], dict[str, int], dict[str, str], dict[str, Any]]:
    """Return of each run its scores by rule and clip and its leaked clips; each clip's recording; what the data are."""
    scores: dict[str, dict[Rule, Scores]] = {}
    n_leaked: dict[str, int] = {}
    group_of: dict[str, str] = {}
    sources: list[dict[str, Any]] = []
    leaked: dict[tuple[Any, int], int] = {}
    for name in names:
        run = Run.load(trials / name)
        held_out = run.held_out()
        scores[name] = {
            rule: dict(zip(held_out.clips, map(float, held_out.scores(rule)), strict=True)) for rule in RULES
        }
        group_of |= zip(held_out.clips, held_out.groups, strict=True)
        source = {**run.source.describe()}
        sources += [source] if source not in sources else []
        n_leaked[name] = leaked[source["hash"], run.config.fold] = run.record.rows[0]["n_leaked"]
    about: dict[str, Any] = {
        name: " / ".join(dict.fromkeys(str(source[name]) for source in sources)) for name in ("name", "hash", "split")
    }
    about |= {name: max(source[name] for source in sources) for name in ("n_clips", "n_folds", "n_skipped")}
    about["n_leaked"] = sum(leaked.values())
    return scores, n_leaked, group_of, about


def _by_clip(runs: Sequence[Scores], clips: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return each clip's mean over the runs that score it; NaN where none does."""
    found = [[run[clip] for run in runs if clip in run] for clip in clips]
    return np.array([statistics.fmean(values) if values else np.nan for values in found])


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    there = values[np.isfinite(values)]
    return float(there.mean()) if there.size else None


def _scatter(runs: Mapping[tuple[int, int], str], scores: Mapping[str, Mapping[Rule, Scores]]) -> dict[str, Any]:
    """Return how much the accuracy of the last epoch scatters over seeds (of the same folds) and over folds."""
    accuracy = {at: statistics.fmean(scores[name]["last"].values()) for at, name in runs.items()}
    folds, seeds = ({at[position] for at in accuracy} for position in (0, 1))
    whole = [seed for seed in seeds if all((fold, seed) in accuracy for fold in folds)]
    by_seed = [statistics.fmean(accuracy[fold, seed] for fold in folds) for seed in whole]
    by_fold = [statistics.fmean(value for at, value in accuracy.items() if at[0] == fold) for fold in folds]
    row: dict[str, Any] = {"n_seeds": len(whole), "n_folds": len(folds)}
    for name, values in (("seeds", by_seed), ("folds", by_fold)):
        row[f"sd_{name}"] = spread(values).sd if len(values) > 1 else None
    low, high = t_interval(by_seed) if len(by_seed) >= LEAST_FOR_T else (None, None)
    return row | {"seeds_low": low, "seeds_high": high, **_variances(runs, scores, whole=len(whole) == len(seeds))}


def _variances(
    runs: Mapping[tuple[int, int], str], scores: Mapping[str, Mapping[Rule, Scores]], *, whole: bool
) -> dict[str, float | None]:
    """Return the variance components of correct answers; None where the design is not whole or cannot tell."""
    names = ("fold", "seed", "fold_by_seed", "clip", "residual")
    entries = [
        (value, fold, seed, clip) for (fold, seed), name in runs.items() for clip, value in scores[name]["last"].items()
    ]
    several = len({clip for _, _, _, clip in entries}) > len({fold for _, fold, _, _ in entries})
    if not whole or not several:
        return {f"var_{name}": None for name in names}
    found = variance_components(*zip(*entries, strict=True))
    return {f"var_{name}": getattr(found, name) for name in names}


def _compare(
    table: Sequence[_Cell],
    rows: Sequence[dict[str, Any]],
    series: Mapping[int, npt.NDArray[np.float64]],
    groups: Sequence[str],
) -> None:
    """Add to each row how it differs from the fully fine-tuned network, where both score the same clips.

    The fully trained random network is compared with that of the study's first pretrained start, and a fully
    fine-tuned network that is shown other features with the one that is shown the study's first.
    """
    full = {(cell.backbone, cell.start, cell.view): n for n, cell in enumerate(table) if cell.point.treatment == "full"}
    pretrained = {backbone: start for backbone, start, _ in reversed(full) if start != "random"}
    families: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for number, cell in enumerate(table):
        row = rows[number]
        start, view = cell.start, cell.view
        if cell.point.treatment == "full":
            if start == "random" and cell.backbone in pretrained:
                start = pretrained[cell.backbone]
            else:
                view = dataclasses.replace(view, features=table[0].view.features)
        level = full.get((cell.backbone, start, view))
        if level is None or level == number or number not in series or level not in series:
            continue
        own, other = series[number], series[level]
        same_runs = set(cell.runs.values()) == set(table[level].runs.values())
        if same_runs or not np.array_equal(np.isnan(own), np.isnan(other)):
            continue
        found = paired_difference(own, other, groups)
        row |= {"difference": found.estimate, "difference_low": found.low, "difference_high": found.high}
        row |= {"p_value": found.p_value, "compared_with": start if view == cell.view else f"{start}, {view.features}"}
        point = cell.point
        of_features = cell.view.data_split if point.treatment == "full" else cell.view
        family = (cell.backbone, cell.start, of_features, point.treatment, point.shape, point.rest, point.partition)
        families.setdefault(family, []).append(row)
    for tested in families.values():
        for row, adjusted in zip(tested, holm([row["p_value"] for row in tested]), strict=True):
            row["p_holm"] = float(adjusted)
