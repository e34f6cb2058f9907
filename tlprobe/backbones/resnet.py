"""ResNet (torchvision): blocks are layer1 .. layer4, units their residual blocks."""

import torchvision

from tlprobe.backbones.chain import Chain

__all__ = ["resnet"]


def resnet(backbone: str) -> Chain:
    """Return ``resnet18 | resnet34 | resnet50 | resnet101`` with random weights."""
    network = torchvision.models.get_model(backbone, weights=None)
    blocks = {"stem": [network.conv1, network.bn1, network.relu, network.maxpool]}
    for i in (1, 2, 3, 4):
        blocks[f"block{i}"] = list(getattr(network, f"layer{i}"))
    return Chain(network, blocks, network.fc, "fc")
