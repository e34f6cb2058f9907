"""What is a run's score if its epoch is chosen, but not on the clips that are scored?

The best epoch on the scored clips is an optimistic score: it was chosen for what it scores. Here the epoch is
chosen on one half of the held-out recordings and scored on the other, then the halves swap, so every clip is
scored by an epoch that it had no say in. Reference: cross-fitting, Chernozhukov et al. 2018,
https://doi.org/10.1111/ectj.12097, section 1.
"""

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from tlprobe.errors import ParameterError
from tlprobe.numerics.seeds import derive_seed

__all__ = ["N_SPLITS", "cross_fitted"]

N_SPLITS = 20
"""Ways to halve the recordings, averaged: one alone would be a matter of luck."""


def cross_fitted(
    correct: npt.ArrayLike, groups: Sequence[Hashable], *, n_splits: int = N_SPLITS, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Return how often each clip is right at the epoch that the other half of the recordings chose.

    Parameters
    ----------
    correct : array of bool [shape=(n_epochs, n_clips)]
        Whether the network was right about a clip after an epoch.
    groups : sequence of hashable [length n_clips]
        The source recording of each clip; its clips are in one half.
    n_splits : int >= 1
        Random halvings to average over.
    seed : int
        Of the halvings.

    Returns
    -------
    scores : np.ndarray [shape=(n_clips,), in [0, 1]]
        Their mean is the cross-fitted accuracy. Of equally good epochs the first is chosen.

    Raises
    ------
    ParameterError
        If there are fewer than two recordings, no epochs, or the lengths differ.
    """
    right = np.asarray(correct, dtype=np.float64)
    if right.ndim != 2 or not len(right) or right.shape[1] != len(groups):
        raise ParameterError(f"correct has shape {right.shape}; it must be (n_epochs, {len(groups)} clips)")
    if n_splits < 1:
        raise ParameterError(f"n_splits={n_splits} is too few; at least 1 is needed")
    number = {group: index for index, group in enumerate(dict.fromkeys(groups))}
    if len(number) < 2:
        raise ParameterError(f"{len(number)} source recording cannot be halved; at least 2 are needed")
    group_of = np.array([number[group] for group in groups])
    sizes = np.bincount(group_of)
    rng = np.random.default_rng(derive_seed(seed, "cross-fitting"))
    scores = np.zeros(len(groups))
    for _ in range(n_splits):
        order = rng.permutation(len(sizes))
        filled = np.cumsum(sizes[order]) - sizes[order]  # clips of the recordings before each
        first = np.isin(group_of, order[(2 * filled < len(groups)) & (np.arange(len(order)) < len(order) - 1)])
        for half in (first, ~first):
            chosen = right[:, ~half].mean(axis=1).argmax()
            scores[half] += right[chosen, half]
    return scores / n_splits
