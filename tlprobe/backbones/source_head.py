"""The classifier that starting weights came with: what a network says of its source classes.

`tlprobe.backbones.weights` drops it, since no training transfers it.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.sources import imagenet_state
from tlprobe.backbones.weight_files import read_weight_file

__all__ = ["read_source_head"]


def read_source_head(weights: str | Path, *, model: BlockedCNN) -> nn.Linear | str:
    """Return the head that belongs to starting weights, or why there is none.

    Parameters
    ----------
    weights : str or Path
        ``imagenet``, ``random``, a weight file or a run, as `tlprobe.backbones.weights.read_weights` takes them.
    model : BlockedCNN
        The network, not cut; it is not touched.

    Returns
    -------
    head : nn.Linear or str
        Takes what ``model.features`` gives, to logits of the source classes.

    Raises
    ------
    CheckpointError
        If the weights are missing or damaged.
    """
    if weights == "random":
        return "random weights were trained on no classes"
    names = [f"{model.head_name}.{name}" for name in model.head.state_dict()]
    if weights == "imagenet":
        found, _ = imagenet_state(model.backbone)
    else:
        found, _ = read_weight_file(Path(weights), names=[*model.block_of(), *names])
    return _head(found, names, width=model.head.in_features)


def _head(found: Mapping[str, torch.Tensor], names: list[str], *, width: int) -> nn.Linear | str:
    missing = [name for name in names if name not in found]
    if missing:
        return f"the weights hold no source head: no {', no '.join(missing)}"
    weight, bias = (found[name] for name in names)
    if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
        shapes = " and ".join(str(tuple(tensor.shape)) for tensor in (weight, bias))
        return f"the weights' source head has shapes {shapes}, no linear layer of {width} features"
    head = nn.Linear(width, len(weight))
    head.load_state_dict({"weight": weight, "bias": bias})
    return head.eval()
