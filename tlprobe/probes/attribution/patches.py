"""Patches of an image: 8 rows by 10 columns, a fifth of a second wide at 50 columns a second, on all channels.

Single values of an attribution are speckled, and a network's answer to a clip with single values missing says little:
patches are what is ranked, taken away and put back.
"""

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["PATCH", "patch_numbers", "patch_sums", "without"]

PATCH = (8, 10)
"""Rows and columns of a patch; the last ones of an image may be smaller."""


def patch_numbers(n_rows: int, n_columns: int) -> npt.NDArray[np.int64]:
    """Return which patch each value of an image is in.

    Returns
    -------
    numbers : np.ndarray [shape=(n_rows, n_columns), int64]
        From 0 on, row of patches by row of patches.

    Examples
    --------
    >>> patch_numbers(9, 20)[[0, 8], :][:, [0, 9, 10]]
    array([[0, 0, 1],
           [2, 2, 3]])
    """
    across = -(-n_columns // PATCH[1])
    return (np.arange(n_rows) // PATCH[0])[:, None] * across + np.arange(n_columns) // PATCH[1]


def patch_sums(maps: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the sum of a map over each patch.

    Parameters
    ----------
    maps : array_like [shape=(n, n_rows, n_columns)]

    Returns
    -------
    sums : np.ndarray [shape=(n, n_patches), float64]
    """
    values = np.asarray(maps, dtype=np.float64)
    numbers = patch_numbers(*values.shape[1:]).ravel()
    return np.stack([np.bincount(numbers, weights=one.ravel()) for one in values])


def without(
    x: torch.Tensor, baseline: torch.Tensor, gone: npt.NDArray[np.bool_], numbers: npt.NDArray[np.int64]
) -> torch.Tensor:
    """Return copies of one image with patches replaced by the baseline's.

    Parameters
    ----------
    x, baseline : torch.Tensor [shape=(3, n_rows, n_columns)]
    gone : np.ndarray [shape=(n_copies, n_patches), bool]
        What is replaced in each copy.
    numbers : np.ndarray
        Of `patch_numbers`.

    Returns
    -------
    copies : torch.Tensor [shape=(n_copies, 3, n_rows, n_columns)]
    """
    mask = torch.from_numpy(gone[:, numbers]).to(x.device)[:, None]
    return torch.where(mask, baseline, x)
