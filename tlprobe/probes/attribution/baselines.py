"""Baselines: what a clip is compared with, and so what an attribution is a difference to.

``silence``
    The floor of the representation, as the network sees it. The number 0 would be loud: log power 0 is full scale.
``mean``
    The mean image of the training clips, pixel by pixel.
``blurred``
    The clip itself, smoothed by a Gaussian of 10 rows and 10 columns (Fong and Vedaldi 2017, arXiv:1704.03296).
``shuffled``
    Eight training clips drawn by a seed; the attributions are the mean over them, an estimate of the expectation over
    the data (Erion et al. 2021, arXiv:1906.10670).
"""

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from tlprobe.audio.image import silence_image
from tlprobe.errors import ParameterError
from tlprobe.numerics.seeds import derive_seed
from tlprobe.train.checkpoint import Checkpoint

__all__ = ["BASELINES", "baselines_of", "names_of"]

BASELINES = ("silence", "mean", "blurred", "shuffled")
ALL = "all"

_BLUR = 10.0  # sd of the Gaussian, in rows and columns
_N_SHUFFLED = 8
_CHUNK = 64  # images in memory at a time, of the mean


def names_of(baseline: str) -> tuple[str, ...]:
    """Return the baselines that a name stands for: itself, or all four.

    Raises
    ------
    ParameterError
        If there is no such baseline.
    """
    if baseline == ALL:
        return BASELINES
    if baseline not in BASELINES:
        raise ParameterError(f"baseline={baseline!r}; choose from {', '.join(BASELINES)}, {ALL}")
    return (baseline,)


def baselines_of(name: str, images: npt.NDArray[np.float32], *, checkpoint: Checkpoint, seed: int = 0) -> torch.Tensor:
    """Return the baselines of some clips, as the network sees them.

    Parameters
    ----------
    name : str, one of `BASELINES`
    images : np.ndarray [shape=(n, 3, n_mels, width), float32]
        The clips, as `tlprobe.audio.image` makes them.
    checkpoint : Checkpoint
        Of whose data and standardisation.
    seed : int
        Draws the clips of ``shuffled``.

    Returns
    -------
    baselines : torch.Tensor [shape=(k, 1 or n, 3, n_mels, width), float32]
        k is 8 for ``shuffled``, else 1.
    """
    material = checkpoint.material
    if name == "silence":
        raw = silence_image(material.settings)[None, None]
    elif name == "blurred":
        raw = ndimage.gaussian_filter(images, (0, 0, _BLUR, _BLUR), mode="nearest")[None]
    else:
        trained_on = _trained_on(checkpoint)
        if name == "mean":
            total = np.zeros(images.shape[1:])
            for index in np.array_split(trained_on, -(-len(trained_on) // _CHUNK)):
                total += material.images.array[index].sum(axis=0, dtype=np.float64)
            raw = (total / len(trained_on)).astype(np.float32)[None, None]
        else:
            rng = np.random.default_rng(derive_seed(seed, "shuffled baselines"))
            drawn = rng.choice(trained_on, size=min(_N_SHUFFLED, len(trained_on)), replace=False)
            raw = np.array(material.images.array[np.sort(drawn)])[:, None]
    return torch.stack([checkpoint.standardise(torch.from_numpy(np.ascontiguousarray(part))) for part in raw])


def _trained_on(checkpoint: Checkpoint) -> npt.NDArray[np.int64]:
    """Return the training clips: neither held out nor chosen on."""
    dataset = checkpoint.material.dataset
    index, _ = dataset.split(checkpoint.fold)
    inner = None if checkpoint.run is None else checkpoint.run.config.inner_fold
    kept = [i for i in index.tolist() if dataset.clips[i].fold != inner]
    return np.array(kept, dtype=np.int64)
