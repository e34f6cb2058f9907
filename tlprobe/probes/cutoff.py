"""Cutoff probe: how much of the network is needed?

The network ends after a block, with global average pooling and a new head, and is trained.
Reference: Palanisamy et al. 2020, https://arxiv.org/abs/2007.11154, section IV-B3 (model cutoff).
"""

from tlprobe.backbones.blocked import BlockedCNN

__all__ = ["cut_after"]


def cut_after(model: BlockedCNN, *, after: str, seed: int) -> int:
    """End `model` after a block, in place.

    Parameters
    ----------
    model : BlockedCNN
        A network, pretrained or not.
    after : str, one of ``model.block_names``
        The last block that stays.
    seed : int
        Of the new head.

    Returns
    -------
    n_left : int > 0
        Number of scalar weights that are left, with the new head.

    Raises
    ------
    ParameterError
        If `after` names no block.
    """
    model.cut(after, seed=seed)
    return sum(weight.numel() for weight in model.parameters())
