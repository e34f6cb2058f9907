"""Weight distance: how far did fine-tuning move each block's weights and its batch-norm statistics?

A block is three things here. The weights of its convolutions and dense layers are one vector. Its batch-norms'
scales and offsets and all biases are another: in one vector with the former, they would make up 0.74 to 0.87 of
||w||^2 of ImageNet's efficientnet_lite0 and hide what the convolutions do. The batch-norms' statistics are the
third, since no gradient moves them: those of other data than ImageNet's show here, even where no weight changed.
What to keep in mind:

- A distance says nothing of the function: weights in front of a batch-norm may grow or shrink without any
  effect (van Laarhoven 2017, https://arxiv.org/abs/1706.05350). So the cosine stands beside it, and the
  similarity of activations is another probe.
- A random start has statistics (0, 1) that were never estimated; its shift is that of the first estimate.

Reference: Neyshabur et al. 2020, https://arxiv.org/abs/2008.11687, distances in parameter space by module.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.errors import ParameterError
from tlprobe.records import Record, provenance
from tlprobe.train.checkpoint import Checkpoint, FileOptions, open_checkpoints
from tlprobe.train.run import Run

__all__ = ["block_distances", "weight_distance"]

Pairs: TypeAlias = Sequence[tuple[torch.Tensor, torch.Tensor]]
"""Parameters before and after, float64."""


def weight_distance(
    ckpt: Sequence[Path | str | Run] | Path | str | Run,
    *,
    data: Path | str | None = None,
    options: FileOptions | None = None,
    progress: bool | None = None,
) -> Record:
    """Compare the weights of each block of fine-tuned networks before and after fine-tuning.

    Parameters
    ----------
    ckpt : path or Run, or several
        Run directories, or a weight file with `options`.
    data : path, optional
        The data set, where it has moved.
    options : FileOptions, optional
        What a bare weight file does not say.
    progress : bool or None
        None shows a bar on a terminal and in a notebook only.

    Returns
    -------
    record : Record
        One row a run and block with the fields of `block_distances`, and ``epoch`` None: the final state
        against that before the first step. Where a run kept epochs, one row more for each of them and
        block, ``epoch`` >= 1: the state after it, against the same.

    Raises
    ------
    CheckpointError, DataError, ParameterError
        If a checkpoint or its data cannot be used.

    Examples
    --------
    >>> import tlprobe
    >>> record = tlprobe.weight_distance("runs/full")
    >>> [row["block"] for row in record.rows]
    ['stem', 'block1', 'block2', 'block3', 'block4']
    >>> all(row["relative_l2"] > 0 for row in record.rows)
    True
    """
    paths = [ckpt] if isinstance(ckpt, str | Path | Run) else list(ckpt)
    checkpoints = open_checkpoints(paths, data=data, options=options, progress=progress)
    rows = [row for checkpoint in checkpoints for row in _rows(checkpoint)]
    params = {
        "runs": [checkpoint.name for checkpoint in checkpoints],
        "backbones": [checkpoint.backbone for checkpoint in checkpoints],
        "folds": [checkpoint.fold for checkpoint in checkpoints],
        "epochs": [checkpoint.epochs for checkpoint in checkpoints],
        "blocks": list(dict.fromkeys(row["block"] for row in rows)),
    }
    about = provenance(data=checkpoints[0].material.dataset.describe())
    return Record(probe="weight_distance", params=params, rows=rows, provenance=about)


def block_distances(before: BlockedCNN, after: BlockedCNN) -> list[dict[str, Any]]:
    """Return how far each block of a network is from what it was.

    Parameters
    ----------
    before, after : BlockedCNN
        Of the same blocks; the head is not compared.

    Returns
    -------
    rows : list of dict, one a block, input to output
        ``block``; ``relative_l2`` >= 0, the norm of the change of the convolution and dense weights over
        their norm before; ``cosine`` in [-1, 1] of these before and after; ``norm_relative_l2`` >= 0, as
        ``relative_l2`` of batch-norm's scales and offsets and of biases; ``bn_mean_shift`` >= 0, the root
        mean square over batch-norm channels of the running mean's change, in running standard deviations
        before; ``bn_log_std_shift`` >= 0, the same of the change of the log of the running standard
        deviation, in nats; ``n_weights``, ``n_norm_weights`` and ``n_bn_channels``. None stands for what is
        not defined: a division by weights that are all 0 or not there, statistics of a block without
        batch-norm.

    Raises
    ------
    ParameterError
        If the two differ in their blocks, or in a tensor's shape.
    """
    _require_alike(before, after)
    return [
        {"block": name, **_weights_moved(block, after.blocks[name]), **_statistics_moved(block, after.blocks[name])}
        for name, block in before.blocks.items()
    ]


def _rows(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    about, before = checkpoint.labels, checkpoint.before()
    rows = [{**about, "epoch": None, **row} for row in block_distances(before, checkpoint.after())]
    if checkpoint.run is not None:
        for epoch in checkpoint.run.kept_epochs:
            rows += [{**about, "epoch": epoch, **row} for row in block_distances(before, checkpoint.run.model(epoch))]
    return rows


def _require_alike(before: BlockedCNN, after: BlockedCNN) -> None:
    pair = f"{before.describe()} cannot be compared with {after.describe()}"
    if before.block_names != after.block_names:
        raise ParameterError(f"{pair}: blocks {', '.join(before.block_names)} and {', '.join(after.block_names)}")
    for name, block in before.blocks.items():
        shapes, others = _shapes(block), _shapes(after.blocks[name])
        differing = [key for key in shapes | others if shapes.get(key) != others.get(key)]
        if differing:
            key = differing[0]
            raise ParameterError(f"{pair}: {name}.{key} has shape {shapes.get(key)} and {others.get(key)}")


def _shapes(block: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in block.state_dict().items()}


def _weights_moved(before: nn.Module, after: nn.Module) -> dict[str, Any]:
    pairs = [
        (old.detach().double(), new.detach().double())
        for old, new in zip(before.parameters(), after.parameters(), strict=True)
    ]
    weights, norm_weights = [pair for pair in pairs if pair[0].ndim >= 2], [pair for pair in pairs if pair[0].ndim < 2]
    return {
        "relative_l2": _relative_l2(weights),
        "cosine": _cosine(weights),
        "norm_relative_l2": _relative_l2(norm_weights),
        "n_weights": sum(w.numel() for w, _ in weights),
        "n_norm_weights": sum(w.numel() for w, _ in norm_weights),
    }


def _relative_l2(pairs: Pairs) -> float | None:
    before_squared = sum(_product(w, w) for w, _ in pairs)
    change_squared = sum(_product(v - w, v - w) for w, v in pairs)
    return math.sqrt(change_squared / before_squared) if before_squared else None


def _cosine(pairs: Pairs) -> float | None:
    before_squared, after_squared = sum(_product(w, w) for w, _ in pairs), sum(_product(v, v) for _, v in pairs)
    norms = math.sqrt(before_squared * after_squared)  # one root: exactly the product where the two are equal
    return min(max(sum(_product(w, v) for w, v in pairs) / norms, -1.0), 1.0) if norms else None


def _product(w: torch.Tensor, v: torch.Tensor) -> float:
    return (w * v).sum().item()


def _statistics_moved(before: nn.Module, after: nn.Module) -> dict[str, Any]:
    mean_squared = log_std_squared = 0.0
    n_channels = 0
    for (old_mean, old_var), (new_mean, new_var) in zip(_statistics(before), _statistics(after), strict=True):
        mean_squared += ((new_mean - old_mean) ** 2 / old_var).sum().item()
        log_std_squared += ((0.5 * torch.log(new_var / old_var)) ** 2).sum().item()
        n_channels += len(old_mean)
    return {
        "bn_mean_shift": math.sqrt(mean_squared / n_channels) if n_channels else None,
        "bn_log_std_shift": math.sqrt(log_std_squared / n_channels) if n_channels else None,
        "n_bn_channels": n_channels,
    }


def _statistics(block: nn.Module) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return each batch-norm's running mean and variance ``(channels,)``, this with the eps it is used with."""
    norms = (module for module in block.modules() if isinstance(module, nn.BatchNorm2d))
    return [
        (norm.running_mean.double(), norm.running_var.double() + norm.eps)
        for norm in norms
        if norm.running_mean is not None and norm.running_var is not None
    ]
