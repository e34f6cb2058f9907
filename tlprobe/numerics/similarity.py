"""How similar are two representations of the same samples? SVCCA from streamed moments.

Conventions: activations are ``(n_samples, n_features)``; similarities are in [0, 1], 1 for equal up
to an invertible linear map of the directions kept.
Reference: Raghu et al. 2017, SVCCA, https://arxiv.org/abs/1706.05806. "99 % of variance" is taken at
its word, as squared singular values of centred activations (their appendix sums the singular values
themselves), and the mean runs over min(k_x, k_y) correlations, as in their code.
"""

import dataclasses

import numpy as np
import numpy.typing as npt
import scipy.linalg

from tlprobe.errors import ParameterError

__all__ = ["Moments", "Svcca", "svcca"]

FloatArray = npt.NDArray[np.float64]


class Moments:
    """Means and cross-products of two sets of activations, gathered batch by batch.

    Sums are taken around a fixed shift (the first batch's means) in float64, so that a large common
    offset does not eat the digits. Memory is d_x² + d_x·d_y + d_y² numbers, whatever n is.

    Parameters
    ----------
    d_x, d_y : int > 0
        Numbers of features.
    """

    def __init__(self, d_x: int, d_y: int) -> None:
        self.n = 0
        self.d_x, self.d_y = d_x, d_y
        self._shift_x: FloatArray | None = None
        self._shift_y: FloatArray | None = None
        self._sum_x = np.zeros(d_x)
        self._sum_y = np.zeros(d_y)
        self._xx = np.zeros((d_x, d_x))
        self._xy = np.zeros((d_x, d_y))
        self._yy = np.zeros((d_y, d_y))

    def update(self, x: npt.ArrayLike, y: npt.ArrayLike) -> None:
        """Add a batch.

        Parameters
        ----------
        x : array [shape=(n, d_x)]
            One network's activations.
        y : array [shape=(n, d_y)]
            The other's, of the same samples in the same order.

        Raises
        ------
        ParameterError
            If the shapes do not fit, or a value is not finite.
        """
        x = np.asarray(x, dtype=np.float64)
        y = np.asarray(y, dtype=np.float64)
        if x.ndim != 2 or y.ndim != 2 or x.shape != (len(y), self.d_x) or y.shape != (len(x), self.d_y):
            raise ParameterError(
                f"activations of shapes {x.shape} and {y.shape} given; need (n, {self.d_x}) and (n, {self.d_y})"
            )
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise ParameterError("activations hold values that are not finite")
        if len(x) == 0:
            return
        if self._shift_x is None or self._shift_y is None:
            self._shift_x, self._shift_y = x.mean(0), y.mean(0)
        x = x - self._shift_x
        y = y - self._shift_y
        self.n += len(x)
        self._sum_x += x.sum(0)
        self._sum_y += y.sum(0)
        self._xx += x.T @ x
        self._xy += x.T @ y
        self._yy += y.T @ y

    @property
    def scale_x(self) -> float:
        """Largest magnitude of the shift of x: rounding is relative to it."""
        return float(np.abs(self._shift_x).max()) if self._shift_x is not None else 0.0

    @property
    def scale_y(self) -> float:
        """Largest magnitude of the shift of y."""
        return float(np.abs(self._shift_y).max()) if self._shift_y is not None else 0.0

    def centred(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return X'X, X'Y and Y'Y of the centred activations.

        Raises
        ------
        ParameterError
            If there are fewer than two samples.
        """
        if self.n < 2:
            raise ParameterError(f"{self.n} sample(s) have no covariance; need at least 2")
        return (
            self._xx - np.outer(self._sum_x, self._sum_x) / self.n,
            self._xy - np.outer(self._sum_x, self._sum_y) / self.n,
            self._yy - np.outer(self._sum_y, self._sum_y) / self.n,
        )


@dataclasses.dataclass(frozen=True)
class Svcca:
    """One similarity and what it rests on.

    Parameters
    ----------
    value : float in [0, 1]
        Mean canonical correlation.
    k_x, k_y : int > 0
        Directions kept on each side.
    n, d_x, d_y : int > 0
        Samples and features.
    """

    value: float
    k_x: int
    k_y: int
    n: int
    d_x: int
    d_y: int


def svcca(moments: Moments, *, variance: float = 0.99) -> Svcca | None:
    """Return the SVCCA similarity of two sets of activations.

    Parameters
    ----------
    moments : Moments
        Of both.
    variance : float in (0, 1]
        Share of the variance that the directions kept explain, at least.

    Returns
    -------
    result : Svcca or None
        None if one side is constant: then no direction exists that could correlate.

    Raises
    ------
    ParameterError
        If `variance` is out of range or there are fewer than two samples.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> moments = Moments(3, 3)
    >>> moments.update(x, x @ [[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 3.0]])
    >>> result = svcca(moments, variance=1.0)
    >>> round(result.value, 6), result.k_x, result.k_y
    (1.0, 3, 3)
    """
    if not 0 < variance <= 1:
        raise ParameterError(f"variance={variance}; need 0 < variance <= 1")
    xx, xy, yy = moments.centred()
    whiten_x = _whitening(xx, n=moments.n, scale=moments.scale_x, variance=variance)
    whiten_y = _whitening(yy, n=moments.n, scale=moments.scale_y, variance=variance)
    if whiten_x is None or whiten_y is None:
        return None
    correlations = np.linalg.svd(whiten_x.T @ xy @ whiten_y, compute_uv=False)
    return Svcca(
        value=float(np.clip(correlations, 0.0, 1.0).mean()),
        k_x=whiten_x.shape[1],
        k_y=whiten_y.shape[1],
        n=moments.n,
        d_x=moments.d_x,
        d_y=moments.d_y,
    )


def _whitening(covariance: FloatArray, *, n: int, scale: float, variance: float) -> FloatArray | None:
    """Return the map (d, k) onto the leading directions, each of unit length over the samples."""
    values, vectors = scipy.linalg.eigh(covariance)
    values, vectors = values[::-1], vectors[:, ::-1]
    largest = float(values[0])
    eps = float(np.finfo(np.float64).eps)
    if largest <= n * (4 * eps * scale) ** 2:  # a constant, as far as its own digits can tell
        return None
    # Below this an eigenvalue of a product in float64 is rounding, not variance.
    real = values > max(n, len(values)) * eps * largest
    values, vectors = values[real], vectors[:, real]
    share = np.cumsum(values) / values.sum()
    k = min(int(np.searchsorted(share, variance * (1 - 1e-12))) + 1, len(values))
    return np.asarray(vectors[:, :k] / np.sqrt(values[:k]))
