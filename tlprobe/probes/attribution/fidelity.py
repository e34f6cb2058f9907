"""Infidelity and sensitivity of explanations.

Infidelity: patches are taken away at random; what the answer loses should be the sum of what they are said to give.
The usual measure depends on the scale of a map, which a ranking has none of, so that each map is first given the factor
that suits it best: what is left is the share of the answer's changes that the map does not explain, in [0, 1].
Sensitivity: how much the map changes when the clip does, imperceptibly.
Reference: Yeh et al. 2019, On the (In)fidelity and Sensitivity of Explanations, https://arxiv.org/abs/1901.09392.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from tlprobe.probes.attribution.patches import patch_numbers, without
from tlprobe.probes.attribution.path import logits_of

__all__ = ["changes", "sensitivity", "unexplained"]

_SHARES = (0.05, 0.6)  # of the patches that are taken away, drawn uniformly: from hardly any to more than half


def changes(
    model: nn.Module,
    x: torch.Tensor,
    baseline: torch.Tensor,
    *,
    column: int,
    n: int,
    rng: np.random.Generator,
    batch: int,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Take patches away at random, and return how much each time the logit lost.

    Parameters
    ----------
    model, x, baseline, column, batch
        As in `tlprobe.probes.attribution.curves.insertion_and_deletion`.
    n : int > 0
        How often.
    rng : np.random.Generator

    Returns
    -------
    gone : np.ndarray [shape=(n, n_patches), bool]
    lost : np.ndarray [shape=(n,)], in logits
    """
    numbers = patch_numbers(x.shape[1], x.shape[2])
    n_patches = int(numbers.max()) + 1
    gone = rng.random((n, n_patches)) < rng.uniform(*_SHARES, size=(n, 1))
    whole = float(logits_of(model, x[None], batch=1)[0, column])
    left = logits_of(model, without(x, baseline, gone, numbers), batch=batch)[:, column]
    lost: npt.NDArray[np.float64] = whole - left.double().cpu().numpy()
    return gone, lost


def unexplained(scores: npt.ArrayLike, gone: npt.ArrayLike, lost: npt.ArrayLike) -> float:
    """Return the share of the answer's changes that patch scores do not explain, by the best factor.

    Parameters
    ----------
    scores : array_like [shape=(n_patches,)]
    gone, lost
        Of `changes`.

    Returns
    -------
    infidelity : float in [0, 1]
        min over c of sum (c * said - lost)^2 / sum lost^2, said being the sum of the scores that are gone; 1 where
        nothing is said, 0 where nothing is lost.

    Examples
    --------
    >>> unexplained([1.0, 2.0], [[True, False], [False, True]], [10.0, 20.0])
    0.0
    >>> unexplained([1.0, 1.0], [[True, False], [False, True]], [1.0, -1.0])
    1.0
    """
    said = np.asarray(gone, np.float64) @ np.asarray(scores, np.float64)
    y = np.asarray(lost, np.float64)
    if not y.any():
        return 0.0
    if not said.any():
        return 1.0
    said, y = said / np.abs(said).max(), y / np.abs(y).max()  # squares of tiny numbers would be 0
    return float(np.clip(1 - (said @ y) ** 2 / ((said @ said) * (y @ y)), 0, 1))


def sensitivity(
    explain: Callable[[torch.Tensor], npt.NDArray[np.float32]],
    x: torch.Tensor,
    found: npt.NDArray[np.float32],
    *,
    radius: float,
    n: int,
    seed: int,
) -> float:
    """Return the largest relative change of a map under small changes of the clip.

    Parameters
    ----------
    explain : callable
        From images (1, 3, n_mels, width) to maps of that shape.
    x : torch.Tensor [shape=(3, n_mels, width)]
    found : np.ndarray [shape=(3, n_mels, width)]
        The map of `x`.
    radius : float > 0
        Each value moves by at most this, uniformly, in what the network sees.
    n : int > 0
        How many changes are tried.
    seed : int

    Returns
    -------
    sensitivity : float >= 0
        max of |map(x + r) - map(x)| / |map(x)|, Euclidean norms; 0 where the map is 0 and stays so.
    """
    generator = torch.Generator().manual_seed(seed)
    norm = float(np.linalg.norm(found))
    worst = 0.0
    for _ in range(n):
        noise = (2 * torch.rand(x.shape, generator=generator) - 1) * radius
        moved = explain((x + noise.to(x.device))[None])[0]
        change = float(np.linalg.norm(moved - found))
        worst = max(worst, change / norm if norm else (0.0 if change == 0 else float("inf")))
    return worst
