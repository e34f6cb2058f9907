"""From stored images to batches: order and standardisation.

Images come as ``(n_clips, 3, n_mels, width)`` float32, natural log of power. A batch is
``(batch, 3, n_mels, width)`` as the network sees it. Every draw is seeded by (seed, purpose, epoch,
step): nothing depends on what was drawn before, so a resumed run makes the same batches.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from tlprobe.errors import DataError
from tlprobe.numerics.seeds import derive_seed

__all__ = ["Standardiser", "channel_statistics", "epoch_order", "image_batches"]

_CHUNK = 64  # clips at a time when an array is too large to be copied whole


@dataclasses.dataclass(frozen=True)
class Standardiser:
    """Subtract `mean` and divide by `std`, a channel each; the identity leaves images as they are.

    Parameters
    ----------
    mean, std : tuple of float
        One value a channel, in log units.
    """

    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return standardised images ``(batch, 3, n_mels, width)``."""
        mean = torch.tensor(self.mean, dtype=images.dtype, device=images.device).view(-1, 1, 1)
        std = torch.tensor(self.std, dtype=images.dtype, device=images.device).view(-1, 1, 1)
        return (images - mean) / std


def channel_statistics(images: np.ndarray, index: np.ndarray) -> Standardiser:
    """Return the mean and standard deviation of each channel over some clips.

    Parameters
    ----------
    images : np.ndarray [shape=(n_clips, channels, n_mels, width)]
        Log-mel images.
    index : np.ndarray of int
        Which clips: the training clips, never the held-out ones.

    Raises
    ------
    DataError
        If a channel is constant over all of them.
    """
    total = np.zeros(images.shape[1])
    squares = np.zeros(images.shape[1])
    for start in range(0, len(index), _CHUNK):
        chunk = images[index[start : start + _CHUNK]].astype(np.float64)
        total += chunk.sum(axis=(0, 2, 3))
        squares += np.square(chunk).sum(axis=(0, 2, 3))
    n = len(index) * images.shape[2] * images.shape[3]
    mean = total / n
    variance = squares / n - mean**2
    if not (variance > 1e-12 * np.maximum(1.0, mean**2)).all():
        raise DataError(f"all {len(index)} training clips have the same constant image; they hold no sound")
    return Standardiser(tuple(mean.tolist()), tuple(np.sqrt(variance).tolist()))


def epoch_order(index: np.ndarray, *, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Return one epoch's batches of clip indices, each clip once.

    The batches differ by one clip at most in size, so that no last batch is too small for batch-norm.

    Parameters
    ----------
    index : np.ndarray of int
        The training clips.
    batch_size : int >= 2
        Largest batch.
    seed, epoch : int
        Of the order.
    """
    order = np.random.default_rng(derive_seed(seed, "order", epoch)).permutation(index)
    return np.array_split(order, -(-len(order) // batch_size))


def image_batches(images: np.ndarray, order: Sequence[np.ndarray]) -> Iterator[torch.Tensor]:
    """Yield the images of each batch of indices, in memory of their own."""
    for index in order:
        yield torch.from_numpy(np.ascontiguousarray(images[index]))
