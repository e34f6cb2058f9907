"""Fusion probe: how far up do pretrained weights help?

Blocks ``stem .. upto`` keep their pretrained weights, the later ones start at random, and everything
is trained. Reference: Palanisamy et al. 2020, https://arxiv.org/abs/2007.11154, Fig. 2b, after
"weight transfusion" of Raghu et al. 2019, https://arxiv.org/abs/1902.07208.
"""

import torch

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.registry import build
from tlprobe.errors import ParameterError

__all__ = ["fuse_upto"]


def fuse_upto(model: BlockedCNN, *, upto: str, seed: int) -> int:
    """Start the blocks after `upto` anew, at random, in place.

    Parameters
    ----------
    model : BlockedCNN
        A pretrained network, not cut.
    upto : str, one of ``model.block_names``
        Last block that keeps its weights, inclusive.
    seed : int
        Of the random weights: the stream of ``--weights random``, so that a fused network's random
        blocks are those of the random network.

    Returns
    -------
    n_random : int >= 0
        Number of scalar weights that start at random, without the head.

    Raises
    ------
    ParameterError
        If `upto` names no block.
    """
    names = model.block_names
    if upto not in names:
        raise ParameterError(f"upto={upto!r} names no block; choose from {', '.join(names)}")
    fresh = build(model.backbone, n_classes=model.n_classes, seed=seed, image_shape=model.image_shape)
    n_random = 0
    with torch.no_grad():
        for name in names[names.index(upto) + 1 :]:
            model.blocks[name].load_state_dict(fresh.blocks[name].state_dict())
            n_random += sum(weight.numel() for weight in model.blocks[name].parameters())
    return n_random
