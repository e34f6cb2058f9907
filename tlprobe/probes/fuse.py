"""Fusion probe: which pretrained weights help?

The selected blocks keep their pretrained weights, the rest starts anew, and everything is trained.
Reference: Palanisamy et al. 2020, https://arxiv.org/abs/2007.11154, Fig. 2b (the blocks up to one), after
"weight transfusion" of Raghu et al. 2019, https://arxiv.org/abs/1902.07208.

What the rest gets tells features from mere scale:

=============  ==================================================================================
``random``     the weights of the random network of the same seed
``matched``    each weight drawn from a normal distribution with mean and variance of the pretrained
               tensor it stands in ("Mean Var init" of Raghu et al. 2019, section 5); fresh batch-norm statistics
``shuffled``   the pretrained values, permuted within each filter (one output channel of a convolution);
               what has one value a channel, batch-norm and biases, keeps it
``bn-stats``   random weights, but the pretrained running statistics of batch-norm
=============  ==================================================================================
"""

from collections.abc import Sequence
from typing import Literal

import torch

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.registry import build
from tlprobe.errors import ParameterError
from tlprobe.numerics.seeds import derive_seed

__all__ = ["RESTS", "Rest", "fuse_blocks"]

Rest = Literal["random", "matched", "shuffled", "bn-stats"]
RESTS: tuple[Rest, ...] = ("random", "matched", "shuffled", "bn-stats")

_STATISTICS = ("running_mean", "running_var")


def fuse_blocks(model: BlockedCNN, *, blocks: Sequence[str], rest: Rest = "random", seed: int) -> int:
    """Start all blocks but these anew, in place.

    Parameters
    ----------
    model : BlockedCNN
        A pretrained network, not cut.
    blocks : sequence of str, of ``model.block_names``
        Those that keep their weights; see `tlprobe.probes.selection.select_blocks`.
    rest : {"random", "matched", "shuffled", "bn-stats"}
        What the others get, see above.
    seed : int
        Of the random weights: the stream of ``--weights random``, so that a fused network's random
        blocks are those of the random network.

    Returns
    -------
    n_anew : int >= 0
        Number of scalar weights that start anew, without the head.

    Raises
    ------
    ParameterError
        If one names no block, or `rest` is unknown.
    """
    if rest not in RESTS:
        raise ParameterError(f"rest={rest!r} is unknown; choose from {', '.join(RESTS)}")
    unknown = [name for name in blocks if name not in model.block_names]
    if unknown:
        raise ParameterError(f"blocks={unknown[0]!r} names no block; choose from {', '.join(model.block_names)}")
    fresh = build(
        model.backbone,
        n_classes=model.n_classes,
        seed=seed,
        image_shape=model.image_shape,
        partition=model.partition,
    )
    n_anew = 0
    with torch.no_grad():
        for name in model.block_names:
            if name in blocks:
                continue
            _start_anew(model, fresh, name, rest=rest, seed=seed)
            n_anew += sum(weight.numel() for weight in model.blocks[name].parameters())
    return n_anew


def _start_anew(model: BlockedCNN, fresh: BlockedCNN, block: str, *, rest: Rest, seed: int) -> None:
    weights = {weight.data_ptr() for weight in model.blocks[block].parameters()}
    random, block_of = fresh.body_state(), model.block_of()
    for name, tensor in model.body_state().items():
        if block_of[name] != block:
            continue
        generator = torch.Generator().manual_seed(derive_seed(seed, rest, name))
        if rest == "matched" and tensor.data_ptr() in weights:
            tensor.copy_(_matched(tensor, generator))
        elif rest == "shuffled":
            tensor.copy_(_shuffled(tensor, generator))
        elif rest != "bn-stats" or not name.endswith(_STATISTICS):
            tensor.copy_(random[name])


def _matched(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Draw a tensor of the same shape, mean and variance."""
    mean, variance = tensor.double().mean(), tensor.double().var(correction=0)
    return mean + variance.sqrt() * torch.randn(tensor.shape, generator=generator, dtype=torch.float64)


def _shuffled(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Permute the values of each output channel on their own."""
    if tensor.dim() < 2:
        return tensor
    filters = tensor.flatten(1)
    order = torch.rand(filters.shape, generator=generator).argsort(dim=1)
    return filters.gather(1, order).view_as(tensor)
