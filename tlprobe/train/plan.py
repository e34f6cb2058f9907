"""What an epoch will do, step by step, before it does it.

Order, stored views and augmentation are drawn for a whole epoch, each from its own stream (seed, purpose,
epoch). So step 17 of epoch 3 is the same whatever was done before it, by whichever process, and on a GPU
the draws travel there once an epoch.
"""

import dataclasses
import itertools

import numpy as np
import torch

from tlprobe.data.augment import Augmentation, draw
from tlprobe.data.loader import epoch_order
from tlprobe.data.stored_views import StoredViews
from tlprobe.numerics.seeds import derive_seed
from tlprobe.train.processes import ALONE, Processes

__all__ = ["EpochPlan", "plan_epoch"]


@dataclasses.dataclass(frozen=True)
class EpochPlan:
    """One epoch's steps, as positions in tensors that hold the whole epoch.

    Parameters
    ----------
    clips : np.ndarray [shape=(n,), int]
        Index of each position's clip.
    rows : torch.Tensor [shape=(n,), int64]
        Its row in the image store, clip and view; on the CPU.
    target : torch.Tensor [shape=(n,), int64]
        Its class.
    draws : dict of str to torch.Tensor
        Augmentation, one row a position; see `tlprobe.data.augment.draw`.
    steps : tuple of slice
        The positions of each step.
    n_together : tuple of int
        Clips of each step over all processes.
    """

    clips: np.ndarray
    rows: torch.Tensor
    target: torch.Tensor
    draws: dict[str, torch.Tensor]
    steps: tuple[slice, ...]
    n_together: tuple[int, ...]


def plan_epoch(
    train_index: np.ndarray,
    labels: np.ndarray,
    *,
    augmentation: Augmentation,
    batch_size: int,
    n_clips: int,
    n_views: int,
    image_shape: tuple[int, ...],
    seed: int,
    epoch: int,
    device: torch.device,
    stored: StoredViews | None = None,
    processes: Processes = ALONE,
) -> EpochPlan:
    """Draw one epoch.

    Parameters
    ----------
    train_index : np.ndarray of int
        The training clips.
    labels : np.ndarray [shape=(n_clips,), int]
        Class of every clip of the data set.
    augmentation : Augmentation
        What is drawn beside the order.
    batch_size : int >= 2
        Clips a step at most, over all processes.
    n_clips : int
        Clips of the data set: rows of one view in the image store.
    n_views : int >= 1
        The original, and the stored variants; each position takes one at random.
    image_shape : tuple of int
        ``(3, n_mels, width)``.
    seed, epoch : int
        Of the draws.
    device : torch.device
        Where targets and draws go.
    stored : StoredViews, optional
        Views to take from; then nothing is drawn but the order and which view.
    processes : Processes
        Which part of each step is this process's.

    Raises
    ------
    ParameterError
        If a step is too small for all processes.
    """
    order = epoch_order(train_index, batch_size=batch_size, seed=seed, epoch=epoch)
    clips = np.concatenate(order)
    n_choices = n_views if stored is None else len(stored.rows)
    views = np.random.default_rng(derive_seed(seed, "view", epoch)).integers(0, n_choices, size=len(clips))
    if stored is None:
        rows = views * n_clips + clips
        draws = draw(augmentation, len(clips), image_shape=image_shape, seed=seed, epoch=epoch)
    else:
        rows = stored.rows[views, clips]
        draws = {name: values[views, clips] for name, values in stored.draws.items()}
    starts = np.cumsum([0, *map(len, order)])
    mine = [start + processes.part(len(batch)) for start, batch in zip(starts, order, strict=False)]
    stops = np.cumsum([0, *map(len, mine)]).tolist()
    at = np.concatenate(mine)

    def move(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    return EpochPlan(
        clips=clips[at],
        rows=torch.from_numpy(rows[at].astype(np.int64)),
        target=move(labels[clips[at]].astype(np.int64)),
        draws={name: move(values[at]) for name, values in draws.items()},
        steps=tuple(slice(start, stop) for start, stop in itertools.pairwise(stops)),
        n_together=tuple(map(len, order)),
    )
