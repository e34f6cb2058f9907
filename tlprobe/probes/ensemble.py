"""Deep ensemble: what do several runs know together that one does not?

The mean of the members' soft-max outputs, clip by clip. The members differ in seed (head, batch order,
augmentation) or in network; they were scored on the same clips. Reference: Palanisamy et al. 2020,
https://arxiv.org/abs/2007.11154, section III-D and Table II.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tlprobe.errors import ParameterError
from tlprobe.numerics.intervals import wilson_interval
from tlprobe.records import Record, provenance
from tlprobe.train.predictions import Predictions
from tlprobe.train.run import Run

__all__ = ["ensemble", "mean_predictions"]


def ensemble(ckpt: Sequence[Path | str | Run]) -> Record:
    """Average the predictions of several runs on their common held-out fold.

    Parameters
    ----------
    ckpt : sequence of path or Run
        At least two different run directories of one data set and fold.

    Returns
    -------
    record : Record
        One row: ``members``, ``accuracy`` of the ensemble, ``single_mean`` of the members, in [0, 1], ``n``,
        ``ci_low``, ``ci_high`` (Wilson, of the ensemble). ``params["single"]`` lists the members. The
        array ``probabilities`` is ``(n, n_classes)``.

    Raises
    ------
    ParameterError
        If there are fewer than two, one twice, or they were not scored on the same clips.
    CheckpointError
        If one is no finished run.
    """
    runs = [item if isinstance(item, Run) else Run.load(item) for item in ckpt]
    if len(runs) < 2:
        raise ParameterError(f"an ensemble needs at least 2 runs; {len(runs)} given")
    paths = [run.path.resolve() for run in runs]
    twice = sorted({str(path) for path in paths if paths.count(path) > 1})
    if twice:
        raise ParameterError(f"{twice[0]} is given twice; an ensemble's members are different runs")
    first = runs[0]
    for run in runs[1:]:
        for name in ("data_hash", "fold", "classes"):
            if getattr(run.config, name) != getattr(first.config, name):
                raise ParameterError(
                    f"{run.path} and {first.path} differ in {name.replace('_', ' ')}; members must share clips"
                )
    members = [run.predictions() for run in runs]
    together = mean_predictions(members)
    n = len(together.clips)
    low, high = wilson_interval(together.n_correct, n)
    single = [
        {
            "run": run.name,
            "backbone": run.config.backbone,
            "init": run.config.init,
            "seed": run.config.seed,
            "accuracy": member.n_correct / n,
        }
        for run, member in zip(runs, members, strict=True)
    ]
    row = {
        "members": len(runs),
        "accuracy": together.n_correct / n,
        "single_mean": float(np.mean([item["accuracy"] for item in single])),
        "n": n,
        "ci_low": low,
        "ci_high": high,
    }
    params = {
        "runs": [run.name for run in runs],
        "fold": first.config.fold,
        "classes": list(first.config.classes),
        "clips": list(together.clips),
        "labels": list(together.labels),
        "single": single,
    }
    data = {"name": first.source.name, "n_clips": first.source.n_clips, "hash": first.source.hash}
    return Record("ensemble", params, [row], provenance(data=data), {"probabilities": together.probabilities})


def mean_predictions(members: Sequence[Predictions]) -> Predictions:
    """Return the mean of soft-max outputs.

    Parameters
    ----------
    members : sequence of Predictions
        Of the same clips in the same order.

    Raises
    ------
    ParameterError
        If the clips, labels or classes differ.
    """
    first = members[0]
    for member in members[1:]:
        if (member.clips, member.labels, member.classes) != (first.clips, first.labels, first.classes):
            raise ParameterError("the members' predictions are of different clips, labels or classes")
    mean = np.mean([member.probabilities for member in members], axis=0)
    return Predictions(clips=first.clips, labels=first.labels, classes=first.classes, probabilities=mean)
