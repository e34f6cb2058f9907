"""Pretrained against random: what did pretraining give at all?

The two levels of every sweep, side by side, with their training curves. Reference: Palanisamy et al.
2020, https://arxiv.org/abs/2007.11154, Table I.
"""

from collections.abc import Sequence
from typing import Any

from tlprobe.errors import ParameterError
from tlprobe.numerics.intervals import shared_intervals
from tlprobe.records import Record, provenance
from tlprobe.train.run import Run

__all__ = ["pretrained_vs_random"]


def pretrained_vs_random(runs: Sequence[Run]) -> Record:
    """Put pretrained and random runs beside each other.

    Parameters
    ----------
    runs : sequence of Run
        Of several folds, seeds or networks: a pretrained and a random one of each, with one recipe.

    Returns
    -------
    record : Record
        One row a run, as in a sweep: ``treatment`` (``full`` or ``random``), ``accuracy`` in [0, 1], ``n``,
        ``ci_low``, ``ci_high``. ``params["curves"]`` has each run's held-out accuracy by epoch.

    Raises
    ------
    ParameterError
        If there is no run, one has no partner, or the two differ in more than their start.
    """
    if not runs:
        raise ParameterError("no runs to compare; give at least one pretrained and one random run")
    pairs: dict[tuple[Any, ...], dict[str, Run]] = {}
    for run in runs:
        key = (run.config.backbone, run.config.fold, run.config.seed)
        pairs.setdefault(key, {})[run.config.treatment] = run
    rows: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    for (backbone, fold, seed), pair in pairs.items():
        if set(pair) != {"full", "random"}:
            there = ", ".join(sorted(pair))
            raise ParameterError(f"{backbone}, fold {fold}, seed {seed}: a pair is full and random, found {there}")
        for name in ("data_hash", "recipe", "inner_fold"):
            if getattr(pair["full"].config, name) != getattr(pair["random"].config, name):
                paths = f"{pair['full'].path} and {pair['random'].path}"
                raise ParameterError(f"{paths} differ in {name.replace('_', ' ')}; a pair shares it")
        for run in (pair["full"], pair["random"]):
            result = run.record
            row = result.rows[0]
            names = ("treatment", "backbone", "init", "fold", "seed", "epochs", "accuracy", "n", "ci_low", "ci_high")
            rows.append({**{name: row[name] for name in (*names, "best_accuracy", "duration_s")}, "run": run.name})
            accuracies = [epoch["held_out_accuracy"] for epoch in result.params["history"]]
            curves.append({"run": run.name, "treatment": row["treatment"], "held_out_accuracy": accuracies})
    first = runs[0]
    params = {
        "recipe": first.config.recipe.model_dump(mode="json"),
        "curves": curves,
        **shared_intervals(run.record.params for run in runs),
    }
    return Record("pretrained_vs_random", params, rows, provenance(data=first.source.describe()))
