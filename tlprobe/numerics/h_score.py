"""H-score: how far apart are the classes, measured in the spread of the features?

tr(cov(f)^-1 cov(E[f | y])): the covariance of the class means over that of the features, in [0, K - 1] for K classes.
It is the sum over classes of (1 - the class's share) R^2, of the linear regression of its indicator on the features. So
d features that are chance have about d (K - 1) / (n - 1), most of the range where there are nearly as many features as
clips. Therefore the covariance is shrunk towards a multiple of the identity, by Ledoit and Wolf's rule.

References: Bao et al. 2019, An Information-Theoretic Approach to Transferability in Task Transfer Learning, ICIP (the
score); Ibrahim et al. 2021, Newer is not always better, https://arxiv.org/abs/2110.06893 (shrinkage a of the
covariance, and 1 - a times the class means'); Ledoit & Wolf 2004, A well-conditioned estimator for large-dimensional
covariance matrices, J. Multivar. Anal. 88.
"""

import numpy as np
import numpy.typing as npt

from tlprobe.errors import ParameterError
from tlprobe.numerics.activations import FloatArray
from tlprobe.numerics.clip_scores import ClipScore, as_features, decompose, indicators
from tlprobe.numerics.resampling import Labels

__all__ = ["HScore"]

_STEP = 1e-4  # relative, of a numerical derivative
_ROUNDING = 1e-10  # of 1 less a leverage


class HScore:
    """H-score of some features, for labels of any number of kinds: the decomposition is made once.

    Parameters
    ----------
    features : array_like [shape=(n_clips, n_features)]
    shrinkage : float in [0, 1), optional
        Of the covariance; default: Ledoit and Wolf's. 0 is the plain H-score.

    Raises
    ------
    ParameterError, UndefinedError
        If the features are no such array, not finite, or all constant, or `shrinkage` is out of range.

    Examples
    --------
    >>> HScore([[1.0], [1.0], [0.0], [0.0]], shrinkage=0).score(["a", "a", "b", "b"]).value
    1.0
    """

    def __init__(self, features: npt.ArrayLike, *, shrinkage: float | None = None) -> None:
        if shrinkage is not None and not 0 <= shrinkage < 1:
            raise ParameterError(f"shrinkage={shrinkage} is out of range; need 0 <= shrinkage < 1")
        x = as_features(features)
        x = x - x.mean(0)
        self._n = len(x)
        self._u, s, _ = decompose(x)
        self._power = s**2
        own, self._sway = _ledoit_wolf(x, self._u, self._power)
        if shrinkage is not None:
            self._sway = np.zeros(self._n)
        self.shrinkage = own if shrinkage is None else shrinkage
        mean_variance = self._power.sum() / self._n / x.shape[1]
        self._ridge = mean_variance * self.shrinkage / max(1 - self.shrinkage, _ROUNDING)  # per clip

    def score(self, labels: Labels) -> ClipScore:
        """Return the H-score of labels.

        Parameters
        ----------
        labels : sequence of hashable [shape=(n_clips,)]

        Returns
        -------
        score : ClipScore
            The contributions follow from leaving out the clip in closed form, as of a ridge regression; what it changes
            in the shrinkage is added to first order.

        Raises
        ------
        ParameterError, UndefinedError
            If there is not a label a clip, or only one class.
        """
        _, y = indicators(labels, self._n)  # (n, k)
        counts, centred = y.sum(0), y - y.mean(0)
        z = self._u.T @ centred  # (rank, k)
        kept = self._kept(self._ridge)
        of_class = kept @ z**2 / counts  # (k,)
        residual = centred - self._u @ (kept[:, None] * z)
        free = np.maximum(1 - 1 / self._n - self._u**2 @ kept, _ROUNDING)  # 1 less the leverage, (n,)
        explained = centred**2 / (1 - 1 / self._n) - residual**2 / free[:, None]  # that the clip takes with it
        changes = self._n * ((explained - of_class * y) / counts).sum(1)
        step = _STEP * self._ridge
        if step > 0:
            ends = (float((self._kept(self._ridge + sign * step) @ z**2 / counts).sum()) for sign in (1, -1))
            changes += (next(ends) - next(ends)) / (2 * step) * self._sway
        return ClipScore.of(float(of_class.sum()), changes)

    def _kept(self, ridge: float) -> FloatArray:
        """Return the share that the regression keeps of each direction, (rank,)."""
        return self._power / (self._power + self._n * ridge)


def _ledoit_wolf(x: FloatArray, u: FloatArray, power: FloatArray) -> tuple[float, FloatArray]:
    """Return the shrinkage, and how each clip sways the ridge that it amounts to, (n,), to first order."""
    n, d = x.shape
    variances = power / n
    norms = (x**2).sum(1)
    mean_variance, total = float(norms.mean() / d), float((variances**2).sum())
    noise, spread = float((norms**2).mean() - total) / n, total - d * mean_variance**2
    if spread <= 1e-12 * total:  # as of a single feature: there is nothing to shrink towards
        return 0.0, np.zeros(n)
    if noise >= spread:
        return 1.0, np.zeros(n)
    shrinkage = max(noise, 0.0) / spread
    sways_total = 2 * (u**2 @ (power * variances) - total)
    sways_mean = norms / d - mean_variance
    sways_noise = (norms**2 - (norms**2).mean() - sways_total) / n
    sways_spread = sways_total - 2 * d * mean_variance * sways_mean
    sways = (sways_noise - shrinkage * sways_spread) / spread
    return shrinkage, sways * mean_variance / (1 - shrinkage) ** 2 + sways_mean * shrinkage / (1 - shrinkage)
