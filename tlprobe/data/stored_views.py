"""Stored views: the augmentation of each clip drawn beforehand, K times, for all epochs and all seeds.

A training that takes one of K views of a clip in each epoch sees the same images again: so whatever does not
change in the network, its frozen first blocks, has to see them only once (`tlprobe.train.prefix`).
"""

import dataclasses

import numpy as np

from tlprobe.data.augment import Augmentation, draw
from tlprobe.numerics.seeds import derive_seed

__all__ = ["StoredViews", "draw_views"]

_BEFORE_ALL_EPOCHS = 0


@dataclasses.dataclass(frozen=True)
class StoredViews:
    """What each view of each clip is.

    Parameters
    ----------
    rows : np.ndarray [shape=(n_views, n_clips), int]
        Row of the image store: of the original, or of one of its variants.
    draws : dict of str to np.ndarray [first axes (n_views, n_clips)]
        Augmentation, see `tlprobe.data.augment.draw`; empty where the stored images are augmented already.
    """

    rows: np.ndarray
    draws: dict[str, np.ndarray]


def draw_views(
    augmentation: Augmentation, n_views: int, *, n_clips: int, n_images: int, image_shape: tuple[int, int, int]
) -> StoredViews:
    """Draw the views of all clips of a data set; always the same for the same arguments.

    Parameters
    ----------
    augmentation : Augmentation
        Without mixup.
    n_views : int >= 1
    n_clips : int
        Of the data set.
    n_images : int >= 1
        The original and the variants: each view is of one of them, at random.
    image_shape : tuple of int
        ``(3, n_mels, width)``.

    Raises
    ------
    ParameterError
        As `tlprobe.data.augment.draw`.
    """
    shape = (n_views, n_clips)
    rng = np.random.default_rng(derive_seed(0, "stored view", _BEFORE_ALL_EPOCHS))
    images = rng.integers(0, n_images, size=shape)
    draws = draw(augmentation, n_views * n_clips, image_shape=image_shape, seed=0, epoch=_BEFORE_ALL_EPOCHS)
    return StoredViews(
        rows=images * n_clips + np.arange(n_clips),
        draws={name: values.reshape(*shape, *values.shape[1:]) for name, values in draws.items()},
    )
