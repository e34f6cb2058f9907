"""Everything that similarity needs to know of two networks, in one pass over the samples.

Conventions: activations are ``(n_samples, n_features)``. Sums run around a fixed shift (near the
means), so that a large common offset does not eat the digits. X'X, X'Y and Y'Y give SVCCA, PWCCA,
CKA and Procrustes; debiased CKA (Song et al. 2012, J. Mach. Learn. Res. 13, eq. 5, with linear kernels)
needs the sums of powers of the rows' squared norms as well, and these move to another shift exactly.
Arrays of NumPy, or tensors of torch: those on a GPU are summed there.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tlprobe.errors import ParameterError

__all__ = ["Centred", "FloatArray", "Moments", "Products", "as_activations", "centre", "on_host", "rounding"]

FloatArray = npt.NDArray[np.float64]
Products = Literal["float32", "float64"]


@dataclasses.dataclass(frozen=True)
class Centred:
    """Second moments of two sets of centred activations, in float64.

    Parameters
    ----------
    n : int >= 2
        Samples.
    xx, xy, yy : np.ndarray [shape=(d_x, d_x), (d_x, d_y), (d_y, d_y)]
        X'X, X'Y, Y'Y.
    quartic_xx, quartic_xy, quartic_yy : float >= 0
        Sums over samples of |x|⁴, |x|²|y|² and |y|⁴.
    offset_x, offset_y : np.ndarray [shape=(d_x,), (d_y,)]
        What was subtracted: digits are relative to it.
    eps, input_eps : float > 0
        Relative rounding of the products, and of the activations themselves.
    """

    n: int
    xx: FloatArray
    xy: FloatArray
    yy: FloatArray
    quartic_xx: float
    quartic_xy: float
    quartic_yy: float
    offset_x: FloatArray
    offset_y: FloatArray
    eps: float
    input_eps: float


class _Sums:
    """Sums of u and v, the activations less their shift; of one group of clips."""

    def __init__(self) -> None:
        self.n = 0
        self.quartic_uu = self.quartic_uv = self.quartic_vv = 0.0  # sums of |u|⁴, |u|²|v|², |v|⁴
        zero: Any = 0.0  # becomes an array, where the first batch is
        self.u = self.v = self.uu = self.uv = self.vv = zero
        self.uu_u = self.uu_v = self.vv_u = self.vv_v = zero  # sums of |u|²u, |u|²v, |v|²u, |v|²v

    def absorb(self, u: Any, v: Any) -> None:
        """Add a batch, or nothing if it cannot be summed."""
        norm_u, norm_v = _squared_norms(u), _squared_norms(v)
        largest = float(norm_u.sum()) + float(norm_v.sum())  # bounds all products; NaN fails too
        if not largest <= float(np.finfo(np.float32 if u.dtype.itemsize == 4 else np.float64).max):
            raise ParameterError("activations hold values that are not finite, or too large to be multiplied")
        self.n += len(u)
        self.quartic_uu += float(norm_u @ norm_u)
        self.quartic_uv += float(norm_u @ norm_v)
        self.quartic_vv += float(norm_v @ norm_v)
        self._increase("u", u.sum(0))
        self._increase("v", v.sum(0))
        self._increase("uu", u.T @ u)  # one after the other: there is room for one more matrix, not for three
        self._increase("uv", u.T @ v)
        self._increase("vv", v.T @ v)
        self._increase("uu_u", _weighted(norm_u, u))
        self._increase("uu_v", _weighted(norm_u, v))
        self._increase("vv_u", _weighted(norm_v, u))
        self._increase("vv_v", _weighted(norm_v, v))

    def add(self, other: "_Sums") -> None:
        for name, value in vars(other).items():
            self._increase(name, value)

    def _increase(self, name: str, value: Any) -> None:
        own = getattr(self, name)
        if isinstance(own, int | float):
            setattr(self, name, own + value if isinstance(value, int | float) else _double(value))
        else:
            own += value

    def copy(self) -> "_Sums":
        return self._with(lambda array: array.copy() if isinstance(array, np.ndarray) else array.clone())

    def on_host(self) -> "_Sums":
        return self._with(lambda array: array if isinstance(array, np.ndarray) else array.cpu().numpy())

    def _with(self, change: Callable[[Any], Any]) -> "_Sums":
        twin = _Sums()
        for name, value in vars(self).items():
            setattr(twin, name, value if isinstance(value, int | float) else change(value))
        return twin

    def move(self, e: Any, f: Any) -> None:
        """Make u + e out of u and v + f out of v, in place."""
        n, ue, vf = self.n, float(self.u @ e), float(self.v @ f)
        ee, ff = float(e @ e), float(f @ f)
        trace_u, trace_v = float(self.uu.diagonal().sum()), float(self.vv.diagonal().sum())
        uu_e, vv_f, uv_f, vu_e = self.uu @ e, self.vv @ f, self.uv @ f, self.uv.T @ e
        # (|u|² + 2 u·e + e·e)², and the like, term by term
        self.quartic_uu += float(4 * (e @ uu_e) + 4 * (self.uu_u @ e)) + 2 * ee * trace_u + 4 * ee * ue + n * ee * ee
        self.quartic_vv += float(4 * (f @ vv_f) + 4 * (self.vv_v @ f)) + 2 * ff * trace_v + 4 * ff * vf + n * ff * ff
        self.quartic_uv += float(2 * (self.uu_v @ f) + 2 * (self.vv_u @ e) + 4 * (e @ uv_f))
        self.quartic_uv += ff * trace_u + ee * trace_v + 2 * ff * ue + 2 * ee * vf + n * ee * ff
        self.uu_u += trace_u * e + 2 * uu_e + 2 * ue * e + ee * self.u + n * ee * e
        self.uu_v += trace_u * f + 2 * vu_e + 2 * ue * f + ee * self.v + n * ee * f
        self.vv_v += trace_v * f + 2 * vv_f + 2 * vf * f + ff * self.v + n * ff * f
        self.vv_u += trace_v * e + 2 * uv_f + 2 * vf * e + ff * self.u + n * ff * e
        for product, a, b, shift_a, shift_b in (
            (self.uu, self.u, self.u, e, e),
            (self.uv, self.u, self.v, e, f),
            (self.vv, self.v, self.v, f, f),
        ):
            product += (a + n * shift_a)[:, None] * shift_b[None, :]
            product += shift_a[:, None] * b[None, :]
        self.u += n * e
        self.v += n * f


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
        self._groups: dict[int, _Sums] = {}

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
        sums = self._groups.get(group, _Sums())
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # told by `absorb`
                sums.absorb(_less(x, self._shift[0], self.products), _less(y, self._shift[1], self.products))
        except ParameterError:
            self._shift = before
            raise
        self._groups[group] = sums
        self._input_eps = max(self._input_eps, _eps(x), _eps(y))

    def start_from(self, x: Any, y: Any) -> None:
        """Sum around the means of these activations, instead of the first batch's; before the first `update`."""
        with np.errstate(over="ignore", invalid="ignore"):  # values that are not finite are for `update` to tell
            self._shift = tuple(_typical(as_activations(side), self.products) for side in (x, y))

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
        e, f = (_double(theirs) - _double(own) for theirs, own in zip(other._shift, self._shift, strict=True))
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
            If fewer than two samples are left.
        """
        total = _Sums()
        for group, sums in self._groups.items():
            if group != without:
                if total.n:
                    total.add(sums)
                else:
                    total = sums.copy()
        return self._finish(total)

    def take(self) -> Centred:
        """Return `centred` without a copy, and forget everything: for when memory is short."""
        groups, self._groups = list(self._groups.values()), {}
        total = groups[0] if groups else _Sums()
        for sums in groups[1:]:
            total.add(sums)
        return self._finish(total)

    def _finish(self, total: _Sums) -> Centred:
        if total.n < 2:
            raise ParameterError(f"{total.n} sample(s) have no covariance; need at least 2")
        total = total.on_host()
        mean_u, mean_v = total.u / total.n, total.v / total.n
        total.move(-mean_u, -mean_v)
        return Centred(
            n=total.n,
            xx=total.uu,
            xy=total.uv,
            yy=total.vv,
            quartic_xx=total.quartic_uu,
            quartic_xy=total.quartic_uv,
            quartic_yy=total.quartic_vv,
            offset_x=on_host(self._shift[0]),
            offset_y=on_host(self._shift[1]),
            eps=float(np.finfo(self.products).eps),
            input_eps=self._input_eps,
        )


def as_activations(x: Any) -> Any:
    """Return activations as a NumPy array, or as they are if they are a GPU's tensor; floating-point always."""
    if hasattr(x, "detach"):  # a tensor, without importing torch for those who have none
        x = x.detach()
        x = x if x.dtype.itemsize >= 4 and x.is_floating_point() else x.float()
        return x.numpy() if x.device.type == "cpu" else x
    x = np.asarray(x)
    return x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)


def centre(x: Any) -> tuple[FloatArray, FloatArray, float]:
    """Return centred activations in float64, what was subtracted, and the relative rounding they came with.

    Raises
    ------
    ParameterError
        If a value is not finite.
    """
    rows = on_host(x)
    if not np.isfinite(rows).all():
        raise ParameterError("activations hold values that are not finite")
    offset = _typical(rows, "float64")
    rows = rows - offset
    rows -= rows.mean(0)
    return rows, offset, _eps(x)


def rounding(moments: Centred, offset: FloatArray) -> FloatArray:
    """Return each feature's sum of squares that would be rounding alone, of activations around `offset`."""
    return np.asarray(moments.n * (4 * moments.input_eps * offset) ** 2)


def _eps(x: Any) -> float:
    return float(np.finfo(np.float32 if x.dtype.itemsize == 4 else np.float64).eps)


def _double(x: Any) -> Any:
    return x.astype(np.float64, copy=False) if isinstance(x, np.ndarray) else x.double()


def on_host(x: Any, dtype: type = np.float64) -> npt.NDArray[Any]:
    """Return activations as a NumPy array, from a GPU too."""
    return np.asarray(x if isinstance(x, np.ndarray) else x.cpu().numpy(), dtype=dtype)


def _typical(x: Any, products: Products) -> Any:
    """Return the columns' means, and of constant columns exactly their value: rounding would pass for variance."""
    if isinstance(x, np.ndarray):
        return np.where((x == x[0]).all(0), x[0], x.mean(0, dtype=np.float64)).astype(products)
    x = x.double()
    mean = x.mean(0).where((x != x[0]).any(0), x[0])
    return mean.float() if products == "float32" else mean


def _less(x: Any, shift: Any, products: Products) -> Any:
    if isinstance(x, np.ndarray):
        return np.subtract(x, shift, dtype=products, casting="same_kind")
    return (x.float() if products == "float32" else x.double()) - shift


def _squared_norms(x: Any) -> Any:
    """Return the rows' squared norms, in float64."""
    if isinstance(x, np.ndarray):
        return np.einsum("ij,ij->i", x, x, dtype=np.float64)
    return x.double().square().sum(1)


def _weighted(weights: Any, x: Any) -> Any:
    """Return the sum of rows, each times its weight."""
    return weights.astype(x.dtype) @ x if isinstance(x, np.ndarray) else weights.to(x.dtype) @ x
