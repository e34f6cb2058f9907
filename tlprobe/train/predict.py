"""A network's logits for some clips: evaluation mode, no gradients, large batches, float32."""

import numpy as np
import torch
from torch import nn

from tlprobe.data.loader import Standardiser, image_batches
from tlprobe.errors import ParameterError
from tlprobe.train.processes import ALONE, Processes

__all__ = ["predict"]

_BATCH = {"cpu": 64, "cuda": 256}


def predict(
    model: nn.Module,
    images: np.ndarray,
    index: np.ndarray,
    *,
    standardise: Standardiser,
    device: torch.device,
    processes: Processes = ALONE,
) -> torch.Tensor:
    """Return a network's logits for some clips, in evaluation mode.

    Parameters
    ----------
    model : nn.Module
        Takes standardised images; left in evaluation mode.
    images : np.ndarray [shape=(n_clips, 3, n_mels, width)]
        Log-mel images.
    index : np.ndarray of int
        Which of them, in this order.
    standardise : Standardiser
        Applied to each.
    device : torch.device
        Where the network is.
    processes : Processes
        Those that share the work; each gets all logits, computed with process 0's batch-norm statistics.

    Returns
    -------
    logits : torch.Tensor [shape=(len(index), n_classes), float32, on the CPU]

    Raises
    ------
    ParameterError
        If there are fewer clips than processes.
    """
    if len(index) < processes.n:
        raise ParameterError(f"{len(index)} clips to score are too few for {processes.n} processes")
    model.eval()
    if processes.n > 1:
        processes.share(model.buffers())
    mine = np.arange(len(index))[processes.rank :: processes.n]
    parts = []
    with torch.inference_mode():
        for batch in image_batches(images, np.array_split(index[mine], -(-len(mine) // _BATCH[device.type]))):
            x = standardise(batch.to(device)).contiguous(memory_format=torch.channels_last)
            parts.append(model(x).float())
        found = torch.cat(parts)
        if processes.n == 1:
            return found.cpu()
        logits = torch.zeros(len(index), found.shape[1], device=device)
        logits[mine] = found
        return processes.sum_(logits).cpu()
