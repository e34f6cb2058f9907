"""GoogLeNet (torchvision): a block ends where the resolution halves; units are the Inception modules.

No auxiliary heads, and ``transform_input`` is off for pretrained and random alike (see `inception`).
"""

import torchvision

from tlprobe.backbones.chain import Chain

__all__ = ["googlenet"]

_UNITS = {
    "stem": ("conv1", "maxpool1"),  # ends at 1/4
    "block1": ("conv2", "conv3", "maxpool2"),  # 1/8
    "block2": ("inception3a", "inception3b", "maxpool3"),  # 1/16
    "block3": ("inception4a", "inception4b", "inception4c", "inception4d", "inception4e", "maxpool4"),  # 1/32
    "block4": ("inception5a", "inception5b"),
}


def googlenet(backbone: str) -> Chain:
    """Return ``googlenet`` with random weights (truncated normal, torchvision's ``init_weights=True``)."""
    network = torchvision.models.get_model(
        backbone, weights=None, aux_logits=False, init_weights=True, transform_input=False
    )
    blocks = {name: [getattr(network, unit) for unit in units] for name, units in _UNITS.items()}
    return Chain(network, blocks, network.fc, "fc")
