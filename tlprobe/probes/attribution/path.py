"""Integrated Gradients that converge: steps are added until the attributions add up.

The attributions of a clip must sum to F(x) - F(x'), the logit of the clip minus that of the baseline (completeness);
how far they miss it is the gap. It falls with the number of steps, though not steadily, and says when there are enough.
Reference: Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365. The integral is Captum's (Gauss-Legendre).
"""

import logging
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import IntegratedGradients
from torch import nn

from tlprobe.errors import CheckpointError, ParameterError

__all__ = ["MAX_STEPS", "SMALL_DIFFERENCE", "Explained", "completeness_gap", "integrated_gradients", "logits_of"]

_log = logging.getLogger(__name__)

MAX_STEPS = 1000
"""Steps after which a clip that does not add up is marked as such."""
SMALL_DIFFERENCE = 0.1
"""Of logits: below it a relative gap says nothing, and the absolute one is kept."""

_FIRST_STEPS = 32
_TOGETHER = 8  # clips whose steps fill a batch: their end points need no batch of their own


class Explained(NamedTuple):
    """Attributions of some clips.

    Parameters
    ----------
    attributions : np.ndarray [shape=(n, 3, n_mels, width), float32]
        In logits.
    logit, logit_baseline : np.ndarray [shape=(n,)]
        F(x) and F(x'), the latter the mean over several baselines.
    gap : np.ndarray [shape=(n,)]
        See `completeness_gap`.
    gap_absolute : np.ndarray [shape=(n,), bool]
        Which kind of gap.
    n_steps : np.ndarray [shape=(n,), int64]
        That were taken from each baseline.
    """

    attributions: npt.NDArray[np.float32]
    logit: npt.NDArray[np.float64]
    logit_baseline: npt.NDArray[np.float64]
    gap: npt.NDArray[np.float64]
    gap_absolute: npt.NDArray[np.bool_]
    n_steps: npt.NDArray[np.int64]


def integrated_gradients(
    model: nn.Module,
    x: torch.Tensor,
    *,
    baselines: torch.Tensor,
    columns: Sequence[int],
    tolerance: float = 0.01,
    n_steps: int | None = None,
    max_steps: int | None = None,
    batch: int = 32,
    on_clip: Callable[[], object] = lambda: None,
) -> Explained:
    """Attribute a logit of each clip to its image.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode, its weights without gradients; is left as it is.
    x : torch.Tensor [shape=(n, 3, n_mels, width)]
        What the network sees, on its device.
    baselines : torch.Tensor [shape=(k, 1 or n, 3, n_mels, width)]
        Where the paths begin; the result is the mean over the k.
    columns : sequence of int [length n]
        Whose logit.
    tolerance : float > 0
        The gap to be reached: 32 steps are doubled until it is, or there are `max_steps`. The best result is kept.
    n_steps : int > 0, optional
        This many steps instead, whatever the gap.
    max_steps : int > 0, optional
        Default: `MAX_STEPS`, 1000.
    batch : int > 0
        Images in the network at a time.
    on_clip : callable
        Called whenever a clip is done.

    Returns
    -------
    found : Explained

    Raises
    ------
    ParameterError
        If a number is impossible.
    CheckpointError
        If the network's answer to a clip or a baseline is not finite.
    """
    most = MAX_STEPS if max_steps is None else max_steps
    if tolerance <= 0 or min(batch, most) < 1 or (n_steps is not None and n_steps < 1):
        given = f"tolerance={tolerance}, batch={batch}, n_steps={n_steps}, max_steps={most}"
        raise ParameterError(f"{given}: all must be positive")
    n = len(x)
    x = x.contiguous(memory_format=torch.channels_last)  # a fifth faster on a CPU, and the paths keep it
    own = torch.as_tensor(columns, device=x.device)
    logit = logits_of(model, x, batch=batch).gather(1, own[:, None])[:, 0].double().cpu().numpy()
    logit_baseline = np.zeros(n)
    for baseline in baselines:
        at_baseline = logits_of(model, baseline, batch=batch).expand(n, -1)
        logit_baseline += at_baseline.gather(1, own[:, None])[:, 0].double().cpu().numpy() / len(baselines)
    best = np.zeros(x.shape, np.float32)
    gap, absolute = np.full(n, np.inf), np.zeros(n, bool)
    taken = np.zeros(n, np.int64)
    pending = np.arange(n)
    steps = min(_FIRST_STEPS, most) if n_steps is None else n_steps
    while len(pending):
        for chunk in np.array_split(pending, -(-len(pending) // min(_TOGETHER, batch))):
            found = _with_steps(model, x, baselines, own, chunk, n_steps=steps, batch=batch)
            for index, attribution in zip(chunk, found, strict=True):
                total = float(attribution.sum(dtype=np.float64))
                missed, is_absolute = completeness_gap(total, logit[index] - logit_baseline[index])
                if missed < gap[index]:
                    best[index], gap[index], absolute[index], taken[index] = attribution, missed, is_absolute, steps
                if n_steps is not None or gap[index] <= tolerance or steps == most:
                    on_clip()
        if n_steps is not None or steps == most:
            break
        pending = pending[gap[pending] > tolerance]
        if len(pending):
            _log.info("%d of %d clips do not add up within %.2g yet, after %d steps", len(pending), n, tolerance, steps)
        steps = min(2 * steps, most)
    return Explained(best, logit, logit_baseline, gap, absolute, taken)


def logits_of(model: nn.Module, x: torch.Tensor, *, batch: int) -> torch.Tensor:
    """Return a network's logits, without gradients.

    Raises
    ------
    CheckpointError
        If one is not finite: nothing can be attributed then.
    """
    with torch.no_grad():
        logits = torch.cat([model(part).float() for part in torch.split(x, batch)])
    if not bool(logits.isfinite().all()):
        raise CheckpointError("the network's answer is not finite: its weights or activations are NaN or infinite")
    return logits


def completeness_gap(total: float, difference: float) -> tuple[float, bool]:
    """Return how far attributions miss what they must add up to.

    Parameters
    ----------
    total : float
        Sum of the attributions, in logits.
    difference : float
        F(x) - F(x').

    Returns
    -------
    gap : float >= 0
        Relative to `difference`, or absolute where that is below 0.1.
    is_absolute : bool
        Which of the two.

    Examples
    --------
    >>> completeness_gap(7.5, 10.0)
    (0.25, False)
    >>> completeness_gap(0.25, 0.0)
    (0.25, True)
    """
    miss = abs(total - difference)
    if abs(difference) < SMALL_DIFFERENCE:
        return miss, True
    return miss / abs(difference), False


def _with_steps(
    model: nn.Module,
    x: torch.Tensor,
    baselines: torch.Tensor,
    columns: torch.Tensor,
    chunk: npt.NDArray[np.int64],
    *,
    n_steps: int,
    batch: int,
) -> npt.NDArray[np.float32]:
    """Return the mean over the baselines of some clips' attributions."""
    method = IntegratedGradients(model)
    total = torch.zeros_like(x[chunk])
    for baseline in baselines:
        with warnings.catch_warnings():
            # Captum warns that the input has no gradient yet and sets it itself.
            warnings.filterwarnings("ignore", message="Input Tensor .* did not already require gradients")
            part = method.attribute(
                x[chunk],
                baselines=(baseline if len(baseline) == 1 else baseline[chunk]).contiguous(
                    memory_format=torch.channels_last
                ),
                target=columns[chunk],
                n_steps=n_steps,
                internal_batch_size=max(batch, len(chunk)),
            )
        total += part.detach() / len(baselines)
    found: npt.NDArray[np.float32] = total.float().cpu().numpy()
    return found
