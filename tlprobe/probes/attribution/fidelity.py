"""Infidelity and sensitivity of explanations.

Infidelity: patches are taken away at random; what the answer loses should be the sum of what they are said to give.
The usual measure depends on the scale of a map, which a ranking has none of, so that each map is first given the factor
that suits it best: what is left is the share of the answer's changes that the map does not explain, in [0, 1].
The more patches are gone, the more is lost, and the more any positive map says is lost: such maps explain most of it,
whatever they show. So the share is also taken of what neither owes to the number of patches that are gone.
Sensitivity: how much the map changes when the clip does, imperceptibly.
Reference: Yeh et al. 2019, On the (In)fidelity and Sensitivity of Explanations, https://arxiv.org/abs/1901.09392.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from tlprobe.numerics.resampling import ROUNDING
from tlprobe.probes.attribution.patches import patch_numbers, without
from tlprobe.probes.attribution.path import logits_of

__all__ = ["changes", "sensitivity", "unexplained", "unexplained_beyond_number"]

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
        min over c >= 0 of sum (c * said - lost)^2 / sum lost^2, said being the sum of the scores that are gone; 1
        where nothing is said, 0 where nothing is lost.

    Examples
    --------
    >>> unexplained([1.0, 2.0], [[True, False], [False, True]], [10.0, 20.0])
    0.0
    >>> unexplained([1.0, 1.0], [[True, False], [False, True]], [1.0, -1.0])
    1.0
    """
    said = np.asarray(gone, np.float64) @ np.asarray(scores, np.float64)
    return _share_left(said, np.asarray(lost, np.float64))


def unexplained_beyond_number(scores: npt.ArrayLike, gone: npt.ArrayLike, lost: npt.ArrayLike) -> float:
    """Return the share of the answer's changes that patch scores do not explain beyond the number of patches gone.

    Parameters
    ----------
    scores, gone, lost
        As in `unexplained`.

    Returns
    -------
    infidelity : float in [0, 1]
        1 - r^2, r being the correlation of what is said with what is lost after the least-squares line over the number
        of patches gone is taken from both, 0 at least. 0 where that line is all that is lost, whatever is said; else 1
        where it is all that is said, as by equal scores.

    Examples
    --------
    >>> gone = [[True, False, False], [False, True, False], [False, False, True], [True, True, True]]
    >>> round(unexplained_beyond_number([5.0, 6.0, 7.0], gone, [1.0, 2.0, 3.0, 6.0]), 12)
    0.0
    >>> unexplained_beyond_number([2.0, 2.0, 2.0], gone, [1.0, 2.0, 3.0, 6.0])
    1.0
    """
    removed = np.asarray(gone, np.float64)
    n_gone = removed.sum(axis=1)
    said = _beyond_line(removed @ np.asarray(scores, np.float64), n_gone)
    return _share_left(said, _beyond_line(np.asarray(lost, np.float64), n_gone))


def _beyond_line(y: npt.NDArray[np.float64], x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the residuals of y over x by least squares, all 0 where they are but rounding."""
    line = np.stack([np.ones_like(x), x], axis=1)
    left = y - line @ np.linalg.lstsq(line, y, rcond=None)[0]
    return left if np.abs(left).max() > ROUNDING * np.abs(y).max() else np.zeros_like(y)


def _share_left(said: npt.NDArray[np.float64], lost: npt.NDArray[np.float64]) -> float:
    """Return 1 - cos^2 of two vectors: 0 where nothing is lost, else 1 where nothing, or the contrary, is said."""
    if not lost.any():
        return 0.0
    if not said.any():
        return 1.0
    said, lost = said / np.abs(said).max(), lost / np.abs(lost).max()  # squares of tiny numbers would be 0
    agreed = max(float(said @ lost), 0.0)
    return float(np.clip(1 - agreed**2 / ((said @ said) * (lost @ lost)), 0, 1))


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
