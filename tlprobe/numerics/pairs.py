"""Two sets of activations, ready to be measured: each measure is written once, for a `Pair`.

From second moments (`pair_of_moments`), or from the rows (`tlprobe.numerics.rows`), which with fewer
samples than features goes by n x n matrices (`tlprobe.numerics.gram`).
"""

import dataclasses
from collections.abc import Collection

import numpy as np

from tlprobe.numerics.canonical import Whitened, nuclear_norm, whiten
from tlprobe.numerics.cka import Norms, norms_of
from tlprobe.numerics.moments import Centred

__all__ = ["CANONICAL", "Pair", "needs_directions", "pair_of_moments"]

CANONICAL = ("svcca", "mean_cca", "pwcca")
"""Measures that are made of canonical correlations."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """What the measures are made of.

    Parameters
    ----------
    n, d_x, d_y : int
        Samples and features.
    dead_x, dead_y : int >= 0
        Features that are constant over the samples.
    varies_x, varies_y : bool
        Whether the side varies at all, more than its own rounding.
    norms : Norms
        For CKA.
    whitened : Whitened or None
        For canonical correlations; None if not asked for, or a side does not vary.
    nuclear : float or None
        Sum of the singular values of X'Y, for Procrustes; None as above.
    coarse : bool
        Made of float32 products: small eigenvalues are not resolved.
    """

    n: int
    d_x: int
    d_y: int
    dead_x: int
    dead_y: int
    varies_x: bool
    varies_y: bool
    norms: Norms
    whitened: Whitened | None
    nuclear: float | None
    coarse: bool


def needs_directions(measures: Collection[str]) -> bool:
    """Say whether a measure is made of canonical correlations."""
    return not set(CANONICAL).isdisjoint(measures)


def pair_of_moments(
    moments: Centred, measures: Collection[str], *, full_rank: bool = False, overwrite: bool = False
) -> Pair:
    """Prepare `measures`; with `overwrite`, `moments` are used up; `full_rank` as in `whiten`."""
    norms = norms_of(moments)
    alive_x = moments.xx.diagonal() > moments.rounding_x
    alive_y = moments.yy.diagonal() > moments.rounding_y
    both = alive_x.any() and alive_y.any()
    nuclear = nuclear_norm(moments.xy) if both and "procrustes" in measures else None
    whitened = None
    if both and needs_directions(measures):
        whitened = whiten(moments, full_rank=full_rank, overwrite=overwrite)
    return Pair(
        n=moments.n,
        d_x=len(alive_x),
        d_y=len(alive_y),
        dead_x=int((~alive_x).sum()),
        dead_y=int((~alive_y).sum()),
        varies_x=bool(alive_x.any()),
        varies_y=bool(alive_y.any()),
        norms=norms,
        whitened=whitened,
        nuclear=nuclear,
        coarse=not full_rank and moments.eps > float(np.finfo(np.float64).eps),
    )
