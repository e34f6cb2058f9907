"""Sums over samples of two sets of activations, around a shift; they move to another shift exactly."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tlprobe.errors import ParameterError
from tlprobe.numerics.activations import double, squared_norms, weighted_sum

__all__ = ["Sums"]

_LARGEST = {"float32": 1e36, "float64": 1e140}
"""Sum of squares of a batch: below the range of the products, and its own square below that of float64."""


class Sums:
    """Sums of u and v, the activations less their shift; of one group of clips."""

    def __init__(self) -> None:
        self.n = 0
        self.quartic_uu = self.quartic_uv = self.quartic_vv = 0.0  # sums of |u|⁴, |u|²|v|², |v|⁴
        zero: Any = 0.0  # becomes an array, where the first batch is
        self.u = self.v = self.uu = self.uv = self.vv = zero
        self.uu_u = self.uu_v = self.vv_u = self.vv_v = zero  # sums of |u|²u, |u|²v, |v|²u, |v|²v

    def absorb(self, u: Any, v: Any) -> None:
        """Add a batch of u and v.

        Raises
        ------
        ParameterError
            If a value is not finite or too large; nothing is added then.
        """
        norm_u, norm_v = squared_norms(u), squared_norms(v)
        limit = _LARGEST["float32" if u.dtype.itemsize == 4 else "float64"]
        if not float(norm_u.sum()) + float(norm_v.sum()) <= limit:  # NaN fails too
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
        self._increase("uu_u", weighted_sum(norm_u, u))
        self._increase("uu_v", weighted_sum(norm_u, v))
        self._increase("vv_u", weighted_sum(norm_v, u))
        self._increase("vv_v", weighted_sum(norm_v, v))

    def add(self, other: "Sums") -> None:
        """Add another's sums, around the same shift."""
        for name, value in vars(other).items():
            self._increase(name, value)

    def _increase(self, name: str, value: Any) -> None:
        own = getattr(self, name)
        if isinstance(own, int | float):
            setattr(self, name, own + value if isinstance(value, int | float) else double(value))
        else:
            own += value

    def copy(self) -> "Sums":
        """Return a copy in memory of its own."""
        return self._with(lambda array: array.copy() if isinstance(array, np.ndarray) else array.clone())

    def on_host(self) -> "Sums":
        """Return it as NumPy arrays, from a GPU too."""
        return self._with(lambda array: array if isinstance(array, np.ndarray) else array.cpu().numpy())

    def _with(self, change: Callable[[Any], Any]) -> "Sums":
        twin = Sums()
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
