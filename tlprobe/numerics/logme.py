"""LogME: how well does a linear model on these features explain the labels, all linear models considered?

Of each class, the labels y (1 for its clips, 0 for others) are modelled as F w plus noise of precision beta, with
w ~ N(0, 1 / alpha). The evidence is p(y | F), and LogME its logarithm, maximised over alpha and beta, a clip and class,
in nats. More is better; it has no fixed range. A rotation or a common scale of the features changes nothing.

References: You et al. 2021, LogME, https://arxiv.org/abs/2102.11005 (the evidence); You et al. 2022,
https://arxiv.org/abs/2110.10545, Algorithm 3, which iterates t = alpha / beta to a fixed point, from a singular value
decomposition that is made once. Here the same point is found by bisection around the best of a grid, in as many steps
whatever the labels are, and not at a lesser maximum.
"""

import math

import numpy as np
import numpy.typing as npt

from tlprobe.numerics.activations import FloatArray
from tlprobe.numerics.clip_scores import ClipScore, as_features, decompose, indicators
from tlprobe.numerics.resampling import Labels

__all__ = ["LogME"]

_REACH = 25.0
"""t is sought within e**-25 .. e**25 of the largest squared singular value. Features that give the labels without any
error have no finite maximum; their value is that at the bound."""
_N_GRID = 101
_N_BISECTIONS = 40
_ROUNDING = 1e-10  # of 1 less a leverage


class LogME:
    """LogME of some features, for labels of any number of kinds: the decomposition is made once.

    Parameters
    ----------
    features : array_like [shape=(n_clips, n_features)]

    Raises
    ------
    ParameterError, UndefinedError
        If they are no such array, not finite, or all constant.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    >>> LogME(x).score([0, 0, 1, 1]).value > LogME(x).score([0, 1, 0, 1]).value
    True
    """

    def __init__(self, features: npt.ArrayLike) -> None:
        x = as_features(features)
        self._n = len(x)
        self._u, s, _ = decompose(x)
        self._power = s**2  # (rank,)

    def score(self, labels: Labels) -> ClipScore:
        """Return LogME of labels.

        Parameters
        ----------
        labels : sequence of hashable [shape=(n_clips,)]

        Returns
        -------
        score : ClipScore
            The contributions are, up to a constant, log p(y_i | y of the other clips) at the maximum's alpha and
            beta: by how much the log evidence falls without the clip.

        Raises
        ------
        ParameterError, UndefinedError
            If there is not a label a clip, or only one class.
        """
        _, y = indicators(labels, self._n)  # (n, k)
        z = self._u.T @ y  # (rank, k)
        beyond = np.maximum((y**2).sum(0) - (z**2).sum(0), 0)  # of y, what no direction reaches, (k,)
        t = np.exp(self._most_probable(z**2, beyond))  # (k,)
        ratio = self._power[:, None] / t  # (rank, k)
        kept = ratio / (1 + ratio)
        left = (z**2 / (1 + ratio)).sum(0) + beyond  # |F m - y|^2 + t |m|^2
        beta = self._n / left
        log_evidence = self._n / 2 * (np.log(beta / (2 * math.pi)) - 1) - 0.5 * np.log1p(ratio).sum(0)
        residual = y - self._u @ (kept * z)
        free = np.maximum(1 - self._u**2 @ kept, _ROUNDING)  # 1 less the leverage, (n, k)
        changes = 0.5 * (np.log(beta) + np.log(free) - beta * residual**2 / free)
        return ClipScore.of(float(log_evidence.mean() / self._n), changes.mean(1))

    def _most_probable(self, z_squared: FloatArray, beyond: FloatArray) -> FloatArray:
        """Return log t of each class, (k,): first the best point of a grid, then the zero of the slope beside it."""
        grid = math.log(self._power[0]) + np.linspace(-_REACH, _REACH, _N_GRID)
        shrunk = 1 / (1 + self._power / np.exp(grid)[:, None])  # t / (t + power), (grid, rank)
        evidence = 0.5 * np.log(shrunk).sum(1)[:, None] - self._n / 2 * np.log(shrunk @ z_squared + beyond)
        best = evidence.argmax(0)
        low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, _N_GRID - 1)]
        for _ in range(_N_BISECTIONS):
            middle = (low + high) / 2
            shrunk = 1 / (1 + self._power[:, None] / np.exp(middle))  # (rank, k)
            # with respect to log t: zero where alpha = gamma / |m|^2 and beta = (n - gamma) / |F m - y|^2
            gained, lost = (1 - shrunk).sum(0), (shrunk * (1 - shrunk) * z_squared).sum(0)
            rising = gained * ((shrunk * z_squared).sum(0) + beyond) > self._n * lost
            low, high = np.where(rising, middle, low), np.where(rising, high, middle)
        return np.asarray((low + high) / 2)
