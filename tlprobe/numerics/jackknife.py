"""How sure is a similarity? The delete-one-group jackknife over clips.

Each estimate leaves out one group of clips, of all networks alike; their spread gives the interval. It
covers the choice of clips, at this number of samples: what chance adds to the value (its null) is in it.
Reference: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 11; Shao & Tu 1995, The
Jackknife and Bootstrap, section 2.3 (groups).
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from tlprobe.errors import ParameterError

__all__ = ["deal_groups", "jackknife_interval"]


def jackknife_interval(
    value: float, deleted: Sequence[float], *, low: float = 0.0, high: float = 1.0, level: float = 0.95
) -> tuple[float, float]:
    """Return the jackknife interval of a value.

    Parameters
    ----------
    value : float
        Of all clips.
    deleted : sequence of float, at least 2
        Without each of the G groups in turn.
    low, high : float
        The value's range; the interval stays in it.
    level : float in (0, 1)
        Coverage, by Student's t with G - 1 degrees of freedom.

    Returns
    -------
    ci_low, ci_high : float
        Around `value`.

    Raises
    ------
    ParameterError
        If there are fewer than two groups.

    Examples
    --------
    >>> jackknife_interval(0.5, [0.5, 0.5, 0.5])
    (0.5, 0.5)
    """
    g = len(deleted)
    if g < 2:
        raise ParameterError(f"{g} group(s) have no spread; need at least 2")
    spread = np.asarray(deleted) - np.mean(deleted)
    error = math.sqrt((g - 1) / g * float(spread @ spread))
    half = float(stats.t.ppf(0.5 + level / 2, g - 1)) * error
    return max(low, value - half), min(high, value + half)


def deal_groups(sources: Sequence[str], n_groups: int, *, seed: int) -> np.ndarray:
    """Deal clips into groups of nearly equal size; clips of one source stay together.

    Parameters
    ----------
    sources : sequence of str
        One a clip: the recording it was cut from.
    n_groups : int >= 1
        At most as many as there are sources are made.
    seed : int
        Of the order of sources among equals.

    Returns
    -------
    groups : np.ndarray [shape=(n_clips,), int]
        ``0 .. n_groups - 1``.

    Raises
    ------
    ParameterError
        If there is to be no group.
    """
    if n_groups < 1:
        raise ParameterError(f"n_groups={n_groups}; need at least 1")
    names, members = np.unique(np.asarray(sources, dtype=str), return_inverse=True)
    sizes = np.bincount(members)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]  # the largest first, each to the smallest group
    filled = np.zeros(min(n_groups, len(names)), dtype=int)
    group_of = np.zeros(len(names), dtype=int)
    for source in order:
        group_of[source] = int(np.argmin(filled))
        filled[group_of[source]] += sizes[source]
    return np.asarray(group_of[members])
