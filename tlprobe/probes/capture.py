"""Read what layers put out, while a network runs.

What a hook sees may be overwritten a moment later (an in-place ReLU), so everything is reduced to rows, or
copied, inside the hook. Rows are ``(clips, positions, channels)``. Layers are whole blocks, or modules by the
names that torchvision or timm give them.
"""

import dataclasses
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Literal

import torch
from torch import nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.chain import GlobalPool
from tlprobe.errors import ParameterError

__all__ = ["CONV", "Capture", "Conv", "Layer", "Reduce", "find_layers"]

Conv = Literal["positions", "pool", "flatten"]
CONV: tuple[Conv, ...] = ("positions", "pool", "flatten")

_NAMED = 12  # layers named in an error before they are counted


@dataclasses.dataclass(frozen=True)
class Layer:
    """A place in a network whose output can be read.

    Parameters
    ----------
    name : str
        The module's original name; of a block, ``block.index`` of its last unit before pooling.
    block : str
        The block it is in.
    module : nn.Module
        Whose output it is.
    """

    name: str
    block: str
    module: nn.Module


@dataclasses.dataclass(frozen=True)
class Reduce:
    """How a layer's output becomes rows.

    Parameters
    ----------
    conv : {"positions", "pool", "flatten"}
        Every position of the map is a sample with the channels as features; the mean over positions is; or the
        whole map is one sample of channels x positions features.
    grid : tuple of int or None
        Pool the map to this height and width first.
    keep : tuple of int or None
        The positions kept, of those that there are; None keeps all.
    """

    conv: Conv = "positions"
    grid: tuple[int, int] | None = None
    keep: tuple[int, ...] | None = None

    def __call__(self, maps: torch.Tensor) -> torch.Tensor:
        """Return rows ``(clips, positions, features)`` of maps ``(clips, c, h, w)``, in memory of their own."""
        if self.conv == "pool":
            return maps.mean((2, 3))[:, None]
        if self.grid is not None and self.grid != tuple(maps.shape[2:]):
            maps = functional.adaptive_avg_pool2d(maps, self.grid)
        if self.conv == "flatten":
            return maps.flatten(1)[:, None].clone()
        rows = maps.flatten(2).transpose(1, 2)
        if self.keep is not None:
            return rows[:, torch.tensor(self.keep, device=rows.device)].contiguous()
        return rows.clone(memory_format=torch.contiguous_format)


def find_layers(model: BlockedCNN, layers: str | Sequence[str] = "blocks") -> list[Layer]:
    """Return the layers meant by a name or several.

    Parameters
    ----------
    model : BlockedCNN
        The network.
    layers : str or sequence of str
        ``"blocks"``: the end of each block, before pooling. ``"all"``: every convolution and dense layer of the
        blocks. Else names of blocks and of modules that hold weights, by their torchvision or timm names.

    Raises
    ------
    ParameterError
        If a name matches nothing; names the choices.
    """
    names = [layers] if isinstance(layers, str) else list(layers)
    modules = model.layers()
    found: list[Layer] = []
    for name in names:
        if name == "blocks":
            found += [_end_of(model, block) for block in model.block_names]
        elif name == "all":
            weighted = {key: value for key, value in modules.items() if isinstance(value[1], nn.Conv2d | nn.Linear)}
            found += [Layer(key, block, module) for key, (block, module) in weighted.items()]
        elif name in model.block_names:
            found.append(_end_of(model, name))
        elif name in modules:
            found.append(Layer(name, *modules[name]))
        else:
            raise ParameterError(f"layer {name!r} is not in {model.describe()}; {_choices(model, list(modules), name)}")
    if not found:
        raise ParameterError("no layer named; choose blocks, all, or names of blocks or layers")
    return list({layer.name: layer for layer in found}.values())


class Capture:
    """Within its ``with``, keep the rows of each layer's last output.

    Parameters
    ----------
    layers : sequence of Layer
        Of one network.
    reduces : sequence of Reduce
        One a layer.

    Attributes
    ----------
    shapes : dict of int to tuple of int
        Layer -> (c, h, w) of its last output.
    seconds : float
        Spent inside the hooks.

    Raises
    ------
    ParameterError
        If there are not as many of both.

    Examples
    --------
    >>> conv = nn.Conv2d(1, 2, 1)
    >>> with Capture([Layer("conv", "stem", conv)], [Reduce("pool")]) as capture:
    ...     _ = conv(torch.zeros(3, 1, 4, 5))
    ...     rows = capture.take()
    >>> tuple(rows[0].shape)
    (3, 1, 2)
    """

    def __init__(self, layers: Sequence[Layer], reduces: Sequence[Reduce]) -> None:
        if len(layers) != len(reduces):
            raise ParameterError(f"{len(layers)} layers and {len(reduces)} ways to reduce them; need one each")
        self._layers = tuple(layers)
        self._reduces = tuple(reduces)
        self._rows: dict[int, torch.Tensor] = {}
        self._handles: list[RemovableHandle] = []
        self.shapes: dict[int, tuple[int, int, int]] = {}
        self.seconds = 0.0

    def __enter__(self) -> "Capture":
        for index, layer in enumerate(self._layers):
            self._handles.append(layer.module.register_forward_hook(self._hook(index)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._rows.clear()

    def take(self) -> list[torch.Tensor]:
        """Return the rows ``(clips, positions, features)`` of each layer since the last call, and forget them.

        Raises
        ------
        ParameterError
            If a layer was not called: the network does not use it in its forward pass.
        """
        missing = [layer.name for index, layer in enumerate(self._layers) if index not in self._rows]
        if missing:
            raise ParameterError(f"{', '.join(missing)}: not called when the network runs, so there is nothing to read")
        rows = [self._rows[index] for index in range(len(self._layers))]
        self._rows.clear()
        return rows

    def _hook(self, index: int):  # type: ignore[no-untyped-def]  # torch has no public name for its type
        layer, reduce = self._layers[index], self._reduces[index]

        def keep(module: nn.Module, inputs: object, output: object) -> None:
            start = time.perf_counter()
            if index in self._rows:
                raise ParameterError(
                    f"{layer.name} is called again before its rows were taken: twice in one pass, or in a second one"
                )
            maps = _as_maps(layer, output)
            self.shapes[index] = (maps.shape[1], maps.shape[2], maps.shape[3])
            self._rows[index] = reduce(maps)
            self.seconds += time.perf_counter() - start

        return keep


def _as_maps(layer: Layer, output: object) -> torch.Tensor:
    """Return an output as ``(clips, c, h, w)``."""
    if not isinstance(output, torch.Tensor) or output.ndim not in (2, 4):
        what = f"shape {tuple(output.shape)}" if isinstance(output, torch.Tensor) else type(output).__name__
        raise ParameterError(f"{layer.name} puts out {what}; only maps (clips, c, h, w) and vectors can be compared")
    if output.ndim == 2:
        return output[:, :, None, None]
    return output.permute(0, 3, 1, 2) if _has_features_last(layer.module, output) else output


def _has_features_last(module: nn.Module, output: torch.Tensor) -> bool:
    """Say whether maps are (clips, h, w, c): of a dense layer always, of a layer norm where its width is there."""
    if isinstance(module, nn.LayerNorm):  # timm's LayerNorm2d, for maps with channels first, is one too
        width = module.normalized_shape[0]
        return output.shape[3] == width and (output.shape[1] != width or not type(module).__name__.endswith("2d"))
    return isinstance(module, nn.Linear)


def _end_of(model: BlockedCNN, block: str) -> Layer:
    """Return the end of a block: its last unit before global pooling, if there is one."""
    units = list(model.blocks[block].children())
    pools = [index for index, unit in enumerate(units) if isinstance(unit, GlobalPool)]
    last = (pools[0] if pools else len(units)) - 1
    return Layer(f"{block}.{last}", block, units[last])


def _choices(model: BlockedCNN, modules: list[str], name: str) -> str:
    near = [other for other in modules if name.split(".")[0] in other] or modules
    more = f", ... ({len(near)} such)" if len(near) > _NAMED else ""
    return f"choose blocks, all, a block ({', '.join(model.block_names)}) or a layer ({', '.join(near[:_NAMED])}{more})"
