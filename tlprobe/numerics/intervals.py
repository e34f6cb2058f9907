"""How sure is an accuracy? Its interval, for single runs as for cells of a table.

Conventions: accuracies and bounds are in [0, 1], intervals are 95 % unless said otherwise. They cover the
choice of held-out source recordings, not the choice of fold or seed.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from tlprobe.errors import ParameterError
from tlprobe.numerics.resampling import Labels, cluster_bootstrap

__all__ = ["INTERVALS", "accuracy_interval", "accuracy_intervals", "shared_intervals", "wilson_interval"]

INTERVALS = {"intervals": "bootstrap over source recordings"}
"""What a record's ``params`` say of the intervals of accuracies in it."""


def shared_intervals(params: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return what the params of several records say of their intervals; nothing where they differ, or do not say it.

    Examples
    --------
    >>> shared_intervals([INTERVALS, INTERVALS])
    {'intervals': 'bootstrap over source recordings'}
    >>> shared_intervals([INTERVALS, {}])
    {}
    """
    said = {record.get("intervals") for record in params}
    (kind, *others) = said or {None}
    return {"intervals": str(kind)} if kind is not None and not others else {}


def accuracy_interval(correct: npt.ArrayLike, groups: Labels) -> tuple[float, float] | tuple[None, None]:
    """Return the interval of one accuracy, see `accuracy_intervals`; None where all clips are of one recording.

    Parameters
    ----------
    correct : array_like [shape=(n_clips,)]
        Whether each clip is named rightly.
    groups : sequence of hashable [shape=(n_clips,)]
        The source recording of each clip.

    Examples
    --------
    >>> accuracy_interval([1, 1, 0, 1], ["a", "a", "b", "c"])
    (0.0, 1.0)
    >>> accuracy_interval([1, 0], ["a", "a"])
    (None, None)
    """
    if len(set(groups)) < 2:
        return None, None
    [[low, high]] = accuracy_intervals(np.asarray(correct, dtype=np.float64)[None], groups).tolist()
    return low, high


def accuracy_intervals(values: npt.ArrayLike, groups: Labels) -> npt.NDArray[np.float64]:
    """Return the interval of each accuracy: percentiles of a bootstrap over source recordings.

    Where every clip is right, or every one wrong, all resamples are alike and their percentiles would claim to
    be sure of it; there it is Wilson's interval, with recordings as trials.

    Parameters
    ----------
    values, groups
        As `tlprobe.numerics.resampling.cluster_bootstrap` takes them, with its errors.

    Returns
    -------
    intervals : np.ndarray [shape=(n_series, 2), float64, in [0, 1]]
        Low and high ends.
    """
    means = cluster_bootstrap(values, groups)
    intervals = np.stack([means.low, means.high], axis=1)
    for row, series in zip(intervals, np.asarray(values, dtype=np.float64), strict=True):
        there = ~np.isnan(series)
        if (series[there] == series[there][0]).all() and series[there][0] in (0, 1):
            n = len({group for group, covered in zip(groups, there, strict=True) if covered})
            row[:] = wilson_interval(n * int(series[there][0]), n)
    return intervals


def wilson_interval(n_correct: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a share of independent trials.

    Parameters
    ----------
    n_correct : int in [0, n]
        Number of successes.
    n : int > 0
        Number of trials.
    level : float in (0, 1)
        Coverage.

    Returns
    -------
    low, high : float in [0, 1]

    Raises
    ------
    ParameterError
        If the counts are no counts, or `level` is no coverage.

    References
    ----------
    Wilson 1927, Probable inference, the law of succession, and statistical inference, JASA 22.

    Examples
    --------
    >>> low, high = wilson_interval(181, 200)
    >>> round(low, 3), round(high, 3)
    (0.856, 0.938)
    """
    if n <= 0 or not 0 <= n_correct <= n:
        raise ParameterError(f"n_correct={n_correct} of n={n} is no share; need 0 <= n_correct <= n and n > 0")
    if not 0 < level < 1:
        raise ParameterError(f"level={level} is no coverage; need 0 < level < 1")
    z = float(stats.norm.ppf(0.5 + level / 2))
    share = n_correct / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # The share is in its interval, rounding or not: at 0 and 1 the difference is a last digit.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))
