"""From rows of activations to a `Pair`: by the features or by the Gram side, whichever is cheaper.

Rows are summed in blocks, so that no copy of them all is made. float32 rows are multiplied in float32
where that resolves every eigenvalue, so that no direction is in doubt; else in float64.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

from tlprobe.errors import ParameterError
from tlprobe.numerics.activations import FloatArray, Products, as_activations, less, on_host, typical
from tlprobe.numerics.cka import cancellation
from tlprobe.numerics.gram import gram_is_cheaper, gram_side, pair_of_grams
from tlprobe.numerics.moments import Centred, Moments
from tlprobe.numerics.pairs import Pair, pair_of_moments

__all__ = ["BLOCK_ROWS", "Rows", "pair_of_rows", "variates"]

Rows = npt.NDArray[np.float32]

BLOCK_ROWS = 2048
"""float32 rows summed at a time, and half as many of float64."""
_SOME = 3  # rows a feature, from which on float32 products may do
_LIKELY, _RESOLVED = 3e-5, 1e-4
"""Smallest eigenvalue, relative to the largest, for float32 products: of some rows, which make it smaller, and of all.

Measured: below 1e-6, SVCCA of a set with itself loses 2e-3; at 1e-4 it is right to 1e-5.
"""
_CANCELLED = 100  # growth of rounding in debiased CKA
_RANGE = (1e-20, 1e20)  # of a feature's variance: far inside that of float32


def pair_of_rows(x: Any, y: Any, measures: Collection[str]) -> Pair:
    """Prepare `measures` of activations ``(n, d_x)`` and ``(n, d_y)``.

    Raises
    ------
    ParameterError
        If the shapes do not fit, there are fewer than two samples, or a value is not finite.
    """
    x, y = _checked(x, y)
    if gram_is_cheaper(len(x), x.shape[1], y.shape[1]):
        return pair_of_grams(gram_side(x), gram_side(y), measures)
    single = x.dtype.itemsize == y.dtype.itemsize == 4 and "mean_cca" not in measures
    if single and _suits_float32(x) and _suits_float32(y):
        pair = pair_of_moments(_sum_up(x, y, products="float32"), measures, full_rank=True, overwrite=True)
        if _is_resolved(pair):
            return pair
    return pair_of_moments(_sum_up(x, y, products="float64"), measures, overwrite=True)


def variates(x: Any, y: Any, measures: Collection[str]) -> tuple[Pair, Rows, Rows]:
    """Return the pair with its directions, and all samples in them.

    Returns
    -------
    pair : Pair
        With `Pair.whitened` where both sides vary.
    a, b : np.ndarray [shape=(n, r_x), (n, r_y), float32]
        Orthonormal columns; a'b is ``pair.whitened.m``. No columns where a side does not vary.
    """
    measures = {*measures, "pwcca"}  # which needs the directions
    x, y = _checked(x, y)
    if gram_is_cheaper(len(x), x.shape[1], y.shape[1]):
        sides = gram_side(x), gram_side(y)
        a, b = (side.samples.astype(np.float32) for side in sides)
        return pair_of_grams(*sides, measures), a, b
    pair = pair_of_moments(_sum_up(x, y, products="float64"), measures, overwrite=True)
    whitened = pair.whitened
    if whitened is None or whitened.vectors_x is None or whitened.vectors_y is None:
        return pair, np.zeros((pair.n, 0), np.float32), np.zeros((pair.n, 0), np.float32)
    a = _projected(x, whitened.vectors_x / np.sqrt(whitened.values_x))
    b = _projected(y, whitened.vectors_y / np.sqrt(whitened.values_y))
    return pair, a, b


def _projected(x: Any, directions: FloatArray) -> Rows:
    rows = on_host(x, x.dtype if isinstance(x, np.ndarray) else np.float64)
    mean = rows.mean(0, dtype=np.float64)
    out = np.empty((len(rows), directions.shape[1]), np.float32)
    for start in range(0, len(rows), BLOCK_ROWS):
        out[start : start + BLOCK_ROWS] = (rows[start : start + BLOCK_ROWS] - mean) @ directions
    return out


def _checked(x: Any, y: Any) -> tuple[Any, Any]:
    x, y = as_activations(x), as_activations(y)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or 0 in (x.shape[1], y.shape[1]):
        raise ParameterError(
            f"activations of shapes {tuple(x.shape)} and {tuple(y.shape)} given; need (n, d_x) and (n, d_y), "
            "of the same n samples"
        )
    if len(x) < 2:
        raise ParameterError(f"{len(x)} sample(s) have no covariance; need at least 2")
    if isinstance(x, np.ndarray) != isinstance(y, np.ndarray):
        raise ParameterError("one side is on a GPU and the other is not; move both to one place")
    return x, y


def _sum_up(x: Any, y: Any, *, products: Products) -> Centred:
    moments = Moments(x.shape[1], y.shape[1], products=products)
    spread = slice(None, None, -(-len(x) // BLOCK_ROWS))  # the first rows alone may be unlike the others
    moments.start_from(x[spread], y[spread])
    block = BLOCK_ROWS if products == "float32" else BLOCK_ROWS // 2
    for start in range(0, len(x), block):
        moments.update(x[start : start + block], y[start : start + block])
    return moments.take()


def _suits_float32(x: Any) -> bool:
    """Guess from some of the rows whether float32 products resolve every eigenvalue of X'X."""
    n, d = x.shape
    if n < _SOME * d:
        return False  # the smallest eigenvalues are near 0, and the products cost little beside the eigenproblems
    step = n // max(_SOME * d // 2, BLOCK_ROWS // 2)
    rows = on_host(x[:: max(step, 1)], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # values that are not finite are for the sums to tell
        rows = less(rows, typical(rows), "float32")
        product = (rows.T @ rows).astype(np.float64)
    alive = product.diagonal() > 0
    product = product[np.ix_(alive, alive)] if not alive.all() else product
    sizes = product.diagonal() / len(rows)
    if not sizes.size or not _RANGE[0] < sizes.min() <= sizes.max() < _RANGE[1]:
        return False
    vector = product[:, int(np.argmax(sizes))]
    for _ in range(30):  # power iteration; a rough value will do
        largest = float(np.linalg.norm(vector))
        vector = product @ (vector / largest)
    product[np.diag_indices_from(product)] -= _LIKELY * largest
    try:
        scipy.linalg.cholesky(product.T, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        return False
    return True


def _is_resolved(pair: Pair) -> bool:
    """Say whether a pair of float32 products is good to four digits: no row was unlike those that were looked at."""
    spectra = [] if pair.whitened is None else [pair.whitened.values_x, pair.whitened.values_y]
    if any(values[0] < _RESOLVED * values[-1] for values in spectra):
        return False
    return pair.n < 4 or cancellation(pair.norms) < _CANCELLED
