"""The randomisation check: does a map change when the network forgets what it learned?

From the head down, block by block, weights and batch-norm statistics are replaced by those of a random network. A map
that stays as it was shows the input, not the network.
Reference: Adebayo et al. 2018, Sanity Checks for Saliency Maps, https://arxiv.org/abs/1810.03292.
"""

import copy
from collections.abc import Iterator

from tlprobe.backbones.blocked import BlockedCNN

__all__ = ["forgetting"]


def forgetting(model: BlockedCNN, random: BlockedCNN) -> Iterator[tuple[str, BlockedCNN]]:
    """Yield a network that forgets more and more.

    Parameters
    ----------
    model : BlockedCNN
        Is left as it is.
    random : BlockedCNN
        Of the same shape, with random weights.

    Yields
    ------
    name : str
        What is random now, together with all before it: ``head``, then the blocks from output to input.
    network : BlockedCNN
        In evaluation mode; the same object each time.
    """
    network = copy.deepcopy(model).eval()
    network.head.load_state_dict(random.head.state_dict())
    yield "head", network
    for name in reversed(model.block_names):
        network.blocks[name].load_state_dict(random.blocks[name].state_dict())
        yield name, network
