"""Inception v3 (torchvision): a block ends where the resolution halves; units are the Inception modules.

No auxiliary head: it fails on images 128 high. ``transform_input`` is off for pretrained and random
alike; torchvision turns it on for pretrained networks alone, which would confound the two.
"""

import torchvision

from tlprobe.backbones.chain import Chain

__all__ = ["inception"]

_UNITS = {
    "stem": ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1"),  # ends at 1/4
    "block1": ("Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2"),  # 1/8
    "block2": ("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a"),  # 1/16
    "block3": ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7a"),  # 1/32
    "block4": ("Mixed_7b", "Mixed_7c"),
}


def inception(backbone: str) -> Chain:
    """Return ``inception_v3`` with random weights (truncated normal, torchvision's ``init_weights=True``)."""
    network = torchvision.models.get_model(
        backbone, weights=None, aux_logits=False, init_weights=True, transform_input=False
    )
    blocks = {name: [getattr(network, unit) for unit in units] for name, units in _UNITS.items()}
    return Chain(network, blocks, network.fc, "fc")
