"""How sure is an accuracy, and is one treatment better than another, when clips are not independent?

Clips cut from one source recording succeed and fail together, so recordings (groups) are drawn and flipped,
never clips. Intervals cover the choice of recordings; what seeds and folds change is told by
`tlprobe.numerics.variance`. Conventions: correct is 1, wrong is 0, intervals are 95 % unless said otherwise.
Percentile intervals of fewer than about 20 groups are too narrow.
References: Davison & Hinkley 1997, Bootstrap Methods and their Application, section 3.8; Efron & Tibshirani 1993,
An Introduction to the Bootstrap, chapter 13 (percentiles).
"""

import dataclasses
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tlprobe.errors import ParameterError
from tlprobe.numerics.activations import FloatArray
from tlprobe.numerics.seeds import derive_seed

__all__ = [
    "ROUNDING",
    "Difference",
    "Labels",
    "Means",
    "check_level",
    "cluster_bootstrap",
    "codes_of",
    "holm",
    "mean_with_interval",
    "paired_difference",
]

Labels = Sequence[Hashable] | npt.NDArray[Any]

_CHUNK = 2**17  # draws made at once: 1 MiB an array of them, which a core's cache holds
ROUNDING = 1e-12
"""Relative: what sums of the same numbers in another order may differ by, and more."""


@dataclasses.dataclass(frozen=True)
class Means:
    """The mean of each series, and its interval: arrays of shape (n_series,)."""

    estimate: FloatArray
    low: FloatArray
    high: FloatArray


@dataclasses.dataclass(frozen=True)
class Difference:
    """A mean paired difference, its interval and its p-value.

    Parameters
    ----------
    estimate, low, high : float
        Of a less b.
    p_value : float in (0, 1]
        Two-sided.
    n : int > 0
        Clips that both cover.
    n_groups : int >= 2
        Source recordings of these.
    exact : bool
        Whether all sign patterns were counted, not a random choice of them.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    n: int
    n_groups: int
    exact: bool


def cluster_bootstrap(
    values: npt.ArrayLike, groups: Labels, *, n_resamples: int = 10_000, level: float = 0.95, seed: int = 0
) -> Means:
    """Return the mean of each series with its percentile interval over groups drawn with replacement.

    All series see the same draws, so they are paired. A resample's mean is the sum over the clips it covers, by their
    number. A resample without a clip of a series is left out of that series' percentiles.

    Parameters
    ----------
    values : array_like [shape=(n_series, n_clips)]
        Correct 0/1, or its mean over seeds; NaN where a series does not cover a clip (its fold was another).
    groups : sequence of hashable [shape=(n_clips,)]
        The source recording of each clip. Those that no series covers are not drawn.
    n_resamples : int > 0
    level : float in (0, 1)
        Coverage.
    seed : int
        Of the draws.

    Returns
    -------
    means : Means

    Raises
    ------
    ParameterError
        If shapes do not fit, a value is infinite, a series covers fewer than 2 groups or no resample covers it, or
        `n_resamples` or `level` is out of range.

    Examples
    --------
    >>> means = cluster_bootstrap([[1, 1, 0, 1], [1, 1, 1, 1]], ["a", "a", "b", "c"])
    >>> means.estimate.tolist(), means.low.tolist()
    ([0.75, 1.0], [0.0, 1.0])
    """
    check_level(level)
    _check_number(n_resamples, "n_resamples")
    sums, counts = _group_totals(values, groups)
    n_series, n_groups = sums.shape
    totals = np.concatenate([sums, counts]).T
    rng = np.random.default_rng(derive_seed(seed, "bootstrap"))
    means = np.full((n_resamples, n_series), np.nan)
    for rows in _chunks(n_resamples, n_groups):
        n_rows = rows.stop - rows.start
        drawn = rng.integers(n_groups, size=(n_rows, n_groups))
        drawn += n_groups * np.arange(n_rows)[:, None]  # each resample counts in a range of its own
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        resampled = times.astype(np.float64) @ totals  # (n_rows, 2 n_series)
        covered = resampled[:, n_series:]
        np.divide(resampled[:, :n_series], covered, out=means[rows], where=covered > 0)
    intervals = np.empty((n_series, 2))
    for number, column in enumerate(means.T):
        kept = column[~np.isnan(column)]
        if not len(kept):
            raise ParameterError(f"n_resamples={n_resamples} and none covers series {number}; need more")
        intervals[number] = np.quantile(kept, [0.5 - level / 2, 0.5 + level / 2])
    return Means(sums.sum(1) / counts.sum(1), *intervals.T)


def mean_with_interval(values: Sequence[float], groups: Labels) -> dict[str, float | int]:
    """Return what a row says of one series: ``mean``, its interval ``low``, ``high`` by `cluster_bootstrap`, and ``n``.

    Examples
    --------
    >>> mean_with_interval([1.0, 1.0, 0.0, 1.0], ["a", "a", "b", "c"])
    {'mean': 0.75, 'low': 0.0, 'high': 1.0, 'n': 4}
    """
    means = cluster_bootstrap([values], groups)
    return {
        "mean": float(np.mean(values)),
        "low": float(means.low[0]),
        "high": float(means.high[0]),
        "n": len(values),
    }


def paired_difference(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    groups: Labels,
    *,
    n_resamples: int = 10_000,
    n_permutations: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Return the mean of a - b on the same clips, its interval by `cluster_bootstrap`, and a p-value by sign flips.

    Without an effect a group's differences are as likely with the other sign; those of one group flip together. All
    patterns of signs are counted where there are at most `n_permutations`, else random ones and the observed
    (Phipson & Smyth 2010: a p-value is never 0). Groups whose differences sum to 0 change nothing and are not flipped.

    Parameters
    ----------
    a, b : array_like [shape=(n_clips,)]
        Correct 0/1, or its mean over seeds; NaN where neither covers a clip.
    groups : sequence of hashable [shape=(n_clips,)]
        The source recording of each clip.
    n_resamples, n_permutations : int > 0
    level : float in (0, 1)
        Coverage.
    seed : int
        Of the draws and of the signs.

    Returns
    -------
    difference : Difference

    Raises
    ------
    ParameterError
        If a and b cover different clips or fewer than 2 groups, shapes do not fit, or a number is out of range.

    References
    ----------
    Winkler et al. 2014, Permutation inference for the general linear model, NeuroImage 92 (blocks flipped whole).
    Phipson & Smyth 2010, Permutation P-values should never be zero, Stat. Appl. Genet. Mol. Biol. 9.

    Examples
    --------
    >>> paired_difference([1, 1, 1], [0, 0, 0], ["a", "b", "c"]).p_value  # 2 of 8 patterns: +++ and ---
    0.25
    """
    _check_number(n_permutations, "n_permutations")
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ParameterError(f"a and b of shapes {a.shape} and {b.shape} given; need (n_clips,) of both")
    if n_different := int((np.isnan(a) != np.isnan(b)).sum()):
        raise ParameterError(f"{n_different} clip(s) are covered by one of a and b alone; need both or neither")
    differences = (a - b)[None]
    means = cluster_bootstrap(differences, groups, n_resamples=n_resamples, level=level, seed=seed)
    sums, counts = _group_totals(differences, groups)
    flipped = sums[0][sums[0] != 0]
    least = abs(flipped.sum()) - ROUNDING * np.abs(flipped).sum()
    exact = 2 ** len(flipped) <= n_permutations
    if exact:
        totals = np.zeros(1)
        for value in flipped:
            totals = np.concatenate([totals + value, totals - value])
        p_value = float((np.abs(totals) >= least).mean())
    else:
        rng = np.random.default_rng(derive_seed(seed, "sign flips"))
        n_extreme = 0
        for rows in _chunks(n_permutations, len(flipped)):
            up = rng.integers(2, size=(rows.stop - rows.start, len(flipped)))
            n_extreme += int((np.abs((2.0 * up - 1) @ flipped) >= least).sum())
        p_value = (1 + n_extreme) / (1 + n_permutations)
    interval = float(means.estimate[0]), float(means.low[0]), float(means.high[0])
    return Difference(*interval, p_value, n=int(counts.sum()), n_groups=counts.shape[1], exact=exact)


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """Return p-values adjusted for their number, such that those <= alpha hold any false one with probability <= alpha.

    Parameters
    ----------
    p_values : array_like [shape=(n,)], in [0, 1]
        A NaN stays and does not count: a test that was not made.

    Returns
    -------
    adjusted : np.ndarray [shape=(n,)], in [0, 1]

    Raises
    ------
    ParameterError
        If they are not in one row, or one is no probability.

    References
    ----------
    Holm 1979, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    adjusted = np.array(p_values, dtype=np.float64)
    if adjusted.ndim != 1:
        raise ParameterError(f"p-values of shape {adjusted.shape} given; need (n,)")
    if (wrong := adjusted[(adjusted < 0) | (adjusted > 1)]).size:
        raise ParameterError(f"p-value {wrong[0]} is no probability; need 0 <= p <= 1")
    tested = np.flatnonzero(~np.isnan(adjusted))
    order = tested[np.argsort(adjusted[tested])]
    steps = np.arange(len(order), 0, -1) * adjusted[order]
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted


def check_level(level: float) -> None:
    """Refuse what is no coverage."""
    if not 0 < level < 1:
        raise ParameterError(f"level={level} is no coverage; need 0 < level < 1")


def _check_number(n: int, name: str) -> None:
    if n < 1:
        raise ParameterError(f"{name}={n}; need at least 1")


def _chunks(n: int, width: int) -> Iterator[slice]:
    """Cut n rows of this width into slices of about `_CHUNK` entries."""
    step = max(1, _CHUNK // width)
    return (slice(start, min(n, start + step)) for start in range(0, n, step))


def codes_of(labels: Labels, n: int, name: str) -> tuple[list[Hashable], npt.NDArray[np.intp]]:
    """Return the different labels and each entry's position among them.

    Sorted, so that draws depend on what the labels are and not on the order of the clips.
    """
    if len(labels) != n:
        raise ParameterError(f"{len(labels)} {name} label(s) for {n} entries; need one each")
    labels = labels.tolist() if isinstance(labels, np.ndarray) else labels
    names = sorted(dict.fromkeys(labels), key=str)
    if any(label != label for label in names):  # NaN: a missing label, and equal to none, itself included
        raise ParameterError(f"NaN is no {name}; give each entry its own")
    position = {label: number for number, label in enumerate(names)}
    return names, np.fromiter((position[label] for label in labels), dtype=np.intp, count=n)


def _group_totals(values: npt.ArrayLike, groups: Labels) -> tuple[FloatArray, FloatArray]:
    """Return sum and count of each series' clips by group, (n_series, n_groups), of groups that a series covers."""
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or not len(rows):
        raise ParameterError(f"values of shape {rows.shape} given; need (n_series, n_clips), at least one series")
    if np.isinf(rows).any():
        raise ParameterError("values hold an infinite one; need finite ones, or NaN where a clip is not covered")
    names, codes = codes_of(groups, rows.shape[1], "group")
    covered = ~np.isnan(rows)

    def by_group(of_clips: npt.NDArray[Any]) -> FloatArray:
        totals = [np.bincount(codes, weights=row, minlength=len(names)) for row in of_clips]
        return np.array(totals, dtype=np.float64).reshape(len(rows), len(names))

    sums, counts = by_group(np.where(covered, rows, 0)), by_group(covered)
    for number, n_groups in enumerate((counts > 0).sum(1)):
        if n_groups < 2:
            raise ParameterError(f"series {number} covers {n_groups} group(s); need at least 2 to resample")
    drawn = counts.any(0)
    return sums[:, drawn], counts[:, drawn]
