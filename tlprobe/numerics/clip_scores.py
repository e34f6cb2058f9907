"""What scores of transferability share: how features and labels come in, and how a score's uncertainty comes out.

A score (LogME, H-score, LEEP) is one number of many clips, but no mean of them. To resample recordings all the same, it
is given with a *contribution* of each clip: numbers whose mean is the score, and whose differences are what the score
would change by, times n, if the clip were left out. A bootstrap of their mean is the bootstrap of the score to first
order (Davison & Hinkley 1997, Bootstrap Methods and their Application, section 2.7). The plain bootstrap would not do:
a resample holds a clip twice, a fit with almost as many features as clips is then too good, and its interval lies
above the score itself.

Conventions: features are ``(n_clips, n_features)``, labels ``(n_clips,)`` of any kind.
"""

import dataclasses
from collections.abc import Hashable

import numpy as np
import numpy.typing as npt

from tlprobe.errors import ParameterError, UndefinedError
from tlprobe.numerics.activations import FloatArray
from tlprobe.numerics.permutation import derangement
from tlprobe.numerics.resampling import Labels, codes_of
from tlprobe.numerics.seeds import derive_seed

__all__ = ["ClipScore", "as_features", "bootstrap_means", "decompose", "indicators", "relabelled"]


@dataclasses.dataclass(frozen=True)
class ClipScore:
    """A score and what each clip contributes to it.

    Parameters
    ----------
    value : float
    contributions : np.ndarray [shape=(n_clips,), float64]
        Their mean is `value`.
    """

    value: float
    contributions: FloatArray

    @classmethod
    def of(cls, value: float, changes: FloatArray) -> "ClipScore":
        """Return a score whose clips' contributions differ as `changes` do."""
        return cls(value, value + changes - changes.mean())


def as_features(features: npt.ArrayLike) -> FloatArray:
    """Return features as float64.

    Raises
    ------
    ParameterError
        If they are no ``(n_clips, n_features)`` of two clips at least, or not finite.
    UndefinedError
        If each feature is constant: it says nothing of a clip.
    """
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or len(x) < 2 or not x.shape[1]:
        raise ParameterError(f"features of shape {x.shape} given; need (n_clips, n_features), at least 2 clips")
    if n_bad := int((~np.isfinite(x)).sum()):
        raise ParameterError(f"{n_bad} of {x.size} feature values are not finite; need numbers")
    if (x == x[0]).all():
        raise UndefinedError(f"all {x.shape[1]} features are constant over {len(x)} clips; no score is defined")
    return x


def indicators(labels: Labels, n: int) -> tuple[list[Hashable], FloatArray]:
    """Return the classes that occur, and which of them each clip is of.

    Returns
    -------
    classes : list of hashable, k >= 2
    of_class : np.ndarray [shape=(n, k), 0 or 1]
        A column for each of `classes`.

    Raises
    ------
    ParameterError
        If there are not `n` labels.
    UndefinedError
        If they name one class.

    Examples
    --------
    >>> classes, of_class = indicators(["dog", "cat", "dog"], 3)
    >>> classes, of_class.tolist()
    (['cat', 'dog'], [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    """
    names, codes = codes_of(labels, n, "class")
    if len(names) < 2:
        raise UndefinedError(f"all {n} clips are of class {names[0]!r}; a score needs at least 2 classes")
    return names, np.eye(len(names))[codes]


def decompose(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the thin singular value decomposition of features, without the directions that are rounding.

    Returns
    -------
    u : np.ndarray [shape=(n_clips, rank)]
    s : np.ndarray [shape=(rank,)] > 0
        Falling.
    vt : np.ndarray [shape=(rank, n_features)]
    """
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    rank = int((s > s[0] * max(x.shape) * np.finfo(np.float64).eps).sum())
    return u[:, :rank], s[:rank], vt[:rank]


def relabelled(labels: npt.NDArray[np.int64], groups: Labels, *, seed: int) -> npt.NDArray[np.int64]:
    """Return labels as chance would give them: each recording's clips get the labels of another recording.

    Clips of one recording so keep a label in common. Those of a shorter one are repeated.

    Parameters
    ----------
    labels : np.ndarray [shape=(n_clips,), int64]
    groups : sequence of hashable [shape=(n_clips,)]
        The source recording of each clip.
    seed : int
        Of the draw.

    Raises
    ------
    ParameterError
        If there are fewer than two recordings.

    Examples
    --------
    >>> relabelled(np.array([0, 1, 1]), ["a", "b", "b"], seed=0).tolist()
    [1, 0, 0]
    """
    names, codes = codes_of(groups, len(labels), "group")
    if len(names) < 2:
        raise ParameterError(f"{len(labels)} clips of {len(names)} recording(s); need at least 2 to permute labels")
    partner = derangement(len(names), seed=derive_seed(seed, "relabelled"))
    clips = [np.flatnonzero(codes == number) for number in range(len(names))]
    drawn = np.empty_like(labels)
    for number, own in enumerate(clips):
        drawn[own] = np.resize(labels[clips[partner[number]]], len(own))
    return drawn


def bootstrap_means(contributions: FloatArray, groups: Labels, *, n_resamples: int, seed: int) -> FloatArray:
    """Return means of some series over recordings drawn with replacement, the same draws for all of them.

    Parameters
    ----------
    contributions : np.ndarray [shape=(n_series, n_clips), float64]
    groups : sequence of hashable [shape=(n_clips,)]
        The source recording of each clip.
    n_resamples : int > 0
    seed : int
        Of the draws.

    Returns
    -------
    means : np.ndarray [shape=(n_resamples, n_series), float64]
    """
    names, codes = codes_of(groups, contributions.shape[1], "group")
    totals = np.array([np.bincount(codes, weights=row, minlength=len(names)) for row in contributions])
    rng = np.random.default_rng(derive_seed(seed, "bootstrap means"))
    times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_resamples)
    return np.asarray((times @ totals.T) / (times @ np.bincount(codes))[:, None])
