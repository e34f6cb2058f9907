"""Everything that similarity needs to know of two networks, in one pass over the samples.

Conventions: activations are ``(n_samples, n_features)``. Sums run around a fixed shift (near the
means), so that a large common offset does not eat the digits. X'X, X'Y and Y'Y give SVCCA, PWCCA,
CKA and Procrustes; debiased CKA (Song et al. 2012, J. Mach. Learn. Res. 13, eq. 5, with linear kernels)
needs the sums of powers of the rows' squared norms as well, and these move to another shift exactly.
Arrays of NumPy, or tensors of torch: those on a GPU are summed there.
"""

import dataclasses
from typing import Any

import numpy as np

from tlprobe.errors import ParameterError
from tlprobe.numerics.activations import (
    FloatArray,
    Products,
    as_activations,
    less,
    on_host,
    relative_rounding,
    typical,
)
from tlprobe.numerics.sums import Sums

__all__ = ["Centred", "Moments"]

_SMALLEST = {"float32": 1e-30, "float64": 1e-140}
"""Mean square of a feature: above the range of the products, and its own square above that of float64."""


@dataclasses.dataclass(frozen=True)
class Centred:
    """Second moments of two sets of centred activations, in float64.

    Parameters
    ----------
    n : int >= 2
        Samples.
    mean_x, mean_y : np.ndarray [shape=(d_x,), (d_y,)]
        Means that were subtracted.
    xx, xy, yy : np.ndarray [shape=(d_x, d_x), (d_x, d_y), (d_y, d_y)]
        X'X, X'Y, Y'Y.
    quartic_xx, quartic_xy, quartic_yy : float >= 0
        Sums over samples of |x|⁴, |x|²|y|² and |y|⁴.
    rounding_x, rounding_y : np.ndarray [shape=(d_x,), (d_y,)]
        Each feature's sum of squares that would be rounding alone.
    eps : float > 0
        Relative rounding of the products.
    """

    n: int
    mean_x: FloatArray
    mean_y: FloatArray
    xx: FloatArray
    xy: FloatArray
    yy: FloatArray
    quartic_xx: float
    quartic_xy: float
    quartic_yy: float
    rounding_x: FloatArray
    rounding_y: FloatArray
    eps: float


class Moments:
    """Second moments of two sets of activations, gathered batch by batch.

    Memory is three d x d matrices for each group of clips, whatever n is.

    Parameters
    ----------
    d_x, d_y : int > 0
        Numbers of features.
    products : {"float64", "float32"}
        Precision of the products within a batch; sums over batches and all that follows are float64. float32
        is about twice as fast and resolves eigenvalues down to max(n, d)·1.2e-7 of the largest.

    Examples
    --------
    >>> moments = Moments(2, 1)
    >>> moments.update([[0.0, 1.0], [2.0, 1.0]], [[3.0], [5.0]])
    >>> moments.centred().xy.tolist()
    [[2.0], [0.0]]
    """

    def __init__(self, d_x: int, d_y: int, *, products: Products = "float64") -> None:
        if products not in ("float32", "float64"):
            raise ParameterError(f"products={products!r}; choose from float32, float64")
        self.d_x, self.d_y = d_x, d_y
        self.products = products
        self._input_eps = float(np.finfo(np.float64).eps)
        self._shift: Any = None  # of x and y
        self._groups: dict[int, Sums] = {}

    @property
    def n(self) -> int:
        """Samples so far."""
        return sum(group.n for group in self._groups.values())

    @property
    def groups(self) -> tuple[int, ...]:
        """Groups that hold samples, in order."""
        return tuple(sorted(self._groups))

    def update(self, x: Any, y: Any, *, group: int = 0) -> None:
        """Add a batch.

        Parameters
        ----------
        x : array or tensor [shape=(n, d_x)]
            One network's activations.
        y : array or tensor [shape=(n, d_y)]
            The other's, of the same samples in the same order.
        group : int
            The part of the samples that the batch belongs to: `centred` can leave one out.

        Raises
        ------
        ParameterError
            If the shapes do not fit, or a value is not finite; nothing is added then.
        """
        x, y = as_activations(x), as_activations(y)
        if x.ndim != 2 or y.ndim != 2 or x.shape != (len(y), self.d_x) or y.shape != (len(x), self.d_y):
            raise ParameterError(
                f"activations of shapes {tuple(x.shape)} and {tuple(y.shape)} given; "
                f"need (n, {self.d_x}) and (n, {self.d_y})"
            )
        if len(x) == 0:
            return
        before = self._shift
        if before is None:
            self.start_from(x, y)
        sums = self._groups.get(group, Sums())
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # told by `absorb`
                sums.absorb(less(x, self._shift[0], self.products), less(y, self._shift[1], self.products))
        except ParameterError:
            self._shift = before
            raise
        self._groups[group] = sums
        self._input_eps = max(self._input_eps, relative_rounding(x), relative_rounding(y))

    def start_from(self, x: Any, y: Any) -> None:
        """Sum around the means of these activations, instead of the first batch's.

        Raises
        ------
        ParameterError
            If there are samples already.
        """
        if self._groups:
            raise ParameterError("sums that have begun cannot start from another shift")
        with np.errstate(over="ignore", invalid="ignore"):  # values that are not finite are for `update` to tell
            self._shift = tuple(typical(as_activations(side)) for side in (x, y))

    def merge(self, other: "Moments") -> None:
        """Add another accumulator's samples, group by group, in place.

        Raises
        ------
        ParameterError
            If it is of other widths or of another precision.
        """
        if (self.d_x, self.d_y, self.products) != (other.d_x, other.d_y, other.products):
            raise ParameterError(
                f"moments of ({other.d_x}, {other.d_y}) features in {other.products} do not add to "
                f"({self.d_x}, {self.d_y}) in {self.products}"
            )
        self._input_eps = max(self._input_eps, other._input_eps)
        if other._shift is None:
            return
        if self._shift is None:
            self._shift = other._shift
        e, f = (theirs - own for theirs, own in zip(other._shift, self._shift, strict=True))
        for group, sums in other._groups.items():
            moved = sums.copy()
            moved.move(e, f)
            if group in self._groups:
                self._groups[group].add(moved)
            else:
                self._groups[group] = moved

    def centred(self, *, without: int | None = None) -> Centred:
        """Return the second moments of the centred activations.

        Parameters
        ----------
        without : int, optional
            A group to leave out.

        Raises
        ------
        ParameterError
            If fewer than two samples are left, there is no such group, or the activations vary too little to be
            multiplied.
        """
        if without is not None and without not in self._groups:
            raise ParameterError(f"without={without} is no group; choose from {', '.join(map(str, self.groups))}")
        total = Sums()
        for group, sums in self._groups.items():
            if group != without:
                if total.n:
                    total.add(sums)
                else:
                    total = sums.copy()
        return self._finish(total)

    def take(self) -> Centred:
        """Return `centred` without a copy, and forget the samples: for when memory is short."""
        groups, self._groups = list(self._groups.values()), {}
        total = groups[0] if groups else Sums()
        for sums in groups[1:]:
            total.add(sums)
        return self._finish(total)

    def _finish(self, total: Sums) -> Centred:
        if total.n < 2:
            raise ParameterError(f"{total.n} sample(s) have no covariance; need at least 2")
        total = total.on_host()
        mean_u, mean_v = total.u / total.n, total.v / total.n
        shift_x, shift_y = (on_host(shift) for shift in self._shift)
        total.move(-mean_u, -mean_v)
        for product in (total.uu, total.vv):
            if 0 < np.trace(product) < total.n * len(product) * _SMALLEST[self.products]:
                raise ParameterError("activations vary too little to be multiplied; scale them up")
        return Centred(
            n=total.n,
            mean_x=shift_x + mean_u,
            mean_y=shift_y + mean_v,
            xx=total.uu,
            xy=total.uv,
            yy=total.vv,
            quartic_xx=total.quartic_uu,
            quartic_xy=total.quartic_uv,
            quartic_yy=total.quartic_vv,
            rounding_x=self._rounding(total.n, shift_x, mean_u),
            rounding_y=self._rounding(total.n, shift_y, mean_v),
            eps=float(np.finfo(self.products).eps),
        )

    def _rounding(self, n: int, shift: FloatArray, mean: FloatArray) -> FloatArray:
        """Return what rounding gives each feature: of the activations, and of products around a shift off the mean."""
        own = (4 * self._input_eps * shift) ** 2
        return np.asarray(n * (own + 64 * float(np.finfo(self.products).eps) * mean**2))
