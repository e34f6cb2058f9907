"""Insertion and deletion: does the answer come, and go, with the patches that are said to matter?

Deletion takes patches from the clip, the highest ranked first, and puts the baseline in their place; insertion begins
with the baseline and puts patches back in the same order. The area under the probability of the explained class, over
the share of patches from 0 to 1, is small for deletion and large for insertion where a ranking is good.
Reference: Petsiuk, Das and Saenko 2018, RISE, https://arxiv.org/abs/1806.07421.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from tlprobe.probes.attribution.patches import patch_numbers, without
from tlprobe.probes.attribution.path import logits_of

__all__ = ["N_POINTS", "area", "insertion_and_deletion"]

N_POINTS = 21
"""Shares of patches, 0 to 1, at which the network is asked."""


def insertion_and_deletion(
    model: nn.Module,
    x: torch.Tensor,
    baseline: torch.Tensor,
    *,
    scores: npt.NDArray[np.float64],
    column: int,
    batch: int,
) -> npt.NDArray[np.float64]:
    """Return the probability of a class as patches come and go.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode.
    x, baseline : torch.Tensor [shape=(3, n_mels, width)]
        The clip and what stands in for what is missing, as the network sees them.
    scores : np.ndarray [shape=(n_patches,)]
        Of each patch; the highest goes first, of equal ones the first.
    column : int
        The class.
    batch : int
        Images in the network at a time.

    Returns
    -------
    curves : np.ndarray [shape=(2, N_POINTS)] in [0, 1]
        Insertion, deletion.
    """
    order = np.argsort(-scores, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    counts = np.round(np.linspace(0, len(order), N_POINTS)).astype(np.int64)
    first = place[None] < counts[:, None]  # the highest ranked, at each point
    numbers = patch_numbers(x.shape[1], x.shape[2])
    copies = without(x, baseline, np.concatenate([~first, first]), numbers)
    probabilities = torch.softmax(logits_of(model, copies, batch=batch).double(), dim=1)[:, column].cpu().numpy()
    curves: npt.NDArray[np.float64] = probabilities.reshape(2, N_POINTS)
    return curves


def area(curve: npt.ArrayLike) -> float:
    """Return the area under a curve over [0, 1], by the trapezoidal rule.

    Examples
    --------
    >>> area([0.0, 1.0, 1.0])
    0.75
    """
    values = np.asarray(curve, dtype=np.float64)
    return float((values[:-1] + values[1:]).mean() / 2)
