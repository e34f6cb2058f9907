"""Deep ensemble: what do several runs know together that one does not?

The mean of the members' soft-max outputs, clip by clip, beside the members and beside their weight soup (one
network of the mean weights, see `tlprobe.probes.soup`). The members differ in seed (head, batch order,
augmentation) or in network; they were scored on the same clips. Conventions: accuracies, shares and calibration
errors are in [0, 1], likelihoods in nats. Reference: Palanisamy et al. 2020, https://arxiv.org/abs/2007.11154,
section III-D and Table II.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.numerics.calibration import calibration_error, disagreement, negative_log_likelihood
from tlprobe.numerics.intervals import INTERVALS, accuracy_interval
from tlprobe.probes.soup import soup_predictions, weight_soup
from tlprobe.records import Record, provenance
from tlprobe.train.device import resolve_device
from tlprobe.train.predictions import Predictions
from tlprobe.train.run import Run

__all__ = ["ensemble", "mean_predictions"]


def ensemble(
    ckpt: Sequence[Path | str | Run],
    *,
    soup: bool = True,
    data: Path | str | None = None,
    device: str = "auto",
    progress: bool | None = None,
) -> Record:
    """Average the predictions of several runs on their common held-out fold, and their weights beside it.

    Parameters
    ----------
    ckpt : sequence of path or Run
        At least two different run directories of one data set and fold.
    soup : bool
        Score the members' uniform weight soup too, where they can be averaged. It alone needs the data.
    data : path, optional
        The data set, where it has moved.
    device : {"auto", "cpu", "cuda"}
        Where the soup is scored.
    progress : bool or None
        None shows a bar on a terminal and in a notebook only.

    Returns
    -------
    record : Record
        One row: ``members``; ``accuracy``, ``n``, ``ci_low``, ``ci_high`` (over source recordings), ``nll``,
        ``calibration_error`` of the ensemble; ``single_mean``, ``single_sd`` (of members, n - 1) of the members'
        accuracies, ``single_nll``, ``single_calibration_error`` (means); ``disagreement`` (share of clips that two
        members name differently, mean over pairs); ``soup_accuracy``, ``soup_ci_low``, ``soup_ci_high``, ``soup_nll``,
        ``soup_calibration_error``, None where there is no soup: ``params["no_soup"]`` says why.
        ``params["single"]`` lists the members. The array ``probabilities`` is ``(n, n_classes)``.

    Raises
    ------
    ParameterError
        If there are fewer than two, one twice, they were not scored on the same clips, or `data` is given
        without `soup`.
    CheckpointError
        If one is no finished run, or is damaged.
    DataError
        If the soup's data set is gone or holds other clips.

    Examples
    --------
    >>> import tlprobe
    >>> row = tlprobe.ensemble(["runs/full", "runs/other"]).rows[0]
    >>> row["members"], row["n"], 0 <= row["accuracy"] <= 1
    (2, 80, True)
    """
    where = resolve_device(device)
    if data is not None and not soup:
        raise ParameterError(f"data={str(data)!r} is for the soup alone; leave it out, or ask for the soup")
    runs = [item if isinstance(item, Run) else Run.load(item) for item in ckpt]
    _require_members(runs)
    first = runs[0]
    members = [run.predictions() for run in runs]
    together = mean_predictions(members)
    single: list[dict[str, Any]] = [
        {
            "run": run.name,
            "backbone": run.config.backbone,
            "init": run.config.init,
            "seed": run.config.seed,
            **_scores(member),
        }
        for run, member in zip(runs, members, strict=True)
    ]
    mixed: Predictions | None = None
    no_soup: str | None = None if soup else "no weight soup: not asked for"
    if soup:
        try:
            state = weight_soup(runs)
        except ParameterError as error:  # the ensemble is none the worse for it
            no_soup = str(error)
        else:
            mixed = soup_predictions(first, state, data=data, device=device, progress=progress)
    groups = _recordings(first, together)
    low, high = accuracy_interval(together.correct, groups)
    row: dict[str, Any] = {
        "members": len(runs),
        **_scores(together),
        "single_mean": _mean(single, "accuracy"),
        "single_sd": float(np.std([item["accuracy"] for item in single], ddof=1)),
        "single_nll": _mean(single, "nll"),
        "single_calibration_error": _mean(single, "calibration_error"),
        "disagreement": disagreement([member.probabilities.argmax(1) for member in members]),
        **_soup_columns(mixed, groups),
        "n": len(together.clips),
        "ci_low": low,
        "ci_high": high,
    }
    params = {
        **INTERVALS,
        "runs": [run.name for run in runs],
        "fold": first.config.fold,
        "classes": list(first.config.classes),
        "clips": list(together.clips),
        "labels": list(together.labels),
        "groups": list(groups),
        "single": single,
        "no_soup": no_soup,
    }
    about = provenance(
        data=first.source.describe(),
        device=str(where) if mixed is not None else None,
    )
    return Record("ensemble", params, [row], about, {"probabilities": together.probabilities})


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


def _require_members(runs: Sequence[Run]) -> None:
    """Refuse runs that are no ensemble: too few, one twice, or of other clips."""
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


def _scores(found: Predictions) -> dict[str, float]:
    unknown = sorted(set(found.labels) - set(found.classes))
    if unknown:
        raise ParameterError(f"label {unknown[0]!r} is none of the classes {', '.join(found.classes[:5])}")
    labels = [found.classes.index(label) for label in found.labels]
    return {
        "accuracy": found.n_correct / len(labels),
        "nll": negative_log_likelihood(found.probabilities, labels),
        "calibration_error": calibration_error(found.probabilities, labels),
    }


def _recordings(run: Run, found: Predictions) -> tuple[str, ...]:
    """Return the source recording of each clip."""
    held_out = run.held_out()
    if held_out.clips != found.clips:
        raise CheckpointError(f"{run.path}: predictions.csv and the answers by epoch are of different clips")
    return held_out.groups


def _soup_columns(found: Predictions | None, groups: Sequence[str]) -> dict[str, float | None]:
    if found is None:
        names = ("accuracy", "nll", "calibration_error", "ci_low", "ci_high")
        return {f"soup_{name}": None for name in names}
    low, high = accuracy_interval(found.correct, groups)
    return {f"soup_{name}": value for name, value in {**_scores(found), "ci_low": low, "ci_high": high}.items()}


def _mean(single: Sequence[dict[str, Any]], name: str) -> float:
    return float(np.mean([item[name] for item in single]))
