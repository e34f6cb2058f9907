"""Linear resizing as a matrix."""

import numpy as np
import numpy.typing as npt

__all__ = ["resize_weights"]


def resize_weights(n_in: int, n_out: int) -> npt.NDArray[np.float32]:
    """Return the matrix ``(n_in, n_out)`` that resizes a row linearly; shrinking, it is antialiased.

    The same as PIL's bilinear resize and torch's ``interpolate(mode="bilinear", antialias=True)``: triangles as
    wide as two output cells, or two input cells where these are wider, each cut off at the edges and scaled to 1.

    Examples
    --------
    >>> resize_weights(4, 2).T.astype(float).round(3).tolist()
    [[0.429, 0.429, 0.143, 0.0], [0.0, 0.143, 0.429, 0.429]]
    """
    scale = n_in / n_out
    centres = (np.arange(n_out) + 0.5) * scale
    distance = np.abs(np.arange(n_in)[:, None] + 0.5 - centres) / max(scale, 1.0)
    weights = np.clip(1 - distance, 0, None)
    scaled: npt.NDArray[np.float32] = (weights / weights.sum(axis=0)).astype(np.float32)
    return scaled
