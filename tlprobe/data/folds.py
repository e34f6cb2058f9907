"""Cross-validation folds for data sets that come without their own."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tlprobe.errors import DataError, ParameterError
from tlprobe.numerics.seeds import derive_seed

__all__ = ["stratified_folds"]


def stratified_folds(labels: Sequence[str], *, n_folds: int = 5, seed: int = 0) -> npt.NDArray[np.int64]:
    """Deal the clips of each class out to the folds, as evenly as can be.

    Each class is shuffled by its own stream and starts dealing where the class before, by name, stopped, so
    the folds differ by one clip at most. Adding or enlarging a class can therefore move the clips of the
    classes after it to other folds; those of one class that shared a fold still do.

    Parameters
    ----------
    labels : sequence of str [length n]
    n_folds : int >= 2
    seed : int

    Returns
    -------
    folds : np.ndarray [shape=(n,), int64] in [1, n_folds]

    Raises
    ------
    DataError
        If a class has fewer clips than there are folds.

    Examples
    --------
    >>> folds = stratified_folds(["a"] * 4 + ["b"] * 2, n_folds=2, seed=0)
    >>> sorted(folds[:4].tolist()), sorted(folds[4:].tolist())
    ([1, 1, 2, 2], [1, 2])
    """
    if n_folds < 2:
        raise ParameterError(f"n_folds={n_folds} is too few; at least 2 are needed")
    names = np.asarray(labels)
    folds = np.zeros(len(names), dtype=np.int64)
    start = 0
    for name in sorted(set(labels)):
        index = np.flatnonzero(names == name)
        if len(index) < n_folds:
            raise DataError(f"class {name!r} has {len(index)} clips, fewer than the {n_folds} folds")
        rng = np.random.default_rng(derive_seed(seed, "folds", name))
        folds[rng.permutation(index)] = (start + np.arange(len(index))) % n_folds + 1
        start += len(index)
    return folds
