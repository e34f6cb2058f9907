"""The scores of one set of features: each with its interval over source recordings and its value by chance.

``linear_probe``  accuracy in [0, 1] on the held-out clips, see `tlprobe.numerics.ridge`
``logme``         nats a clip and class, of the training clips, see `tlprobe.numerics.logme`
``h_score``       in [0, K - 1], of the training clips, see `tlprobe.numerics.h_score`
``leep``          nats, of the training clips and of the network's own answers, see `tlprobe.numerics.leep`
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tlprobe.numerics.clip_scores import ClipScore, relabelled
from tlprobe.numerics.h_score import HScore
from tlprobe.numerics.intervals import accuracy_interval
from tlprobe.numerics.leep import leep
from tlprobe.numerics.logme import LogME
from tlprobe.numerics.resampling import Labels, cluster_bootstrap
from tlprobe.numerics.ridge import Fitted, RidgeProbe
from tlprobe.numerics.seeds import derive_seed

__all__ = ["BLOCK_SCORES", "N_PERMUTATIONS", "Part", "Score", "leep_score", "score_block"]

BLOCK_SCORES = ("linear_probe", "logme", "h_score")
N_PERMUTATIONS = 10
"""Of the labels; the value by chance is their mean."""


@dataclasses.dataclass(frozen=True)
class Part:
    """Some clips.

    Parameters
    ----------
    labels : np.ndarray [shape=(n_clips,), int64]
    groups : sequence of str [shape=(n_clips,)]
        The source recording of each.
    """

    labels: npt.NDArray[np.int64]
    groups: Labels


@dataclasses.dataclass(frozen=True)
class Score:
    """A score of a block.

    Parameters
    ----------
    row : dict
        ``score``, ``value``, its 95 % interval over recordings ``low`` and ``high`` (None where there is one
        recording), its mean over permuted labels ``null``, ``n`` clips, ``n_features``, and of the linear probe the
        ``penalty`` a clip.
    contributions : np.ndarray [shape=(n_clips,), float64]
        Of each clip, with the mean ``value``: of the linear probe, whether a held-out clip is named rightly.
    groups : sequence of str
        The source recording of each of these clips.
    """

    row: dict[str, Any]
    contributions: npt.NDArray[np.float64]
    groups: Labels


def score_block(
    train_features: npt.NDArray[np.float32],
    held_out_features: npt.NDArray[np.float32],
    *,
    train: Part,
    held_out: Part,
    seed: int,
) -> list[Score]:
    """Return the scores `BLOCK_SCORES` of features.

    Parameters
    ----------
    train_features, held_out_features : np.ndarray [shape=(n_clips, n_features)]
    train, held_out : Part
        The clips.
    seed : int
        Of the permutations.

    Raises
    ------
    ParameterError, UndefinedError
        If the features are not finite or all constant, or the training clips of one class or recording.
    """
    n_features = train_features.shape[1]
    probe = RidgeProbe(train_features, train.groups)

    def correct(fitted: Fitted) -> npt.NDArray[np.float64]:
        return np.asarray(fitted.predict(held_out_features) == held_out.labels, dtype=np.float64)

    fitted = probe.fit(train.labels)
    right = correct(fitted)
    low, high = accuracy_interval(right, held_out.groups)
    row = {
        "score": "linear_probe",
        "value": float(right.mean()),
        "low": low,
        "high": high,
        "null": _by_chance(lambda labels: float(correct(probe.fit(labels)).mean()), train, seed=seed),
        "n": len(right),
        "n_features": n_features,
        "penalty": fitted.penalty,
    }
    scores = [Score(row, right, held_out.groups)]
    for name, score in (("logme", LogME(train_features).score), ("h_score", HScore(train_features).score)):
        scores.append(_of_training(name, score, train, n_features=n_features, seed=seed))
    return scores


def leep_score(probabilities: npt.NDArray[np.float64], *, train: Part, seed: int) -> Score:
    """Return LEEP of probabilities ``(n_clips, n_source_classes)``, which are its features; errors as `score_block`."""
    n_features = probabilities.shape[1]
    return _of_training("leep", lambda labels: leep(probabilities, labels), train, n_features=n_features, seed=seed)


def _of_training(name: str, score: Callable[..., ClipScore], train: Part, *, n_features: int, seed: int) -> Score:
    found = score(train.labels)
    means = cluster_bootstrap([found.contributions], train.groups)
    row = {
        "score": name,
        "value": found.value,
        "low": float(means.low[0]),
        "high": float(means.high[0]),
        "null": _by_chance(lambda labels: score(labels).value, train, seed=seed),
        "n": len(train.labels),
        "n_features": n_features,
        "penalty": None,
    }
    return Score(row, found.contributions, train.groups)


def _by_chance(score: Callable[[npt.NDArray[np.int64]], float], train: Part, *, seed: int) -> float:
    """Return the mean score of the training labels, each recording's given to another."""
    seeds = (derive_seed(seed, "null", number) for number in range(N_PERMUTATIONS))
    return float(np.mean([score(relabelled(train.labels, train.groups, seed=one)) for one in seeds]))
