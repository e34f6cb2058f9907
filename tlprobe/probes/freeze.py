"""Freeze probe: which blocks have to be fine-tuned at all?

Blocks ``stem .. upto`` keep their pretrained state, the later blocks and the head are trained as
usual. Reference: Palanisamy et al. 2020, https://arxiv.org/abs/2007.11154, Fig. 2c.
"""

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.errors import ParameterError

__all__ = ["freeze_upto"]


def freeze_upto(model: BlockedCNN, *, upto: str) -> int:
    """Freeze the blocks ``stem .. upto`` of `model`, in place.

    Parameters
    ----------
    model : BlockedCNN
        Takes log-mel images ``(batch, 3, n_mels, n_frames)``.
    upto : str, one of ``model.block_names``
        Last frozen block, inclusive.

    Returns
    -------
    n_frozen : int > 0
        Number of scalar weights frozen; the head is never frozen.

    Raises
    ------
    ParameterError
        If `upto` names no block.
    """
    names = model.block_names
    if upto not in names:
        raise ParameterError(f"upto={upto!r} names no block; choose from {', '.join(names)}")
    model.frozen = names[: names.index(upto) + 1]  # BlockedCNN applies it: no gradient, batch-norm in eval
    return sum(weight.numel() for name in model.frozen for weight in model.blocks[name].parameters())
