"""Canonical correlations of two sets of activations: SVCCA, mean CCA, PWCCA.

Everything starts from the whitened cross-product ``m``: entry (i, j) is the correlation of the i-th
principal direction of x with the j-th of y. Its singular values are the canonical correlations, those of
a corner of it are SVCCA's. Directions are in ascending order of variance, as LAPACK gives them.
References: Raghu et al. 2017, https://arxiv.org/abs/1706.05806 (SVCCA; "99 % of variance" is taken at its
word, as squared singular values, ``rule="squared"``; the appendix sums the singular values themselves,
``rule="sum"``; the mean runs over min(k_x, k_y), as in their code); Morcos et al. 2018,
https://arxiv.org/abs/1806.05759, section 2.1 (PWCCA; canonical variates of centred data).
"""

import dataclasses
from typing import Literal

import numpy as np
import scipy.linalg

from tlprobe.numerics.activations import FloatArray
from tlprobe.numerics.moments import Centred

__all__ = ["Rule", "Whitened", "kept", "mean_cca", "nuclear_norm", "pwcca", "svcca", "whiten"]

Rule = Literal["squared", "sum"]

_MOST = 1e-3  # of the largest eigenvalue: sums of millions of float32 products are not as bad as max(n, d) eps says
_TIE = 1e-7  # correlations closer than this count as equal
_VARIATES = 256  # projected at a time
_SMALL = 1e-10  # squared correlations below this are too few digits of an eigenvalue of m'm


@dataclasses.dataclass(frozen=True)
class Whitened:
    """Two sets of centred activations in their principal directions.

    Parameters
    ----------
    values_x, values_y : np.ndarray [shape=(r_x,), (r_y,)]
        Eigenvalues of X'X and Y'Y above rounding, ascending: squared singular values of the activations.
    vectors_x, vectors_y : np.ndarray [shape=(d_x, r_x), (d_y, r_y)]
        Their directions, orthonormal. PWCCA alone needs them; the Gram side makes them for it alone.
    m : np.ndarray [shape=(r_x, r_y)]
        Correlations between the principal directions.
    """

    values_x: FloatArray
    values_y: FloatArray
    vectors_x: FloatArray | None
    vectors_y: FloatArray | None
    m: FloatArray


def whiten(moments: Centred, *, full_rank: bool = False, overwrite: bool = False) -> Whitened:
    """Find the principal directions of both sides; with `overwrite`, in the memory of `moments`.

    Eigenvalues below max(n, d)·eps·λ_max are rounding, not variance, and left out. Where the sides are known to have
    `full_rank`, only as many as there are features without any variance are. Both must vary.
    """
    n, eps = moments.n, moments.eps
    values_x, vectors_x = principal(moments.xx, n=n, eps=eps, full_rank=full_rank, overwrite=overwrite)
    values_y, vectors_y = principal(moments.yy, n=n, eps=eps, full_rank=full_rank, overwrite=overwrite)
    half = moments.xy @ vectors_y
    half /= np.sqrt(values_y)
    shape = len(values_x), len(values_y)
    m = moments.xy.reshape(-1)[: shape[0] * shape[1]].reshape(shape) if overwrite else np.empty(shape)
    np.matmul(vectors_x.T, half, out=m)
    m /= np.sqrt(values_x)[:, None]
    return Whitened(values_x=values_x, values_y=values_y, vectors_x=vectors_x, vectors_y=vectors_y, m=m)


def principal(
    product: FloatArray, *, n: int, eps: float, full_rank: bool = False, overwrite: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Return the eigenvalues above rounding, ascending, and their vectors ``(d, r)``.

    Parameters
    ----------
    product : np.ndarray [shape=(d, d)]
        Symmetric.
    n : int
        Samples it was made from.
    eps : float
        Rounding of the product.
    full_rank : bool
        Only eigenvalues of features without any variance are left out.
    overwrite : bool
        Whether the vectors may take the place of `product`.
    """
    idle = int((product.diagonal() <= 0).sum())
    # Symmetric, so its transpose will do; LAPACK then works in place.
    values, vectors = scipy.linalg.eigh(product.T, driver="evd", overwrite_a=overwrite, check_finite=False)
    share = min(max(n, len(values)) * eps, _MOST)
    first = idle if full_rank else int((values <= share * values[-1]).sum())
    return values[first:], vectors[:, first:]


def kept(values: FloatArray, *, variance: float, rule: Rule) -> int:
    """Return how many of the leading directions explain at least `variance`.

    Parameters
    ----------
    values : np.ndarray [shape=(r,)]
        Squared singular values, ascending.
    variance : float in (0, 1]
        Share, of their sum or (``rule="sum"``) of the sum of their roots.
    rule : {"squared", "sum"}
        See above.
    """
    weights = values[::-1] if rule == "squared" else np.sqrt(values[::-1])
    share = np.cumsum(weights) / weights.sum()
    return min(int(np.searchsorted(share, variance * (1 - 1e-12))) + 1, len(values))


def svcca(m: FloatArray, *, k_x: int, k_y: int) -> float:
    """Return the mean canonical correlation of the leading `k_x` and `k_y` directions, in [0, 1]."""
    corner = m[len(m) - k_x :, m.shape[1] - k_y :]
    correlations = scipy.linalg.svdvals(corner, check_finite=False)
    return min(1.0, float(np.clip(correlations, 0, 1).mean()))


def mean_cca(m: FloatArray) -> float:
    """Return the mean canonical correlation of all directions, in [0, 1]."""
    return svcca(m, k_x=len(m), k_y=m.shape[1])


def nuclear_norm(product: FloatArray) -> float:
    """Return the sum of singular values."""
    return float(scipy.linalg.svdvals(product, check_finite=False).sum())


def pwcca(whitened: Whitened) -> tuple[float, float, bool]:
    """Return the projection-weighted mean correlation, by x's features and by y's, in [0, 1].

    Parameters
    ----------
    whitened : Whitened
        Of both.

    Returns
    -------
    by_x, by_y : float
        Each variate weighs what it projects onto the features: sum over features of |h'x|.
    unique : bool
        False if correlations tie, but not all of them: the variates may then rotate among each other.
    """
    m = whitened.m
    left, correlations, right = canonical(m)
    # A wider side has further variates, of correlation 0, that the thin decomposition leaves out.
    whole = correlations if m.shape[0] == m.shape[1] else np.append(0.0, correlations)
    unique = not (np.diff(whole) < _TIE).any() or bool(whole[-1] - whole[0] < _TIE)
    weights_y = _projections(right, whitened.values_y, whitened.vectors_y)
    weights_x = _projections(left, whitened.values_x, whitened.vectors_x)
    correlations = np.clip(correlations, 0, 1)
    # The weights sum to 1 up to rounding, so a mean of ones may be a last digit above 1.
    by_x, by_y = (min(1.0, float(weights @ correlations)) for weights in (weights_x, weights_y))
    return by_x, by_y, unique


def canonical(m: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the thin singular value decomposition of `m`, singular values ascending.

    By way of m'm: half the time and memory of a direct one, and as good as that where singular values
    are not tiny. Those that are get a small decomposition of their own.

    Returns
    -------
    left : np.ndarray [shape=(r_x, c)]
    values : np.ndarray [shape=(c,)]
    right : np.ndarray [shape=(r_y, c)]
        ``left * values @ right.T`` is `m`; c = min(r_x, r_y).
    """
    if m.shape[0] < m.shape[1]:
        right, values, left = canonical(m.T)
        return left, values, right
    squares, right = scipy.linalg.eigh((m.T @ m).T, driver="evd", overwrite_a=True, check_finite=False)
    n_small = int((squares < _SMALL).sum())
    values = np.sqrt(np.maximum(squares, 0))
    left = m @ right
    left[:, n_small:] /= values[n_small:]
    if n_small:
        # What is orthogonal to all other left vectors, and the rest of m in it.
        rest = scipy.linalg.qr(left[:, n_small:])[0][:, left.shape[1] - n_small :]
        u, s, vt = scipy.linalg.svd(rest.T @ (m @ right[:, :n_small]), full_matrices=False)
        left[:, :n_small] = rest @ u[:, ::-1]
        right[:, :n_small] = right[:, :n_small] @ vt[::-1].T
        values[:n_small] = s[::-1]
    return left, values, right


def _projections(variates: FloatArray, values: FloatArray, vectors: FloatArray | None) -> FloatArray:
    """Return each variate's share of the absolute projections on all features, summing to 1; `variates` are spent."""
    if vectors is None:
        raise ValueError("the pair was not prepared for PWCCA")
    weights = np.empty(variates.shape[1])
    variates *= np.sqrt(values)[:, None]
    for start in range(0, len(weights), _VARIATES):  # in parts: one more matrix is room that is not there
        part = slice(start, start + _VARIATES)
        weights[part] = np.abs(variates[:, part].T @ vectors.T).sum(1)
    return np.asarray(weights / weights.sum())
