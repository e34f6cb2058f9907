"""Weight change: how much did fine-tuning change what each block says?

Each block's output on held-out clips, before the first training step against after the last. Every
position of the map is a sample, the channels are the features (Raghu et al. 2017, section 3: channels,
since a convolution treats all positions alike). Each similarity stands beside its null: the same two
networks shown *different* clips, position by position. What the null reaches is shared by all clips
(frequency profile, borders) or chance (n against d), not learned about a clip.
Reference: Palanisamy et al. 2020, https://arxiv.org/abs/2007.11154, Fig. 2a.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.chain import GlobalPool
from tlprobe.data.loader import image_batches
from tlprobe.errors import ParameterError
from tlprobe.numerics.seeds import derive_seed
from tlprobe.numerics.similarity import Moments
from tlprobe.numerics.similarity import svcca as svcca_of
from tlprobe.records import Record, provenance
from tlprobe.train.checkpoint import Checkpoint, FileOptions, open_checkpoints
from tlprobe.train.loop import resolve_device, set_up_for_speed
from tlprobe.train.run import Run

__all__ = ["svcca"]

_log = logging.getLogger(__name__)

_BATCH = 32  # clips; a batch is also the group within which the null pairs clips
_SAMPLES_A_CHANNEL = 5  # fewer, and chance correlates much (Raghu et al.'s tutorial asks for 5 to 10)
_NULL_PAIRINGS = 3  # clip i beside clip i + 1, i + 2, i + 3 of its batch


def svcca(
    ckpt: Sequence[Path | str | Run] | Path | str | Run,
    *,
    data: Path | str | None = None,
    options: FileOptions | None = None,
    variance: float = 0.99,
    seed: int = 0,
    device: str = "auto",
    progress: bool | None = None,
) -> Record:
    """Compare each block of fine-tuned networks before and after fine-tuning.

    Parameters
    ----------
    ckpt : path or Run, or several
        Run directories, or a weight file with `options`.
    data : path, optional
        The data set, where it has moved.
    options : FileOptions, optional
        What a bare weight file does not say.
    variance : float in (0, 1]
        Share of the variance that the directions kept explain.
    seed : int
        Of the order in which clips are paired for the null.
    device : {"auto", "cpu", "cuda"}
        Where.
    progress : bool or None
        None shows a bar on a terminal only.

    Returns
    -------
    record : Record
        One row a run and block: ``value`` in [0, 1] (None where a side is constant), ``null`` (mean over
        up to three pairings of different clips), ``n`` samples, ``n_clips``, ``d_x, d_y`` channels, ``k_x, k_y``
        directions kept.

    Raises
    ------
    CheckpointError, DataError, ParameterError
        If a checkpoint or its data cannot be used.
    """
    paths = [ckpt] if isinstance(ckpt, str | Path | Run) else list(ckpt)
    where = resolve_device(device)
    checkpoints = open_checkpoints(paths, data=data, options=options, progress=progress)
    rows: list[dict[str, Any]] = []
    for checkpoint in checkpoints:
        rows += _rows(checkpoint, variance=variance, seed=seed, device=where, progress=progress)
    params = {
        "runs": [checkpoint.name for checkpoint in checkpoints],
        "backbones": [checkpoint.backbone for checkpoint in checkpoints],
        "folds": [checkpoint.fold for checkpoint in checkpoints],
        "epochs": [checkpoint.epochs for checkpoint in checkpoints],
        "blocks": list(dict.fromkeys(row["block"] for row in rows)),
        "variance": variance,
        "rule": "squared",
        "conv": "positions",
        "null": "clips permuted",
        "seed": seed,
    }
    about = provenance(data=checkpoints[0].material.dataset.describe(), device=str(where))
    return Record(probe="svcca", params=params, rows=rows, provenance=about)


def _rows(
    checkpoint: Checkpoint, *, variance: float, seed: int, device: torch.device, progress: bool | None
) -> list[dict[str, Any]]:
    before = set_up_for_speed(checkpoint.before(), device=device)
    after = set_up_for_speed(checkpoint.after(), device=device)
    index = checkpoint.held_out
    if len(index) < 2:
        raise ParameterError(f"fold {checkpoint.fold} of {checkpoint.name} has {len(index)} clip(s); need 2 for a null")
    order = np.random.default_rng(derive_seed(seed, "clip order")).permutation(index)
    batches = np.array_split(order, -(-len(order) // _BATCH))
    shifts = range(1, 1 + min(_NULL_PAIRINGS, min(map(len, batches)) - 1))  # never a clip beside itself
    moments: dict[str, Moments] = {}
    nulls: dict[str, list[Moments]] = {}
    images = image_batches(checkpoint.material.images.array, batches)
    disable = None if progress is None else not progress
    for batch in tqdm(images, total=len(batches), desc=f"svcca {checkpoint.name}", leave=False, disable=disable):
        x = checkpoint.standardise(batch.to(device)).contiguous(memory_format=torch.channels_last)
        for (name, old), (_, new) in zip(_activations(before, x), _activations(after, x), strict=True):
            if name not in moments:
                moments[name] = Moments(old.shape[-1], new.shape[-1])
                nulls[name] = [Moments(old.shape[-1], new.shape[-1]) for _ in shifts]
            moments[name].update(_samples(old), _samples(new))
            for shift, null in zip(shifts, nulls[name], strict=True):
                null.update(_samples(old), _samples(np.roll(new, shift, axis=0)))
    rows = []
    for name, gathered in moments.items():
        result = svcca_of(gathered, variance=variance)
        if gathered.n < _SAMPLES_A_CHANNEL * max(gathered.d_x, gathered.d_y):
            _log.info(
                "%s %s: %d positions for %d channels are few; much of the similarity is chance, see its null",
                checkpoint.name,
                name,
                gathered.n,
                gathered.d_x,
            )
        chance = [svcca_of(null, variance=variance) for null in nulls[name]]
        rows.append(
            {
                "run": checkpoint.name,
                "backbone": checkpoint.backbone,
                "init": checkpoint.init,
                "fold": checkpoint.fold,
                "seed": checkpoint.seed,
                "epochs": checkpoint.epochs,
                "block": name,
                "layer": f"{name}.{_last_unit(before, name)}",
                "measure": "svcca",
                "value": result.value if result else None,
                "null": float(np.mean([item.value for item in chance if item])) if all(chance) else None,
                "n": gathered.n,
                "n_clips": len(index),
                "d_x": gathered.d_x,
                "d_y": gathered.d_y,
                "k_x": result.k_x if result else None,
                "k_y": result.k_y if result else None,
                "conv": "positions",
                "rule": "squared",
            }
        )
    return rows


def _last_unit(model: BlockedCNN, block: str) -> int:
    """Return the index of the unit whose output `BlockedCNN.iter_blocks` yields for a block."""
    units = list(model.blocks[block].children())
    pools = [index for index, unit in enumerate(units) if isinstance(unit, GlobalPool)]
    return (pools[0] if pools else len(units)) - 1


@torch.inference_mode()
def _activations(model: BlockedCNN, x: torch.Tensor) -> list[tuple[str, np.ndarray]]:
    """Return each block's output as (clips, positions, channels)."""
    return [(name, out.flatten(2).transpose(1, 2).float().cpu().numpy()) for name, out in model.iter_blocks(x)]


def _samples(activations: np.ndarray) -> np.ndarray:
    return activations.reshape(-1, activations.shape[-1])
