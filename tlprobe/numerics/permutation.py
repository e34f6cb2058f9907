"""What would unrelated clips score? The null of a similarity, by permuting whole clips.

Clips, not rows: positions of one clip are not independent, and what all clips share at a position (a
frequency profile, borders) is not similarity of what two networks say about a clip.
Permuting clips changes neither X'X nor Y'Y, so the principal directions are found once and only the
cross-product of the samples in them is made anew.
"""

import dataclasses
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from tlprobe.errors import ParameterError
from tlprobe.numerics.activations import FloatArray
from tlprobe.numerics.canonical import Rule, Whitened, nuclear_norm
from tlprobe.numerics.pairs import Pair
from tlprobe.numerics.rows import variates
from tlprobe.numerics.seeds import derive_seed
from tlprobe.numerics.similarity import measure

__all__ = ["Null", "derangement", "permutation_null"]


@dataclasses.dataclass(frozen=True)
class Null:
    """What permuted clips score, and the true pairs on the same rows.

    Parameters
    ----------
    values : dict of str to np.ndarray [shape=(n_permutations,)]
        One value a permutation; without the measures that are not defined for these activations.
    observed : dict of str to float
        Of clips beside themselves: a null of few rows is higher, and so is the value that it is compared with.
    n : int
        Rows.
    n_different : int
        Permutations that differ: few clips have few.
    """

    values: dict[str, FloatArray]
    observed: dict[str, float]
    n: int
    n_different: int


def permutation_null(
    x: npt.NDArray[np.floating],
    y: npt.NDArray[np.floating],
    measures: Collection[str],
    *,
    n_permutations: int,
    seed: int,
    variance: float = 0.99,
    rule: Rule = "squared",
) -> Null:
    """Return what each measure gives when clips of x stand beside other clips of y.

    Parameters
    ----------
    x : np.ndarray [shape=(n_clips, n_positions, d_x)]
        One network's activations.
    y : np.ndarray [shape=(n_clips, n_positions, d_y)]
        The other's.
    measures : collection of str
        See `tlprobe.numerics.similarity.similarity`.
    n_permutations : int > 0
        Each moves every clip.
    seed : int
        Of the permutations.
    variance, rule
        Of SVCCA.

    Returns
    -------
    null : Null

    Raises
    ------
    ParameterError
        If shapes do not fit, or there are fewer than two clips.
    """
    if x.ndim != 3 or y.ndim != 3 or x.shape[:2] != y.shape[:2]:
        raise ParameterError(f"rows of shapes {x.shape} and {y.shape} given; need (n_clips, n_positions, d) of both")
    n_clips, n_positions = x.shape[:2]
    if n_clips < 2:
        raise ParameterError(f"{n_clips} clip(s) cannot be permuted; need at least 2")
    flat_x, flat_y = x.reshape(-1, x.shape[2]), y.reshape(-1, y.shape[2])
    pair, a, b = variates(flat_x, flat_y, measures)
    whitened = pair.whitened
    measured = measure(pair, measures, variance=variance, rule=rule)
    orders = [derangement(n_clips, seed=derive_seed(seed, "permutation", number)) for number in range(n_permutations)]
    n_different = len({order.tobytes() for order in orders})
    if whitened is None:
        return Null({}, {}, pair.n, n_different)
    if set(measures) == {"svcca"}:  # the leading directions will do
        a, b = a[:, a.shape[1] - (measured.k_x or 0) :], b[:, b.shape[1] - (measured.k_y or 0) :]
    b = b.reshape(n_clips, n_positions, -1)
    norms_x, norms_y = _norms(flat_x, n_clips), _norms(flat_y, n_clips)
    null: dict[str, list[float]] = {}
    for order in orders:
        m = (a.T @ b[order].reshape(len(a), -1)).astype(np.float64)
        norms = dataclasses.replace(pair.norms, quartic_xy=float((norms_x * norms_y[order]).sum()))
        paired = _with_cross(dataclasses.replace(pair, norms=norms), whitened, m, measures=measures)
        for name, value in measure(paired, measures, variance=variance, rule=rule).values.items():
            null.setdefault(name, []).append(value)
    return Null({name: np.array(values) for name, values in null.items()}, measured.values, pair.n, n_different)


def derangement(n: int, *, seed: int) -> npt.NDArray[np.int64]:
    """Return a random order of ``0 .. n - 1`` that leaves none in its place; all such orders are equally likely."""
    rng = np.random.default_rng(seed)
    while True:  # e ≈ 2.7 draws on average
        order = rng.permutation(n)
        if (order != np.arange(n)).all():
            return order


def _norms(rows: npt.NDArray[np.floating], n_clips: int) -> FloatArray:
    """Return the squared norms of centred rows, (n_clips, n_positions)."""
    centred = rows - rows.mean(0, dtype=np.float64).astype(rows.dtype)
    return np.asarray(np.einsum("ij,ij->i", centred, centred, dtype=np.float64).reshape(n_clips, -1))


def _with_cross(pair: Pair, whitened: Whitened, m: FloatArray, *, measures: Collection[str]) -> Pair:
    """Return the pair with another cross-product of its two sides, given in their principal directions."""
    r_x, r_y = m.shape
    values_x = whitened.values_x[len(whitened.values_x) - r_x :]
    values_y = whitened.values_y[len(whitened.values_y) - r_y :]
    cross = np.sqrt(values_x)[:, None] * m * np.sqrt(values_y)
    return dataclasses.replace(
        pair,
        norms=dataclasses.replace(pair.norms, xy=float(np.vdot(cross, cross))),
        whitened=dataclasses.replace(whitened, m=m),
        nuclear=nuclear_norm(cross) if "procrustes" in measures else None,
    )
