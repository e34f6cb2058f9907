"""Cross-validation folds for data sets that come without their own."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tlprobe.errors import DataError, ParameterError
from tlprobe.numerics.seeds import derive_seed

__all__ = ["group_folds", "stratified_folds"]


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


def group_folds(
    labels: Sequence[str], groups: Sequence[str], *, n_folds: int = 5, seed: int = 0
) -> npt.NDArray[np.int64]:
    """Deal groups out to the folds, so that each class is spread as evenly as whole groups allow.

    Groups come in order of size, the largest first and equal ones shuffled; each goes to the fold that has least
    of its classes so far, counted in shares of these classes, and of equal ones to the smallest. A loop over the
    groups: 100,000 of them take about a second.

    Parameters
    ----------
    labels, groups : sequence of str [length n]
        Class and source of each clip.
    n_folds : int >= 2
    seed : int

    Returns
    -------
    folds : np.ndarray [shape=(n,), int64] in [1, n_folds]
        Equal for all clips of a group.

    Raises
    ------
    DataError
        If the clips of a class are of fewer groups than there are folds.

    Examples
    --------
    >>> folds = group_folds(["a"] * 6, ["x", "x", "x", "y", "y", "z"], n_folds=2)
    >>> bool((folds[:3] == folds[0]).all() and (folds[3:] != folds[0]).all())
    True
    """
    if n_folds < 2:
        raise ParameterError(f"n_folds={n_folds} is too few; at least 2 are needed")
    names, label_codes = _coded(labels)
    sources, group_codes = _coded(groups)
    pairs, counts = np.unique(group_codes * len(names) + label_codes, return_counts=True)
    pair_groups, pair_labels = np.divmod(pairs, len(names))
    groups_of_class = np.bincount(pair_labels, minlength=len(names))
    if (poor := np.flatnonzero(groups_of_class < n_folds)).size:
        name, n = names[poor[0]], groups_of_class[poor[0]]
        raise DataError(f"class {name!r} has clips of {n} groups, fewer than the {n_folds} folds")
    shares = counts / np.bincount(label_codes, minlength=len(names))[pair_labels]
    sizes = np.bincount(group_codes, minlength=len(sources))
    ends = np.searchsorted(pair_groups, np.arange(len(sources) + 1))
    rng = np.random.default_rng(derive_seed(seed, "group folds"))
    order = rng.permutation(len(sources))
    order = order[np.argsort(-sizes[order], kind="stable")]
    held = np.zeros((len(names), n_folds))  # of each class, the share that each fold has
    totals = np.zeros(n_folds)
    chosen = np.empty(len(sources), dtype=np.int64)
    for group in order.tolist():
        at = slice(ends[group], ends[group + 1])
        own = pair_labels[at]
        fullness = shares[at] @ held[own]
        fold = int(np.lexsort((totals, fullness.round(12)))[0])
        held[own, fold] += shares[at]
        totals[fold] += sizes[group]
        chosen[group] = fold + 1
    return chosen[group_codes]


def _coded(values: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the distinct values, sorted, and each value's place among them; faster than NumPy on long texts."""
    distinct = sorted(set(values))
    place = {value: number for number, value in enumerate(distinct)}
    return distinct, np.fromiter((place[value] for value in values), dtype=np.int64, count=len(values))
