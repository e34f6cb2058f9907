"""Do stated probabilities mean what they say, and do several classifiers say the same?

Conventions: probabilities are soft-max outputs, one row a clip, float64; labels and predictions are class
indices from 0. Likelihoods are in nats, shares in [0, 1].
"""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from tlprobe.errors import ParameterError
from tlprobe.numerics.activations import FloatArray

__all__ = ["LEAST_PROBABILITY", "calibration_error", "disagreement", "negative_log_likelihood"]

LEAST_PROBABILITY = float(np.finfo(np.float32).smallest_subnormal)
"""The smallest positive value that a float32 soft-max can give, 2^-149: 103.3 nats."""

_SUM_TOLERANCE = 1e-4  # of a row's sum from 1: a float32 soft-max of thousands of classes stays well within


def negative_log_likelihood(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Return the mean of -ln of the probability given to the true class.

    A true class that was given less than `LEAST_PROBABILITY`, 0 included, counts as given that: one clip
    costs at most 149 ln 2 = 103.3 nats, and the mean stays finite.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n, n_classes), in [0, 1]]
        Soft-max outputs; each row sums to 1.
    labels : np.ndarray of int [shape=(n,), in [0, n_classes)]
        True classes.

    Returns
    -------
    nll : float in [0, 103.3], in nats

    Raises
    ------
    ParameterError
        If there is no clip, or the arrays are no probabilities and labels of the same clips.

    Examples
    --------
    >>> round(negative_log_likelihood([[0.5, 0.5], [0.25, 0.75]], [0, 1]), 4)  # (ln 2 + ln 4/3) / 2
    0.4904
    """
    p, true = _checked(probabilities, labels)
    given = p[np.arange(len(true)), true]
    return float(-np.log(np.clip(given, LEAST_PROBABILITY, 1.0)).mean()) + 0.0  # no -0.0


def calibration_error(probabilities: npt.ArrayLike, labels: npt.ArrayLike, *, n_bins: int = 15) -> float:
    """Return the expected calibration error (ECE) of the most probable class.

    Clips are binned by the probability of the class they are named; in each bin, the share named rightly
    should be the mean of these probabilities. Bins are equally wide and hold their upper edge:
    (0, 1/n_bins], (1/n_bins, 2/n_bins], ... Of few clips the error is biased upward.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n, n_classes), in [0, 1]]
        Soft-max outputs; each row sums to 1.
    labels : np.ndarray of int [shape=(n,), in [0, n_classes)]
        True classes.
    n_bins : int > 0
        15 as in the paper.

    Returns
    -------
    error : float in [0, 1]
        Mean over clips of their bin's distance.

    Raises
    ------
    ParameterError
        If there is no clip or no bin, or the arrays are no probabilities and labels of the same clips.

    References
    ----------
    Guo et al. 2017, https://arxiv.org/abs/1706.04599, eq. 3.

    Examples
    --------
    >>> round(calibration_error([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]], [0, 1, 1]), 4)  # (2 |0.5 - 0.9| + |1 - 0.6|) / 3
    0.4
    """
    p, true = _checked(probabilities, labels)
    if isinstance(n_bins, bool) or not isinstance(n_bins, int | np.integer) or n_bins < 1:
        raise ParameterError(f"n_bins={n_bins!r} is no number of bins; need a whole number > 0")
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == true
    where = np.searchsorted(np.arange(1, n_bins) / n_bins, confidence, side="left")
    surplus = np.bincount(where, weights=confidence - correct, minlength=n_bins)  # n times the distance
    return float(np.abs(surplus).sum() / len(true))


def disagreement(predicted: npt.ArrayLike) -> float:
    """Return how often two classifiers differ: the share of clips named differently, mean over all pairs.

    Parameters
    ----------
    predicted : np.ndarray of int [shape=(n_members, n)]
        The class that each of at least two members names, clip by clip.

    Returns
    -------
    share : float in [0, 1]

    Raises
    ------
    ParameterError
        If there are fewer than two members or no clip, or these are no class indices.

    References
    ----------
    Fort et al. 2019, https://arxiv.org/abs/1912.02757.

    Examples
    --------
    >>> disagreement([[0, 1, 2, 2], [0, 1, 2, 1], [0, 0, 2, 1]])  # pairs: 1/4, 2/4, 1/4
    0.3333333333333333
    """
    members = np.asarray(predicted)
    if members.ndim != 2 or members.shape[0] < 2 or members.shape[1] < 1:
        raise ParameterError(
            f"predicted has shape {members.shape}; need (n_members, n) of at least 2 members and 1 clip"
        )
    if not np.issubdtype(members.dtype, np.integer):
        raise ParameterError(f"predicted is of {members.dtype}; need class indices, whole numbers")
    return float(np.mean([(a != b).mean() for a, b in itertools.combinations(members, 2)]))


def _checked(probabilities: Any, labels: Any) -> tuple[FloatArray, npt.NDArray[np.integer[Any]]]:
    p, true = np.asarray(probabilities), np.asarray(labels)
    if p.ndim != 2 or not p.size or not np.issubdtype(p.dtype, np.floating):
        raise ParameterError(f"probabilities are {p.dtype} of shape {p.shape}; need floats (n, n_classes), n > 0")
    if true.shape != p.shape[:1] or not np.issubdtype(true.dtype, np.integer):
        raise ParameterError(f"labels are {true.dtype} of shape {true.shape}; need whole numbers ({len(p)},)")
    outside = ~((p >= 0) & (p <= 1))  # true of NaN
    if outside.any():
        raise ParameterError(f"probabilities hold {p[outside][0]}; need values in [0, 1]")
    p = p.astype(np.float64)
    total = p.sum(axis=1)
    off = np.abs(total - 1)
    if off.max() > _SUM_TOLERANCE:
        raise ParameterError(f"probabilities of clip {off.argmax()} sum to {total[off.argmax()]:.6g}; need 1")
    unknown = (true < 0) | (true >= p.shape[1])
    if unknown.any():
        raise ParameterError(f"labels hold {true[unknown][0]}; need class indices in [0, {p.shape[1]})")
    return p, true
