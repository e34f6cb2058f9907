"""What goes into a training beside network and recipe, and what comes out of each epoch."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from tlprobe.data.loader import Standardiser
from tlprobe.data.stored_views import StoredViews
from tlprobe.train.processes import ALONE, Processes

__all__ = ["EpochResult", "Setting", "Split"]


@dataclasses.dataclass(frozen=True)
class EpochResult:
    """What one epoch gave: a row of ``history.csv``. Losses in nats, accuracies in [0, 1].

    Those of the inner fold are None where there is none; they are then no columns of the table.
    """

    epoch: int
    lr: float
    train_loss: float
    train_accuracy: float
    held_out_loss: float
    held_out_accuracy: float
    duration_s: float
    inner_loss: float | None = None
    inner_accuracy: float | None = None

    def row(self) -> dict[str, float]:
        """Return what is there, as a row of a table."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


@dataclasses.dataclass(frozen=True)
class Split:
    """Clips to train on and clips to score on.

    Parameters
    ----------
    views : sequence of np.ndarray [shape=(n_clips, 3, n_mels, width), float32]
        Log-mel images of the whole data set: the original ones, then stored variants for training.
    labels : np.ndarray [shape=(n_clips,), int]
        Class indices.
    train_index, held_out_index : np.ndarray of int
        The split.
    inner_index : np.ndarray of int
        Clips of an inner fold, on which choices are made; in neither of the two. Mostly empty.
    standardise : Standardiser
        Applied to every image.
    names : sequence of str
        Of the clips, for errors.
    stored : StoredViews, optional
        Views that are drawn already, of which each epoch takes one a clip.
    after : str or None
        The block whose output `views` are, in place of images: the training begins after it, without standardisation
        and augmentation, which are in `views` already. `names` .. `labels` are as ever.
    """

    views: Sequence[np.ndarray]
    labels: np.ndarray
    train_index: np.ndarray
    held_out_index: np.ndarray
    standardise: Standardiser
    names: Sequence[str]
    stored: StoredViews | None = None
    after: str | None = None
    inner_index: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, dtype=np.int64))


@dataclasses.dataclass(frozen=True)
class Setting:
    """Where and how a training computes; no part of what defines it.

    Parameters
    ----------
    device : torch.device
    precision : torch.dtype
        See `tlprobe.train.device.precision_of`.
    compiled : bool
        Compile the network by ``torch.compile`` first.
    processes : Processes
        Those that train together.
    """

    device: torch.device
    precision: torch.dtype = torch.float32
    compiled: bool = False
    processes: Processes = ALONE
