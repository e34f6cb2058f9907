"""Convolutional timm networks as chains, with blocks at reductions 4, 8, 16 and 32.

timm's own table of feature maps (``feature_info``) says which module ends each reduction. What comes
before the module of reduction 4 is the stem; what follows the one of reduction 32, up to the head,
belongs to block4. Layers between pooling and head (ConvNeXt's norm, MobileNetV3's conv_head) are
transferred weights, so they are the last units of block4. Whether the units in a row really are the
network is left to the check at build time.
"""

import difflib
from collections.abc import Iterator
from typing import Any, cast

import timm
from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d
from timm.models.convnext import ConvNeXtStage
from timm.models.densenet import DenseBlock, DenseNet, DenseTransition
from timm.models.regnet import RegStage
from torch import nn

from tlprobe.backbones.chain import Chain, GlobalPool
from tlprobe.backbones.densenet import NORM_AFTER, DenseUnit
from tlprobe.errors import ParameterError

__all__ = ["PREFIX", "make_timm", "timm_chain"]

PREFIX = "timm/"
_REDUCTIONS = (4, 8, 16, 32)
# Their children in a row are what they compute.
_ROWS = (nn.Sequential, nn.ModuleList, ConvNeXtStage, RegStage)
_IDLE = (nn.Identity, nn.Dropout, nn.Flatten)  # nothing to do after pooling: the head has no dropout


def make_timm(backbone: str, *, pretrained: bool, **options: Any) -> nn.Module:
    """Return timm's own network ``timm/NAME``, or refuse a name that timm does not know.

    Raises
    ------
    ParameterError
        With close names.
    """
    name = backbone.removeprefix(PREFIX)
    if not timm.is_model(name):
        known = timm.list_models()
        close = [k for k in known if name and k.startswith(name)] or difflib.get_close_matches(name, known)
        hint = f"; close: {', '.join(PREFIX + k for k in close[:3])}" if close else ""
        raise ParameterError(f"backbone={backbone!r}: timm has no network {name!r}{hint}")
    try:
        return timm.create_model(name, pretrained=pretrained, **options)
    except RuntimeError as error:
        if "pretrained tag" not in str(error):
            raise
        tags = ", ".join(timm.list_pretrained(name.split(".")[0] + ".*")) or "none"
        raise ParameterError(f"backbone={backbone!r}: timm has no such weights; choose from {tags}") from error


def timm_chain(backbone: str) -> Chain:
    """Return timm's network ``timm/NAME`` with random weights, or refuse it.

    Raises
    ------
    ParameterError
        If timm has no such network, or it is not convolutional with reductions 4 to 32, or it does not
        form a chain.
    """
    network = make_timm(backbone, pretrained=False)
    ends = _block_ends(network, backbone=backbone)
    head_name = cast(Any, network).pretrained_cfg["classifier"]
    head = dict(network.named_modules()).get(head_name) if isinstance(head_name, str) else None
    if not isinstance(head, nn.Linear):
        raise ParameterError(f"backbone={backbone!r}: its head {head_name!r} is not one linear layer")
    units = list(_units(network, "", inside=(*ends, head_name)))
    transitions = tuple(n for n, m in network.named_modules() if isinstance(m, DenseTransition))
    blocks = _group(units, ends, transitions=transitions, backbone=backbone)
    blocks["block4"] = _without_head(blocks["block4"], head, backbone=backbone)
    norm_after = NORM_AFTER if isinstance(network, DenseNet) else ()
    return Chain(network, blocks, head, head_name, norm_after=norm_after)


def _block_ends(network: nn.Module, *, backbone: str) -> tuple[str, ...]:
    """Return the names of the modules that end reductions 4, 8, 16 and 32."""
    modules = dict(network.named_modules())
    table = getattr(network, "feature_info", None) or []
    last = {row["reduction"]: row["module"] for row in table}
    if not set(_REDUCTIONS) <= set(last):
        found = ", ".join(map(str, sorted(last))) or "none"
        raise ParameterError(
            f"backbone={backbone!r} is not a convolutional network with reductions 4, 8, 16 and 32 (it has: {found})"
        )
    ends = tuple(last[reduction] for reduction in _REDUCTIONS)
    for end in ends:
        if end not in modules:
            raise ParameterError(
                f"backbone={backbone!r} does not form a chain of units: its {end!r} is no single module"
            )
    return ends


def _units(module: nn.Module, path: str, *, inside: tuple[str, ...]) -> Iterator[tuple[str, nn.Module]]:
    """Yield (name, unit) in the order of definition, opening what holds a block's end, the head or a row."""
    opened = not path or isinstance(module, _ROWS) or any(name.startswith(f"{path}.") for name in inside)
    if isinstance(module, DenseBlock):
        for name, layer in module.named_children():
            yield f"{path}.{name}", DenseUnit(layer)
    elif isinstance(module, nn.Identity):
        return
    elif opened:
        for name, child in module.named_children():
            yield from _units(child, f"{path}.{name}" if path else name, inside=inside)
    else:
        yield path, module


def _group(
    units: list[tuple[str, nn.Module]],
    ends: tuple[str, ...],
    *,
    transitions: tuple[str, ...],
    backbone: str,
) -> dict[str, list[nn.Module]]:
    """Slice the units into blocks; block4 still ends with pooling and head."""
    first = next((i for i, (path, _) in enumerate(units) if _under(path, ends[0])), 0)
    starts = [first]
    for end in ends[:-1]:
        stop = max((i for i, (path, _) in enumerate(units) if _under(path, end)), default=-1) + 1
        # As in torchvision's, a transition belongs to the dense block before it.
        while stop < len(units) and any(_under(units[stop][0], name) for name in transitions):
            stop += 1
        starts.append(stop)
    if starts != sorted(set(starts)) or not first:
        raise ParameterError(f"backbone={backbone!r} does not form a chain of units: its blocks overlap")
    names = ("stem", "block1", "block2", "block3", "block4")
    bounds = [0, *starts, len(units)]
    return {
        name: [unit for _, unit in units[begin:end]]
        for name, begin, end in zip(names, bounds[:-1], bounds[1:], strict=True)
    }


def _without_head(units: list[nn.Module], head: nn.Module, *, backbone: str) -> list[nn.Module]:
    """Take pooling and head off the last block; keep the layers between them, after a `GlobalPool`."""
    pools = [i for i, unit in enumerate(units) if isinstance(unit, SelectAdaptivePool2d)]
    if len(pools) != 1 or cast(SelectAdaptivePool2d, units[pools[0]]).pool_type not in {"avg", "fast", "fastavg"}:
        raise ParameterError(f"backbone={backbone!r} does not end in one global average pooling and a head")
    kept, after = units[: pools[0]], units[pools[0] + 1 :]
    between = [unit for unit in after if unit is not head and not isinstance(unit, _IDLE)]
    return [*kept, GlobalPool(), *between] if between else kept


def _under(path: str, module: str) -> bool:
    return path == module or path.startswith(f"{module}.")
