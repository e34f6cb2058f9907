"""Other cuts through the same chain of units: parts of equal size instead of named blocks.

Block3 of DenseNet-201 holds 45 % of its weights. Whether it is special or just big is asked by cutting the
chain into parts that are equally large.
"""

import itertools
from collections.abc import Sequence
from typing import Literal, cast, get_args

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from tlprobe.errors import ParameterError

__all__ = ["Partition", "equal_parts", "partition_of", "unit_sizes"]

By = Literal["params", "macs", "layers"]
_DEFAULT_PARTS = 4


class Partition(BaseModel):
    """How a chain of units is cut into parts of equal size.

    Attributes
    ----------
    by : {"params", "macs", "layers"}
        What is equal: scalar weights, multiply-accumulates of one image, or convolutions and linear layers.
    parts : int >= 2
        How many. They are named ``part1 .. partN``, input to output.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: By
    parts: int = Field(ge=2)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts, input to output."""
        return tuple(f"part{number}" for number in range(1, self.parts + 1))

    def __str__(self) -> str:
        """Return it in a word, for tables."""
        return f"{self.by}/{self.parts}"


def partition_of(by: str, parts: int | None) -> Partition | None:
    """Return the partition that options ask for; None for the named blocks.

    Parameters
    ----------
    by : {"blocks", "params", "macs", "layers"}
    parts : int >= 2, optional
        Default: 4.

    Raises
    ------
    ParameterError
        If `by` is unknown, or `parts` is given for named blocks.
    """
    if by == "blocks":
        if parts is not None:
            raise ParameterError(f"parts={parts}: the named blocks are what they are; give --partition as well")
        return None
    if by not in get_args(By):
        raise ParameterError(f"partition={by!r} is unknown; choose from blocks, {', '.join(get_args(By))}")
    return Partition(by=cast(By, by), parts=_DEFAULT_PARTS if parts is None else parts)


def unit_sizes(units: Sequence[nn.Module], *, by: By, image_shape: tuple[int, int, int]) -> list[int]:
    """Return the size of each unit of a chain.

    Parameters
    ----------
    units : sequence of nn.Module
        One after the other, from images to the last feature map; left in the mode they were in.
    by : {"params", "macs", "layers"}
        See `Partition`.
    image_shape : tuple of int
        ``(3, n_mels, n_frames)``; only the multiply-accumulates depend on it.

    Returns
    -------
    sizes : list of int >= 0
    """
    if by == "params":
        return [sum(weight.numel() for weight in unit.parameters()) for unit in units]
    layers = [[module for module in unit.modules() if isinstance(module, nn.Conv2d | nn.Linear)] for unit in units]
    if by == "layers":
        return [len(here) for here in layers]
    macs: dict[int, int] = {}

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        macs[id(module)] = macs.get(id(module), 0) + output.numel() * weight[0].numel()

    handles = [layer.register_forward_hook(count) for here in layers for layer in here]
    modes = [[(module, module.training) for module in unit.modules()] for unit in units]
    try:
        with torch.inference_mode():
            x = torch.zeros(1, *image_shape)
            for unit in units:
                x = unit.eval()(x)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in itertools.chain.from_iterable(modes):
            module.training = training
    return [sum(macs.get(id(layer), 0) for layer in here) for here in layers]


def equal_parts(sizes: Sequence[int], n: int) -> list[int]:
    """Cut a row of sizes into `n` runs of neighbours whose sums are as equal as can be.

    Parameters
    ----------
    sizes : sequence of int >= 0
    n : int >= 1
        Number of parts.

    Returns
    -------
    counts : list of int >= 1
        How many neighbours each part has. The squared deviation of the sums from their mean is the least
        possible (exactly, by dynamic programming); of equals, the one with the shorter first parts.

    Raises
    ------
    ParameterError
        If there are fewer sizes than parts.

    Examples
    --------
    >>> equal_parts([1, 1, 1, 3], 2)
    [3, 1]
    """
    if not 1 <= n <= len(sizes):
        raise ParameterError(f"parts={n}: the network has {len(sizes)} units; choose from 1 to {len(sizes)}")
    before = [0, *itertools.accumulate(sizes)]
    # best[k][end]: least sum of squares of k parts over the first `end` units, and where the last part starts.
    best = [[(float("inf"), 0)] * (len(sizes) + 1) for _ in range(n + 1)]
    best[0][0] = (0.0, 0)
    for k in range(1, n + 1):
        for end in range(k, len(sizes) + 1):
            best[k][end] = min(
                (best[k - 1][start][0] + (before[end] - before[start]) ** 2, start) for start in range(k - 1, end)
            )
    counts, end = [], len(sizes)
    for k in range(n, 0, -1):
        start = best[k][end][1]
        counts.append(end - start)
        end = start
    return counts[::-1]
