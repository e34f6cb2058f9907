"""DenseNet (torchvision): a transition belongs to the dense block before it; norm5 and ReLU to block4."""

from typing import cast

import torch
import torchvision
from torch import nn

from tlprobe.backbones.chain import Chain

__all__ = ["NORM_AFTER", "DenseUnit", "densenet"]

NORM_AFTER = ("block1", "block2", "block3")  # they end in a transition's convolution and pooling


class DenseUnit(nn.Module):
    """A dense layer as a unit: ``x -> cat(x, layer(x))``.

    Parameters
    ----------
    layer : nn.Module
        A dense layer of torchvision or timm, whose children in a row are its path.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, c + growth, h, w)``."""
        new = x
        # The layer's own forward would copy x once more to join its list of inputs.
        for step in self.layer.children():
            new = step(new)
        return torch.cat([x, new], 1)


def densenet(backbone: str) -> Chain:
    """Return ``densenet121 | densenet169 | densenet201`` with random weights."""
    network = torchvision.models.get_model(backbone, weights=None)
    features = network.features
    blocks: dict[str, list[nn.Module]] = {"stem": [features.conv0, features.norm0, features.relu0, features.pool0]}
    for i in (1, 2, 3, 4):
        layers = cast(nn.ModuleDict, getattr(features, f"denseblock{i}")).children()
        blocks[f"block{i}"] = [DenseUnit(layer) for layer in layers]
        # In torchvision the last ReLU is a function call of the network's forward.
        blocks[f"block{i}"] += (
            [features.norm5, nn.ReLU(inplace=True)] if i == 4 else list(getattr(features, f"transition{i}"))
        )
    return Chain(network, blocks, network.classifier, "classifier", norm_after=NORM_AFTER)
