"""Freeze probe: which blocks have to be fine-tuned at all?

The selected blocks keep their pretrained state, the others and the head are trained as usual. Reference:
Palanisamy et al. 2020, https://arxiv.org/abs/2007.11154, Fig. 2c (the blocks up to one).
"""

from collections.abc import Sequence

from tlprobe.backbones.blocked import BlockedCNN

__all__ = ["freeze_blocks"]


def freeze_blocks(model: BlockedCNN, *, blocks: Sequence[str]) -> int:
    """Freeze exactly these blocks of `model`, in place.

    Parameters
    ----------
    model : BlockedCNN
        Takes images ``(batch, 3, n_mels, n_frames)``.
    blocks : sequence of str, of ``model.block_names``
        See `tlprobe.probes.selection.select_blocks`.

    Returns
    -------
    n_frozen : int >= 0
        Number of scalar weights frozen; the head is never frozen.

    Raises
    ------
    ParameterError
        If one names no block.
    """
    model.frozen = blocks  # BlockedCNN applies it: no gradient, batch-norm in eval
    return sum(weight.numel() for name in model.frozen for weight in model.blocks[name].parameters())
