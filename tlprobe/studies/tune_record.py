"""The record of a search: a row a trial, the chosen one, and which of the searched values mattered."""

import math
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import optuna
import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from tlprobe.numerics.intervals import shared_intervals
from tlprobe.records import Record, provenance
from tlprobe.studies.plan import Plan
from tlprobe.studies.space import Range, Space
from tlprobe.studies.tune_journal import finished, reason_of
from tlprobe.studies.tune_worker import Search
from tlprobe.train.run import Run

__all__ = ["EVALUATOR", "best_yaml", "search_record"]

EVALUATOR = "fANOVA"
"""How importances are estimated: share of the accuracies' variance, over the space, that a value explains alone."""

_MIN_FOR_IMPORTANCE = 4
_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


def search_record(study: optuna.Study, search: Search, plan: Plan) -> Record:
    """Return the record of a search as it stands.

    Parameters
    ----------
    study : optuna.Study
    search : Search
    plan : Plan
        Of its one training.

    Returns
    -------
    record : Record
        A row a trial: ``number``, ``state`` (``complete``, ``diverged``, ``pruned``, ``failed``, ``running``,
        ``waiting``), ``reason``, the searched values, ``inner_accuracy`` (in [0, 1], after its last epoch),
        ``epochs``, ``run``, ``duration_s``.

        ``params["chosen"]`` is the complete trial with the highest accuracy on the inner fold, the first of equals.
        Once the search is over it has its accuracy on the held-out fold as well, with its 95 % interval.
    """
    trials = study.get_trials(deepcopy=False)
    rows = [_row(trial, trials, search.space) for trial in trials]
    n_finished = len(finished(trials))
    config = plan.trials[0].config
    best = _best(rows)
    is_over = n_finished >= search.n_trials
    run = Run.load(search.trials / best["run"]) if best is not None and is_over else None
    importance, why_none = _importance(trials, search.space, seed=search.seed)
    params = {
        "space": search.space.model_dump(mode="json")["space"],
        "sampler": search.sampler,
        "sampler_seed": search.seed,
        "pruning": search.prune,
        "n_trials": search.n_trials,
        "n_finished": n_finished,
        "backbone": config.backbone,
        "init": config.init,
        "treatment": config.treatment,
        "fold": config.fold,
        "inner_fold": config.inner_fold,
        "seed": config.seed,
        "epochs": config.recipe.epochs,
        "chosen": None if best is None else _chosen(best, search.space, run),
        "importance": importance,
        "importance_evaluator": EVALUATOR,
        "importance_n": sum(row["state"] == "complete" for row in rows),
        "why_no_importance": why_none,
        **({} if run is None else shared_intervals([run.record.params])),
    }
    data = None if run is None else run.source.describe()
    return Record("tune", params, rows, provenance(data=data, optuna=version("optuna")))


def best_yaml(record: Record, search: Search) -> str:
    """Return the chosen recipe as a file for ``--recipe``, all its values in it."""
    chosen = record.params["chosen"]
    recipe = search.space.recipe_of(chosen["values"]).model_dump(mode="json")
    header = (
        f"# Trial {chosen['number']} of a search with {record.params['n_finished']} trials: "
        f"{100 * chosen['inner_accuracy']:.1f} % on the inner fold that chose it,\n"
        f"# {100 * chosen['accuracy']:.1f} % on the held-out fold, n = {chosen['n']}. "
        f"Searched: {', '.join(chosen['values'])}.\n"
    )
    return header + yaml.safe_dump(recipe, sort_keys=False)


def _row(trial: FrozenTrial, trials: Sequence[FrozenTrial], space: Space) -> dict[str, Any]:
    reason = reason_of(trial, trials)
    has_diverged = trial.state == TrialState.COMPLETE and reason is not None
    return {
        "number": trial.number,
        "state": "diverged" if has_diverged else _STATES[trial.state],
        "reason": reason,
        **{name: trial.params.get(name) for name in space.space},
        "inner_accuracy": trial.intermediate_values[max(trial.intermediate_values)]
        if trial.intermediate_values
        else None,
        "epochs": len(trial.intermediate_values),
        "run": trial.user_attrs.get("run"),
        "duration_s": trial.user_attrs.get("duration_s"),
    }


def _best(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the row of the complete trial with the highest accuracy on the inner fold, the first of equals."""
    complete = [row for row in rows if row["state"] == "complete"]
    return max(complete, key=lambda row: float(row["inner_accuracy"]), default=None)


def _chosen(best: dict[str, Any], space: Space, run: Run | None) -> dict[str, Any]:
    found = {name: best[name] for name in ("number", "run", "inner_accuracy")}
    found["values"] = {name: best[name] for name in space.space}
    if run is None:
        return found
    row = run.record.rows[0]
    n_inner = run.source.n_clips - row["n"] - row["n_train"]
    return {**found, "n_inner": n_inner, **{name: row[name] for name in ("accuracy", "ci_low", "ci_high", "n")}}


def _importance(
    trials: Sequence[FrozenTrial], space: Space, *, seed: int
) -> tuple[dict[str, float] | None, str | None]:
    """Return each searched value's share, which sum to 1; or why there is none."""
    used = [trial for trial in trials if trial.state == TrialState.COMPLETE and "reason" not in trial.user_attrs]
    searched = {name: item for name, item in space.space.items() if isinstance(item, Range) or len(item) > 1}
    if len(used) < _MIN_FOR_IMPORTANCE:
        return None, f"{len(used)} complete trials; it takes {_MIN_FOR_IMPORTANCE}"
    if len(searched) < 2:
        return None, "a single value is searched"
    if len({trial.value for trial in used}) == 1:
        return None, "all complete trials have the same accuracy"
    # A study of its own: fANOVA would take a logarithmic range as a linear one, most of which is its upper end.
    scale = {name: math.log10 if isinstance(item, Range) and item.log else _same for name, item in searched.items()}
    distributions: dict[str, BaseDistribution] = {
        name: FloatDistribution(scale[name](item.low), scale[name](item.high))
        if isinstance(item, Range)
        else CategoricalDistribution(item)
        for name, item in searched.items()
    }
    study = optuna.create_study(direction="maximize")
    for trial in used:
        values = {name: scale[name](trial.params[name]) for name in searched}
        study.add_trial(optuna.trial.create_trial(params=values, distributions=distributions, value=trial.value))
    return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed % 2**32)), None


def _same(value: Any) -> Any:
    return value
