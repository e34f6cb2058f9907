"""An original network, taken apart into units that keep its tensors and their names."""

from dataclasses import dataclass

import torch
from torch import nn

from tlprobe.errors import ParameterError

__all__ = ["Chain", "GlobalPool", "names_by_identity"]


class GlobalPool(nn.Module):
    """Global average pooling that keeps the axes: ``(batch, c, h, w)`` to ``(batch, c, 1, 1)``.

    A few networks (ConvNeXt, MobileNetV3) have transferred layers between pooling and head. There, this
    unit and those layers are the last units of the last block.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean over height and width."""
        return x.mean((2, 3), keepdim=True)


@dataclass(frozen=True)
class Chain:
    """An original network and its own modules, put in order.

    Attributes
    ----------
    network : nn.Module
        The original, with its head.
    blocks : dict of str to list of nn.Module
        Block name -> units. They hold the very parameters of `network`, which is how each tensor's
        original name is found.
    head : nn.Linear
        The classifier of `network`.
    head_name : str
        Its name there.
    norm_after : tuple of str
        Blocks that end without norm and activation: a network cut there gets them fresh.
    """

    network: nn.Module
    blocks: dict[str, list[nn.Module]]
    head: nn.Linear
    head_name: str
    norm_after: tuple[str, ...] = ()


def names_by_identity(chain: Chain, blocks: nn.ModuleDict, *, backbone: str) -> dict[str, str]:
    """Return original tensor name -> name in the chain; a tensor is known by being the same object.

    Raises
    ------
    ParameterError
        If a tensor of the original, its head aside, is not in the chain exactly once.
    """
    keys: dict[int, list[str]] = {}
    for key, tensor in blocks.state_dict(keep_vars=True).items():
        keys.setdefault(id(tensor), []).append(key)
    names: dict[str, str] = {}
    for name, tensor in chain.network.state_dict(keep_vars=True).items():
        if name.startswith(f"{chain.head_name}."):
            continue
        held = keys.pop(id(tensor), [])
        if len(held) != 1:
            raise ParameterError(
                f"backbone {backbone!r} does not form a chain of units: {name} is used {len(held)} times in its chain"
            )
        names[name] = held[0]
    if keys:
        raise ParameterError(f"backbone {backbone!r}: {next(iter(keys.values()))[0]} is not of the original network")
    return names
