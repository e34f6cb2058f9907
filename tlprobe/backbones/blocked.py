"""One network class for every backbone: a chain of units, cut into named blocks, and a head.

A *unit* is the smallest step with one tensor in and one out (a residual block, a dense layer with its
concatenation, an MBConv). A *block* is a named slice of the chain: ``stem, block1 .. block4``. Freezing,
fusing, cutting and reading activations work on these slices and are written once, here.
After the last block come global average pooling and a new linear head, without dropout; the head is
never frozen and never transferred.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import nn

from tlprobe.backbones.chain import Chain, names_by_identity
from tlprobe.backbones.matching import mismatch_summary
from tlprobe.backbones.partition import Partition, equal_parts, unit_sizes
from tlprobe.backbones.streams import new_head
from tlprobe.errors import CheckpointError, ParameterError

__all__ = ["CUT_NORM", "BlockedCNN"]

CUT_NORM = "cut_norm"  # prefix of the fresh norm that ends a cut DenseNet; no original name starts so


class BlockedCNN(nn.Module):
    """A convolutional network as named blocks and a head.

    Made by `tlprobe.backbones.registry.build`.

    Parameters
    ----------
    chain : Chain
        The original network, in order.
    backbone : str
        Its name in tlprobe.
    n_classes : int >= 2
        Outputs of the new head.
    seed : int
        The head is drawn from the stream (seed, "head").
    image_shape : tuple of int
        ``(3, n_mels, n_frames)``.

    Attributes
    ----------
    block_names : tuple of str
        ``stem, block1 .. block4``, shorter after a cut; ``part1 .. partN`` of a partition.
    blocks : nn.ModuleDict
        Block name -> nn.Sequential of units.
    head : nn.Linear
    head_name : str
        The head's name in the original network.
    cut_after : str or None
    partition : Partition or None
        Where the blocks are parts of equal size.
    cut_norm : nn.Sequential
        Fresh norm and ReLU of a cut DenseNet, otherwise empty. Part of the head: never frozen or transferred.

    Raises
    ------
    ParameterError
        If the blocks do not hold every tensor of the original exactly once.
    """

    def __init__(
        self, chain: Chain, *, backbone: str, n_classes: int, seed: int, image_shape: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.n_classes = n_classes
        self.image_shape = image_shape
        self.head_name = chain.head_name
        self.cut_after: str | None = None
        self.partition: Partition | None = None
        self.blocks = nn.ModuleDict({name: nn.Sequential(*units) for name, units in chain.blocks.items()})
        self._norm_after = chain.norm_after
        self._frozen: tuple[str, ...] = ()
        self._chain_name = names_by_identity(chain, self.blocks, backbone=backbone)
        # Original name -> block, for the blocks that a cut will drop as well.
        self._block_of = {name: key.split(".")[0] for name, key in self._chain_name.items()}
        self.cut_norm = nn.Sequential()
        self.head = new_head(chain.head.in_features, n_classes, seed=seed)

    @property
    def block_names(self) -> tuple[str, ...]:
        """Names of the blocks, input to output."""
        return tuple(self.blocks)

    @property
    def frozen(self) -> tuple[str, ...]:
        """Frozen blocks, input to output: no gradients, and batch-norm in eval mode.

        Setting it freezes exactly these blocks and unfreezes the others.
        """
        return self._frozen

    @frozen.setter
    def frozen(self, names: Sequence[str]) -> None:
        names = (names,) if isinstance(names, str) else tuple(names)
        for name in names:
            self._require_block(name, "frozen")
        self._frozen = tuple(name for name in self.block_names if name in names)
        for name, block in self.blocks.items():
            block.requires_grad_(name not in self._frozen)
        self.train(self.training)

    def train(self, mode: bool = True) -> "BlockedCNN":
        """Set the mode as usual, but keep frozen blocks in eval: their running statistics must not move."""
        super().train(mode)
        for name in self._frozen:
            self.blocks[name].eval()
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits ``(batch, n_classes)`` of images ``(batch, 3, n_mels, n_frames)``."""
        return cast(torch.Tensor, self.head(self.features(x)))

    def features(self, x: torch.Tensor, *, after: str | None = None) -> torch.Tensor:
        """Return what the head sees, ``(batch, d)``: the last block's output, pooled.

        Of images, or of the output ``(batch, channels, height, width)`` of block `after`.
        """
        first = 0 if after is None else self.block_names.index(after) + 1
        for name in self.block_names[first:]:
            x = self.blocks[name](x)
        x = self.cut_norm(x)
        return x.mean((2, 3))

    def cut(self, after: str, *, seed: int) -> None:
        """End the network after a block, in place, with a new head.

        A DenseNet cut after block1, block2 or block3 ends in a bare convolution, so it gets a fresh
        norm and ReLU (`cut_norm`) before pooling.

        Parameters
        ----------
        after : str, one of ``block_names``
            The last block that stays.
        seed : int
            The new head is drawn from the stream (seed, "head").

        Raises
        ------
        ParameterError
            If `after` names no block.
        """
        self._require_block(after, "after")
        for name in self.block_names[self.block_names.index(after) + 1 :]:
            del self.blocks[name]
        self.cut_after = after
        self._chain_name = {k: v for k, v in self._chain_name.items() if self._block_of[k] in self.blocks}
        self._frozen = tuple(name for name in self._frozen if name in self.blocks)
        device = self.head.weight.device
        self.cut_norm = nn.Sequential()
        width = self._feature_width()
        if after in self._norm_after:
            self.cut_norm = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU()).to(device)
        self.head = new_head(width, self.n_classes, seed=seed).to(device)
        self.train(self.training)

    def divide(self, partition: Partition) -> None:
        """Make the blocks parts of equal size of the same chain of units, in place; nothing is frozen then.

        Raises
        ------
        ParameterError
            If the network is cut, or has fewer units than parts.
        """
        if self.cut_after is not None:
            raise ParameterError(f"{self.describe()}: a network that is cut is not divided into parts")
        units = [unit for block in self.blocks.values() for unit in cast(nn.Sequential, block)]
        sizes = unit_sizes(units, by=partition.by, image_shape=self.image_shape)
        stops = [0, *itertools.accumulate(equal_parts(sizes, partition.parts))]
        tensors = self.blocks.state_dict(keep_vars=True)
        self.frozen = ()
        self.blocks = nn.ModuleDict(
            {
                name: nn.Sequential(*units[start:stop])
                for name, (start, stop) in zip(partition.names, itertools.pairwise(stops), strict=True)
            }
        )
        key_of = {id(tensor): key for key, tensor in self.blocks.state_dict(keep_vars=True).items()}
        self._chain_name = {name: key_of[id(tensors[key])] for name, key in self._chain_name.items()}
        self._block_of = {name: key.split(".")[0] for name, key in self._chain_name.items()}
        self.partition = partition

    def body_state(self) -> dict[str, torch.Tensor]:
        """Return the blocks' weights and buffers by their original torchvision or timm names (no copies)."""
        state = self.blocks.state_dict()
        return {name: state[key] for name, key in self._chain_name.items()}

    def original_state(self) -> dict[str, torch.Tensor]:
        """Return `body_state`, the head under its original name, and the norm of a cut DenseNet, if any.

        That of an uncut network loads into the plain torchvision (``aux_logits=False``) or timm network
        of the same number of classes with ``strict=True``.
        """
        return {**self.body_state(), **self._head_state()}

    def block_of(self) -> dict[str, str]:
        """Return original tensor name -> block; the blocks that a cut has dropped are included."""
        return dict(self._block_of)

    def layers(self) -> dict[str, tuple[str, nn.Module]]:
        """Return original module name -> its block and itself, for every module of the blocks that holds tensors.

        Input to output as far as the original lists its modules so; the head is not among them.
        """
        found: dict[str, tuple[str, nn.Module]] = {}
        for name, key in self._chain_name.items():
            layer = name.rpartition(".")[0]
            if layer not in found:
                found[layer] = (self._block_of[name], self.blocks.get_submodule(key.rpartition(".")[0]))
        return found

    def load_original_state(
        self, state: Mapping[str, torch.Tensor], *, blocks: Sequence[str] | None = None, head: bool
    ) -> None:
        """Copy tensors by original name into some blocks, all of them or none.

        Parameters
        ----------
        state : mapping of str to torch.Tensor
            Must hold every tensor of the selected blocks, in its shape. Tensors of the network's other
            blocks, those a cut has dropped included, are left alone, and so is the head without `head`.
        blocks : sequence of str, optional
            Default: all.
        head : bool
            Whether to load the head too (with the norm of a cut DenseNet).

        Raises
        ------
        ParameterError
            If `blocks` names no block.
        CheckpointError
            If tensors are missing, mis-shaped or unknown; the network is then unchanged.
        """
        selected = self.block_names if blocks is None else tuple(blocks)
        for name in selected:
            self._require_block(name, "blocks")
        targets = {k: v for k, v in self.body_state().items() if self._block_of[k] in selected}
        head_state = self._head_state()
        if head:
            targets |= head_state
        apart = (f"{self.head_name}.", f"{CUT_NORM}.")
        passed_over = {k for k in state if k not in targets and (k in self._block_of or k.startswith(apart))}
        if head:
            passed_over -= {k for k in passed_over if k.startswith(apart)}
        problems = mismatch_summary(
            {k: tuple(v.shape) for k, v in targets.items()},
            {k: tuple(v.shape) for k, v in state.items() if k not in passed_over},
            block_of=self._block_of | dict.fromkeys(head_state, "head"),
        )
        if problems:
            raise CheckpointError(f"the weights do not fit {self.describe()}: {problems}")
        with torch.no_grad():
            for name, target in targets.items():
                target.copy_(state[name])

    def describe(self) -> str:
        """Return the backbone's name, with its cut."""
        return self.backbone + (f" cut after {self.cut_after}" if self.cut_after else "")

    def _head_state(self) -> dict[str, torch.Tensor]:
        norm = {f"{CUT_NORM}.{k}": v for k, v in self.cut_norm.state_dict().items()}
        return norm | {f"{self.head_name}.{k}": v for k, v in self.head.state_dict().items()}

    def _feature_width(self) -> int:
        training = self.training
        self.eval()
        with torch.no_grad():
            width = self.features(torch.zeros(1, *self.image_shape, device=self.head.weight.device)).shape[1]
        self.train(training)
        return width

    def _require_block(self, name: str, argument: str) -> None:
        if name not in self.blocks:
            raise ParameterError(
                f"{argument}={name!r} names no block of {self.describe()}; choose from {', '.join(self.block_names)}"
            )
