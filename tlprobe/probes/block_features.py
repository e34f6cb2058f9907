"""What every block of a network says of a clip, one vector each: its output, averaged over time and frequency."""

import dataclasses

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.bars import progress_bar
from tlprobe.data.loader import Standardiser, image_batches
from tlprobe.probes.capture import Capture, Reduce, find_layers
from tlprobe.train.device import set_up_for_speed

__all__ = ["BlockFeatures", "block_features"]

_BATCH = 64  # clips at most


@dataclasses.dataclass(frozen=True)
class BlockFeatures:
    """Features of some clips.

    Parameters
    ----------
    blocks : dict of str to np.ndarray [shape=(n_clips, channels), float32]
        Block name -> its output before global pooling, averaged.
    source : np.ndarray [shape=(n_clips, n_source_classes), float64, in [0, 1]] or None
        The network's probabilities of its source classes, where it has a head for them.
    """

    blocks: dict[str, npt.NDArray[np.float32]]
    source: npt.NDArray[np.float64] | None


def block_features(
    model: BlockedCNN,
    images: npt.NDArray[np.float32],
    index: npt.NDArray[np.int64],
    *,
    standardise: Standardiser,
    head: nn.Linear | None = None,
    device: torch.device,
    progress: bool | None = None,
) -> BlockFeatures:
    """Run a network on clips and keep the pooled output of each block.

    Parameters
    ----------
    model : BlockedCNN
        Is moved to `device` and put into evaluation mode.
    images : np.ndarray [shape=(n_all, 3, n_mels, width)]
        Of the whole data set.
    index : np.ndarray of int [shape=(n_clips,)]
        Which of them.
    standardise : Standardiser
    head : nn.Linear, optional
        A classifier of source classes, of what ``model.features`` gives.
    device : torch.device
    progress : bool or None
        None shows a bar on a terminal and in a notebook only.
    """
    layers = find_layers(set_up_for_speed(model, device=device).eval(), "blocks")
    kept: list[list[torch.Tensor]] = [[] for _ in layers]
    source: list[torch.Tensor] = []
    order = np.array_split(index, -(-len(index) // _BATCH))
    head = None if head is None else head.to(device)
    with torch.inference_mode(), Capture(layers, [Reduce("pool")] * len(layers)) as capture:
        batches = image_batches(images, order)
        for batch in progress_bar(batches, show=progress, total=len(order), desc="features"):
            x = standardise(batch.to(device)).contiguous(memory_format=torch.channels_last)
            seen = model.features(x)
            for rows, own in zip(capture.take(), kept, strict=True):
                own.append(rows[:, 0].cpu())
            if head is not None:
                source.append(head(seen).double().softmax(1).cpu())
    blocks = {layer.block: torch.cat(own).numpy() for layer, own in zip(layers, kept, strict=True)}
    return BlockFeatures(blocks, torch.cat(source).numpy() if source else None)
