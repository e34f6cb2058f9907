"""A network in two halves, which share its weights: what comes up to a block, and what comes after it."""

from typing import cast

import torch
from torch import nn

from tlprobe.backbones.blocked import BlockedCNN

__all__ = ["FrontOf", "RestOf"]


class FrontOf(nn.Module):
    """The first blocks of a network, which it shares: images to the output of block `upto`."""

    def __init__(self, model: BlockedCNN, *, upto: str) -> None:
        super().__init__()
        names = model.block_names
        self.blocks = nn.Sequential(*(model.blocks[name] for name in names[: names.index(upto) + 1]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output ``(batch, channels, height, width)`` of the last of them."""
        return cast(torch.Tensor, self.blocks(x))


class RestOf(nn.Module):
    """What comes after the first blocks of a network, which it shares: the output of block `after` to logits."""

    def __init__(self, model: BlockedCNN, *, after: str) -> None:
        super().__init__()
        self.model, self.after = model, after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits ``(batch, n_classes)``."""
        return cast(torch.Tensor, self.model.head(self.model.features(x, after=self.after)))
