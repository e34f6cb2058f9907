"""How sure is an accuracy? Intervals for a share of clips.

Conventions: accuracies and bounds are in [0, 1], intervals are 95 % unless said otherwise. They
treat clips as independent, so they cover the choice of held-out clips, not the choice of fold or seed.
"""

import math

from scipy import stats

from tlprobe.errors import ParameterError

__all__ = ["wilson_interval"]


def wilson_interval(n_correct: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a share.

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
