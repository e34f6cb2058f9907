"""What an attribution has to beat: rankings of patches that know nothing of the network.

``energy``
    Where it is loud: how far the log power is above silence.
``edges``
    Where the spectrogram changes: the magnitude of its Sobel gradient in rows and columns, the claim of Palanisamy et
    al. 2020 about Fig. 3. Of each channel, then the mean.
``random``
    Drawn by a seed.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, stats

from tlprobe.numerics.seeds import derive_seed

__all__ = ["NULLS", "edge_map", "energy_map", "null_maps", "rank_correlation", "rank_correlations"]

NULLS = ("energy", "edges", "random")

Array = npt.NDArray[np.float64]


def energy_map(images: npt.ArrayLike, silence: npt.ArrayLike) -> Array:
    """Return how far each value is above silence, the mean of the channels, (n, n_rows, n_columns).

    Parameters
    ----------
    images : array_like [shape=(n, 3, n_rows, n_columns)]
    silence : array_like [shape=(3, n_rows, n_columns)]
    """
    above: Array = (np.asarray(images, np.float64) - np.asarray(silence, np.float64)).mean(axis=1)
    return above


def edge_map(images: npt.ArrayLike) -> Array:
    """Return the magnitude of the Sobel gradient, the mean of the channels, (n, n_rows, n_columns)."""
    values = np.asarray(images, np.float64)
    edges: Array = np.hypot(_sobel(values, along=2, across=3), _sobel(values, along=3, across=2)).mean(axis=1)
    return edges


def _sobel(values: Array, *, along: int, across: int) -> Array:
    """Return a Sobel derivative; `scipy.ndimage.sobel` would smooth over channels and clips as well."""
    change = ndimage.correlate1d(values, [-1, 0, 1], axis=along, mode="nearest")
    smooth: Array = ndimage.correlate1d(change, [1, 2, 1], axis=across, mode="nearest")
    return smooth


def null_maps(images: npt.ArrayLike, silence: npt.ArrayLike, *, names: list[str], seed: int) -> dict[str, Array]:
    """Return a map of each null for each clip.

    Parameters
    ----------
    images, silence
        As in `energy_map`.
    names : list of str [length n]
        Of the clips: a clip is drawn the same whatever stands beside it.
    seed : int
        Of ``random``.
    """
    values = np.asarray(images)
    drawn = [np.random.default_rng(derive_seed(seed, "random map", name)).random(values.shape[2:]) for name in names]
    return {"energy": energy_map(values, silence), "edges": edge_map(values), "random": np.stack(drawn)}


def rank_correlation(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Return Spearman's rank correlation of two maps, 0 where one of them is constant, or empty, and ranks nothing."""
    x, y = np.ravel(a), np.ravel(b)
    if not x.size or (x == x[0]).all() or (y == y[0]).all():
        return 0.0
    return float(stats.spearmanr(x, y).statistic)


def rank_correlations(first: Iterable[Any], second: Iterable[Any], columns: Iterable[Any]) -> list[float]:
    """Return the rank correlation of the maps of each clip, over some of its columns.

    Parameters
    ----------
    first, second : iterable of array_like [shape=(n_rows, n_columns)]
    columns : iterable of array_like [shape=(n_columns,), bool]
        Those with sound, see `tlprobe.probes.attribution.shortcuts.sounding_columns`: attributions from silence, energy
        and edges are all 0 on digital silence, and maps that have nothing else in common would seem to agree there.
    """
    both = zip(first, second, columns, strict=True)
    return [rank_correlation(np.asarray(a)[:, at], np.asarray(b)[:, at]) for a, b, at in both]
