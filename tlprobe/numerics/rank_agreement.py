"""Do two measurements of the same few things rank them alike, and how sure is that?

Rank correlations in [-1, 1]: Kendall's tau-b and Spearman's rho. The interval is of the noise of both measurements,
each given by its bootstrap draws. It says nothing of things that were not measured: that is what the p-value is for,
which cannot be below 2 / n!, 0.017 for five things.
"""

import dataclasses
import math
from typing import Literal

import numpy as np
from scipy import stats

from tlprobe.errors import ParameterError
from tlprobe.numerics.activations import FloatArray

__all__ = ["MEASURES", "Agreement", "Measure", "rank_agreement"]

Measure = Literal["kendall", "spearman"]
MEASURES: tuple[Measure, ...] = ("kendall", "spearman")


@dataclasses.dataclass(frozen=True)
class Agreement:
    """A rank correlation, its 95 % interval, and the two-sided p-value of no association (Kendall's alone).

    None stands for what is not defined: one of the two does not differ between things.
    """

    value: float | None
    low: float | None
    high: float | None
    p_value: float | None


def rank_agreement(
    x: FloatArray, y: FloatArray, *, draws_x: FloatArray, draws_y: FloatArray, measure: Measure
) -> Agreement:
    """Return how alike two measurements rank n things.

    Parameters
    ----------
    x, y : np.ndarray [shape=(n,)], n >= 3
        The measurements.
    draws_x, draws_y : np.ndarray [shape=(n_draws, n)]
        What they might have been.
    measure : {"kendall", "spearman"}

    Raises
    ------
    ParameterError
        If shapes do not fit, or there are fewer than three things.

    Examples
    --------
    >>> x = np.array([1.0, 2.0, 3.0, 4.0])
    >>> rank_agreement(x, x**2, draws_x=x[None], draws_y=x[None], measure="kendall").value
    1.0
    """
    if x.shape != y.shape or x.ndim != 1 or len(x) < 3:
        raise ParameterError(f"measurements of shapes {x.shape} and {y.shape} given; need (n,) of both, n >= 3")
    if draws_x.shape != draws_y.shape or draws_x.shape[1:] != x.shape:
        raise ParameterError(f"draws of shapes {draws_x.shape} and {draws_y.shape} given; need (n_draws, {len(x)})")
    value, p_value = _correlation(x, y, measure)
    drawn = [_correlation(a, b, measure)[0] for a, b in zip(draws_x, draws_y, strict=True)]
    there = [one for one in drawn if not math.isnan(one)]
    if math.isnan(value) or not there:
        return Agreement(None, None, None, None)
    low, high = np.quantile(there, [0.025, 0.975]).tolist()
    return Agreement(value, low, high, p_value if measure == "kendall" else None)


def _correlation(x: FloatArray, y: FloatArray, measure: Measure) -> tuple[float, float]:
    if (x == x[0]).all() or (y == y[0]).all():
        return math.nan, math.nan
    found = stats.kendalltau(x, y) if measure == "kendall" else stats.spearmanr(x, y)
    return float(found.statistic), float(found.pvalue)
