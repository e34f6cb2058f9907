"""The Gram side: with fewer samples than features, XX' holds all that X'X does, and costs n³ instead of d³."""

import dataclasses
from collections.abc import Collection
from typing import Any

import numpy as np
import scipy.linalg

from tlprobe.errors import ParameterError
from tlprobe.numerics.activations import FloatArray, centre
from tlprobe.numerics.canonical import Whitened, nuclear_norm, principal
from tlprobe.numerics.cka import Norms
from tlprobe.numerics.pairs import Pair, needs_directions

__all__ = ["GramSide", "gram_is_cheaper", "gram_side", "pair_of_grams"]

_RANGE = (1e-140, 1e140)
"""Of the mean square below, of the sum of squares above: their own squares are in the range of float64."""


def gram_is_cheaper(n: int, d_x: int, d_y: int) -> bool:
    """Say whether eigenproblems of size n cost less than those of the features."""
    return 2 * n**3 < d_x**3 + d_y**3


@dataclasses.dataclass(frozen=True)
class GramSide:
    """One set of activations by its products of samples.

    Parameters
    ----------
    rows : np.ndarray [shape=(n, d)]
        Centred.
    gram : np.ndarray [shape=(n, n)]
        XX'.
    values, samples : np.ndarray [shape=(r,), (n, r)]
        Eigenvalues above rounding, ascending, and their vectors: the samples in the principal directions.
    dead : int
        Constant features.
    varies : bool
    """

    rows: FloatArray
    gram: FloatArray
    values: FloatArray
    samples: FloatArray
    dead: int
    varies: bool


def gram_side(x: Any) -> GramSide:
    """Prepare activations ``(n, d)``.

    Raises
    ------
    ParameterError
        If a value is not finite, or they vary too much or too little.
    """
    rows, offset, input_eps = centre(x)
    with np.errstate(over="ignore"):  # told below
        floor = len(rows) * (4 * input_eps * offset) ** 2
        squares = np.einsum("ij,ij->j", rows, rows)
    total = float(squares.sum())
    if not (total == 0 or rows.size * _RANGE[0] < total < _RANGE[1]):
        raise ParameterError("activations vary too much or too little to be multiplied; scale them")
    gram = rows @ rows.T
    values, samples = principal(gram, n=max(rows.shape), eps=float(np.finfo(np.float64).eps))
    return GramSide(
        rows=rows,
        gram=gram,
        values=values,
        samples=samples,
        dead=int((squares <= floor).sum()),
        varies=bool((squares > floor).any()),
    )


def pair_of_grams(x: GramSide, y: GramSide, measures: Collection[str]) -> Pair:
    """Prepare `measures` of two sides with the same samples."""
    both = x.varies and y.varies
    whitened = nuclear = None
    if both and needs_directions(measures):
        with_vectors = "pwcca" in measures
        whitened = Whitened(
            values_x=x.values,
            values_y=y.values,
            vectors_x=_vectors(x) if with_vectors else None,
            vectors_y=_vectors(y) if with_vectors else None,
            m=x.samples.T @ y.samples,
        )
    if both and "procrustes" in measures:
        # X = R'Q' with orthonormal Q, so R_x R_y' has the singular values of X'Y, to all digits.
        r_x, r_y = (scipy.linalg.qr(side.rows.T, mode="r", check_finite=False)[0][: len(x.rows)] for side in (x, y))
        nuclear = nuclear_norm(r_x @ r_y.T)
    diagonal_x, diagonal_y = x.gram.diagonal(), y.gram.diagonal()
    return Pair(
        n=len(x.rows),
        d_x=x.rows.shape[1],
        d_y=y.rows.shape[1],
        dead_x=x.dead,
        dead_y=y.dead,
        varies_x=x.varies,
        varies_y=y.varies,
        norms=Norms(
            n=len(x.rows),
            xx=float(np.vdot(x.gram, x.gram)),
            xy=float(np.vdot(x.gram, y.gram)),
            yy=float(np.vdot(y.gram, y.gram)),
            trace_x=float(diagonal_x.sum()),
            trace_y=float(diagonal_y.sum()),
            quartic_xx=float(diagonal_x @ diagonal_x),
            quartic_xy=float(diagonal_x @ diagonal_y),
            quartic_yy=float(diagonal_y @ diagonal_y),
            eps=float(np.finfo(np.float64).eps),
        ),
        whitened=whitened,
        nuclear=nuclear,
        coarse=False,
    )


def _vectors(side: GramSide) -> FloatArray:
    return np.asarray(side.rows.T @ (side.samples / np.sqrt(side.values)))
