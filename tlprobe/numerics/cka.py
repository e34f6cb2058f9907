"""Linear CKA, its debiased form, and Procrustes similarity: no canonical directions needed.

References: Kornblith et al. 2019, https://arxiv.org/abs/1905.00414 (linear CKA); Song et al. 2012, J. Mach.
Learn. Res. 13, eq. 5 (unbiased HSIC, of which debiased CKA is made); Williams et al. 2021,
https://arxiv.org/abs/2110.14739 (Procrustes). CKA and Procrustes are in [0, 1]; debiased CKA is in
[-1, 1] and 0 on average for unrelated activations.
"""

import dataclasses
import math

import numpy as np

from tlprobe.errors import UndefinedError
from tlprobe.numerics.moments import Centred

__all__ = ["Norms", "cancellation", "cka", "cka_debiased", "norms_of"]

_ROUNDING = 64  # a difference smaller than so many roundings of its terms is one itself


@dataclasses.dataclass(frozen=True)
class Norms:
    """What CKA needs: of centred activations, with K = XX' and L = YY'.

    Parameters
    ----------
    n : int
        Samples.
    xx, xy, yy : float >= 0
        tr(KK), tr(KL), tr(LL): squared Frobenius norms of X'X, X'Y, Y'Y.
    trace_x, trace_y : float >= 0
        tr(K), tr(L).
    quartic_xx, quartic_xy, quartic_yy : float >= 0
        Sums over samples of K_ii², K_ii L_ii, L_ii².
    eps : float > 0
        Their relative rounding.
    """

    n: int
    xx: float
    xy: float
    yy: float
    trace_x: float
    trace_y: float
    quartic_xx: float
    quartic_xy: float
    quartic_yy: float
    eps: float


def norms_of(moments: Centred) -> Norms:
    """Return the norms of second moments."""
    xx, xy, yy = (float(np.vdot(product, product)) for product in (moments.xx, moments.xy, moments.yy))
    return Norms(
        n=moments.n,
        xx=xx,
        xy=xy,
        yy=yy,
        trace_x=float(np.trace(moments.xx)),
        trace_y=float(np.trace(moments.yy)),
        quartic_xx=moments.quartic_xx,
        quartic_xy=moments.quartic_xy,
        quartic_yy=moments.quartic_yy,
        eps=moments.eps,
    )


def cka(norms: Norms) -> float:
    """Return linear CKA, in [0, 1]: tr(KL) / sqrt(tr(KK) tr(LL))."""
    return min(1.0, norms.xy / (math.sqrt(norms.xx) * math.sqrt(norms.yy)))


def cka_debiased(norms: Norms) -> float:
    """Return debiased linear CKA, in [-1, 1].

    Raises
    ------
    UndefinedError
        If there are fewer than 4 samples, or a side's samples are all equally far from each other.
    """
    n = norms.n
    if n < 4:
        raise UndefinedError(f"debiased CKA needs at least 4 samples; {n} given")
    xx, xy, yy = (math.fsum(terms) for terms in _hsic_terms(norms))
    for side, total, terms in (("x", xx, _hsic_terms(norms)[0]), ("y", yy, _hsic_terms(norms)[2])):
        if total <= _ROUNDING * norms.eps * math.fsum(map(abs, terms)):
            raise UndefinedError(f"debiased CKA is 0 / 0: the samples of {side} are all equally far from each other")
    return max(-1.0, min(1.0, xy / (math.sqrt(xx) * math.sqrt(yy))))


def cancellation(norms: Norms) -> float:
    """Return by how much the rounding of the terms of debiased CKA grows in their difference, at least 1."""
    xx, xy, yy = _hsic_terms(norms)
    sums = math.fsum(xx), math.fsum(yy)
    if min(sums) <= 0:
        return math.inf
    sizes = [math.fsum(map(abs, terms)) for terms in (xx, xy, yy)]
    return max(sizes[0] / sums[0], sizes[1] / math.sqrt(sums[0] * sums[1]), sizes[2] / sums[1])


def _hsic_terms(norms: Norms) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Return the terms of n (n - 3) times the unbiased HSIC of x with x, x with y, y with y.

    Song et al.'s eq. 5 with the diagonals of K and L zeroed. For centred activations the rows of K and L
    sum to 0, so that 1'K~1 = -tr(K), and 1'K~L~1 = sum of K_ii L_ii.
    """
    n = norms.n

    def terms(product: float, quartic: float, trace_a: float, trace_b: float) -> tuple[float, ...]:
        return (product, -quartic, trace_a * trace_b / ((n - 1) * (n - 2)), -2 * quartic / (n - 2))

    return (
        terms(norms.xx, norms.quartic_xx, norms.trace_x, norms.trace_x),
        terms(norms.xy, norms.quartic_xy, norms.trace_x, norms.trace_y),
        terms(norms.yy, norms.quartic_yy, norms.trace_y, norms.trace_y),
    )
