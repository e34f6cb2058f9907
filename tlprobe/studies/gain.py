"""Pretrained against random: what did pretraining give at all?

The two levels of every sweep, side by side, with their training curves. Reference: Palanisamy et al.
2020, https://arxiv.org/abs/2007.11154, Table I.
"""

from collections.abc import Sequence
from typing import Any

from tlprobe.errors import ParameterError
from tlprobe.records import Record, provenance
from tlprobe.studies.sweeps import Levels

__all__ = ["pretrained_vs_random"]


def pretrained_vs_random(pairs: Sequence[Levels]) -> Record:
    """Put pretrained and random runs beside each other.

    Parameters
    ----------
    pairs : sequence of Levels
        One a fold, seed or network; the runs of a pair share split, recipe and seed.

    Returns
    -------
    record : Record
        One row a run, as in a sweep: ``treatment`` (``full`` or ``random``), ``accuracy`` in [0, 1], ``n``,
        ``ci_low``, ``ci_high``. ``params["curves"]`` has each run's held-out accuracy by epoch.

    Raises
    ------
    ParameterError
        If there is no pair, or the runs of a pair do not belong together.
    """
    if not pairs:
        raise ParameterError("no runs to compare; give at least one pretrained and one random run")
    rows: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    for pair in pairs:
        for name in ("data_hash", "backbone", "fold", "recipe"):
            if getattr(pair.full.config, name) != getattr(pair.random.config, name):
                raise ParameterError(
                    f"{pair.full.path} and {pair.random.path} differ in {name.replace('_', ' ')}; a pair shares it"
                )
        for run in (pair.full, pair.random):
            result = run.record
            row = result.rows[0]
            names = ("treatment", "backbone", "init", "fold", "seed", "epochs", "accuracy", "n", "ci_low", "ci_high")
            rows.append({**{name: row[name] for name in (*names, "best_accuracy", "duration_s")}, "run": run.name})
            accuracies = [epoch["held_out_accuracy"] for epoch in result.params["history"]]
            curves.append({"run": run.name, "treatment": row["treatment"], "held_out_accuracy": accuracies})
    source = pairs[0].full.source
    data = {"name": source.name, "n_clips": source.n_clips, "hash": source.hash}
    params = {"recipe": pairs[0].full.config.recipe.model_dump(mode="json"), "curves": curves}
    return Record("pretrained_vs_random", params, rows, provenance(data=data))
