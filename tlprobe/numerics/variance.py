"""Where does the scatter of scores come from: folds, seeds, clips, or chance?

Conventions: correct is 1, wrong is 0; variances are of that. No interval is given over fewer than five values.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt
from scipy import stats

from tlprobe.errors import ParameterError
from tlprobe.numerics.activations import FloatArray
from tlprobe.numerics.resampling import ROUNDING, Labels, check_level, codes_of

__all__ = ["LEAST_FOR_T", "Components", "Spread", "spread", "t_interval", "variance_components"]

LEAST_FOR_T = 5
"""Values: below, a t interval says more about its quantile than about the values."""


@dataclasses.dataclass(frozen=True)
class Components:
    """Variances of `correct`, each None where the design has no degrees of freedom for it.

    Parameters
    ----------
    fold, seed, fold_by_seed, clip, residual : float >= 0 or None
        With one seed `fold` holds the interaction too, and `residual` the clips; with one fold `seed` holds the
        interaction.
    negative : tuple of str
        The components whose estimate was below 0 and is given as 0.
    n_folds, n_seeds, n_clips : int > 0
        Clips of all folds together.
    """

    fold: float | None
    seed: float | None
    fold_by_seed: float | None
    clip: float | None
    residual: float
    negative: tuple[str, ...]
    n_folds: int
    n_seeds: int
    n_clips: int


@dataclasses.dataclass(frozen=True)
class Spread:
    """Mean, sample standard deviation (NaN of one value) and number of values."""

    mean: float
    sd: float
    n: int


def variance_components(correct: npt.ArrayLike, fold: Labels, seed: Labels, clip: Labels) -> Components:
    """Return how much of the variance of scored clips is of folds, seeds, both together, clips, and the rest.

    correct = mu + fold + seed + fold x seed + clip in fold + residual, all random, by the method of moments: mean
    squares weighted by clips are set equal to their expectations, which are exact for folds of different sizes too.

    Parameters
    ----------
    correct : array_like [shape=(n,)]
        One entry a scored clip of a run, 0/1.
    fold, seed, clip : sequence of hashable [shape=(n,)]
        Of each entry. Each seed scores the same clips of every fold, once; clips of two folds are different clips.

    Returns
    -------
    components : Components

    Raises
    ------
    ParameterError
        If the design is unbalanced, a value is not finite, lengths differ, or no fold has 2 clips.

    References
    ----------
    Searle, Casella & McCulloch 1992, Variance Components, chapters 4 and 5 (ANOVA estimators).
    """
    table, fold_of = _balanced(correct, fold, seed, clip)
    (n_clips, n_seeds), sizes = table.shape, np.bincount(fold_of)
    n_folds = len(sizes)
    within = n_clips - n_folds  # degrees of freedom of clips in folds
    if within == 0:
        raise ParameterError(f"{n_clips} clip(s) in {n_folds} fold(s); need at least 2 in one of them")
    table = table - table.mean()
    cells = np.array([table[fold_of == number].mean(0) for number in range(n_folds)])  # (n_folds, n_seeds)
    folds, seeds, clips = cells.mean(1), table.mean(0), table.mean(1)
    interaction = cells - folds[:, None] - seeds
    rest = table - clips[:, None] - (cells - folds[:, None])[fold_of]

    clip_square = n_seeds * float(((clips - folds[fold_of]) ** 2).sum()) / within
    square = float((rest**2).sum()) / (within * (n_seeds - 1)) if n_seeds > 1 else clip_square
    found: dict[str, float | None] = dict.fromkeys(("fold", "seed", "fold_by_seed", "clip"))
    # Expected squares of folds and of the interaction hold `size` times a variance, the one of seeds `seed_size` times.
    seed_size = float(sizes @ sizes) / n_clips
    size = (n_clips - seed_size) / (n_folds - 1) if n_folds > 1 else math.nan
    crossed = 0.0
    if n_folds > 1 and n_seeds > 1:
        crossed_square = float(sizes @ (interaction**2).sum(1)) / ((n_folds - 1) * (n_seeds - 1))
        found["fold_by_seed"] = crossed = (crossed_square - square) / size
    if n_folds > 1:
        fold_square = n_seeds * float(sizes @ folds**2) / (n_folds - 1)
        found["fold"] = ((fold_square - clip_square) / size - crossed) / n_seeds
    if n_seeds > 1:
        seed_square = n_clips * float(seeds @ seeds) / (n_seeds - 1)
        found["seed"] = (seed_square - square - seed_size * crossed) / n_clips
        found["clip"] = (clip_square - square) / n_seeds
    tiny = ROUNDING * float(table.var())
    negative = tuple(name for name, value in found.items() if value is not None and value < -tiny)
    kept = {name: None if value is None else max(0.0, value) for name, value in found.items()}
    return Components(**kept, residual=square, negative=negative, n_folds=n_folds, n_seeds=n_seeds, n_clips=n_clips)


def spread(values: npt.ArrayLike) -> Spread:
    """Return mean, sample standard deviation and number of values.

    Raises
    ------
    ParameterError
        If there is no value, they are not in one row, or one is not finite.

    Examples
    --------
    >>> spread([0.5, 0.75, 1.0])
    Spread(mean=0.75, sd=0.25, n=3)
    """
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1 or not row.size or not np.isfinite(row).all():
        raise ParameterError(f"values {row.tolist()} have no spread; need (n,) with n > 0, all finite")
    return Spread(float(row.mean()), float(row.std(ddof=1)) if row.size > 1 else math.nan, row.size)


def t_interval(values: npt.ArrayLike, *, level: float = 0.95) -> tuple[float, float]:
    """Return Student's interval of the mean of independent values: of seeds, not of folds that share training clips.

    Raises
    ------
    ParameterError
        If there are fewer than 5 values, or what `spread` refuses, or `level` is no coverage.
    """
    check_level(level)
    found = spread(values)
    if found.n < LEAST_FOR_T:
        raise ParameterError(f"{found.n} value(s) given; no interval over fewer than {LEAST_FOR_T}")
    half = float(stats.t.ppf(0.5 + level / 2, found.n - 1)) * found.sd / math.sqrt(found.n)
    return found.mean - half, found.mean + half


def _balanced(
    correct: npt.ArrayLike, fold: Labels, seed: Labels, clip: Labels
) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Return the scores as (n_clips, n_seeds) and each clip's fold, or raise naming what is missing or there twice."""
    scores = np.asarray(correct, dtype=np.float64)
    if scores.ndim != 1 or not scores.size or not np.isfinite(scores).all():
        raise ParameterError(f"correct of shape {scores.shape} given; need (n,) with n > 0, all finite")
    fold_names, folds = codes_of(fold, len(scores), "fold")
    seed_names, seeds = codes_of(seed, len(scores), "seed")
    clip_names, clips = codes_of(clip, len(scores), "clip")
    pairs, rows = np.unique(folds * len(clip_names) + clips, return_inverse=True)
    fold_of = pairs // len(clip_names)
    times = np.bincount(rows * len(seed_names) + seeds, minlength=len(pairs) * len(seed_names))
    times = times.reshape(len(pairs), len(seed_names))
    for row, column in np.argwhere(times != 1)[:1]:
        where = f"fold {fold_names[fold_of[row]]!r}, seed {seed_names[column]!r}"
        if not times[fold_of == fold_of[row], column].any():
            raise ParameterError(f"{where}: no run; every fold needs every seed")
        what = f"clip {clip_names[pairs[row] % len(clip_names)]!r} is scored {times[row, column]} times"
        raise ParameterError(f"{where}: {what}; every seed has to score the same clips of a fold, once")
    table = np.empty(times.shape)
    table[rows, seeds] = scores
    return table, fold_of
