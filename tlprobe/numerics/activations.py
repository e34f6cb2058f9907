"""Arrays of NumPy and tensors of torch, alike: what sums of activations are made of.

A tensor is known by its methods, so that nothing here imports torch; one on a GPU stays there.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tlprobe.errors import ParameterError

__all__ = [
    "FloatArray",
    "Products",
    "as_activations",
    "centre",
    "double",
    "less",
    "on_host",
    "relative_rounding",
    "squared_norms",
    "typical",
    "weighted_sum",
]

FloatArray = npt.NDArray[np.float64]
Products = Literal["float32", "float64"]


def as_activations(x: Any) -> Any:
    """Return activations as a float32 or float64 NumPy array, or as such a tensor if they are on a GPU.

    Raises
    ------
    ParameterError
        If they are no array of real numbers.
    """
    if hasattr(x, "detach"):  # a tensor, without importing torch for those who have none
        x = x.detach()
        if not x.is_floating_point():
            x = x.double()
        x = x.float() if x.dtype.itemsize < 4 else x
        return x.numpy() if x.device.type == "cpu" else x
    try:
        if isinstance(x, np.ma.MaskedArray):
            raise ValueError("some are masked")
        x = np.asarray(x)
        kind = x.dtype.kind
        if kind not in "fiub":
            raise ValueError(f"values of type {x.dtype}")
    except ValueError as error:
        raise ParameterError(f"activations must be real numbers in an array of one shape, but: {error}") from error
    if x.dtype in (np.float32, np.float64):
        return x
    return x.astype(np.float32 if kind == "f" and x.dtype.itemsize < 4 else np.float64)


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
    offset = typical(rows)
    rows = rows - offset
    rows -= rows.mean(0)
    return rows, offset, relative_rounding(x)


def relative_rounding(x: Any) -> float:
    """Return the relative rounding of the activations' own type."""
    return float(np.finfo(np.float32 if x.dtype.itemsize == 4 else np.float64).eps)


def double(x: Any) -> Any:
    """Return the array or tensor in float64."""
    return x.astype(np.float64, copy=False) if isinstance(x, np.ndarray) else x.double()


def on_host(x: Any, dtype: type = np.float64) -> npt.NDArray[Any]:
    """Return activations as a NumPy array, from a GPU too."""
    return np.asarray(x if isinstance(x, np.ndarray) else x.cpu().numpy(), dtype=dtype)


def typical(x: Any) -> Any:
    """Return the columns' means, and of constant columns exactly their value: rounding would pass for variance.

    In float64, but with the digits of x's own type alone, so that x less it is exact where it is small.
    """
    if isinstance(x, np.ndarray):
        mean = np.where((x == x[0]).all(0), x[0], x.mean(0, dtype=np.float64))
        return mean.astype(x.dtype).astype(np.float64)
    wide = x.double()
    return wide.mean(0).where((wide != wide[0]).any(0), wide[0]).to(x.dtype).double()


def less(x: Any, shift: Any, products: Products) -> Any:
    """Return activations less their shift, in the type of the products; the difference is taken in the wider type."""
    if isinstance(x, np.ndarray):
        wide = np.result_type(x.dtype, products)
        return np.subtract(x, shift.astype(wide), dtype=wide).astype(products, copy=False)
    narrow = products == "float32"
    if narrow and x.dtype.itemsize == 4:
        return x - shift.float()
    return (x.double() - shift).float() if narrow else x.double() - shift


def squared_norms(x: Any) -> Any:
    """Return the rows' squared norms, in float64."""
    if isinstance(x, np.ndarray):
        return np.einsum("ij,ij->i", x, x, dtype=np.float64)
    return x.double().square().sum(1)


def weighted_sum(weights: Any, x: Any) -> Any:
    """Return the sum of rows, each times its weight >= 0, in float64."""
    largest = float(weights.max())
    if largest == 0:
        return double(x[0] * 0)
    relative = weights / largest  # a cube of x would leave the range of float32 long before x does
    return double(relative.astype(x.dtype) @ x if isinstance(x, np.ndarray) else relative.to(x.dtype) @ x) * largest
