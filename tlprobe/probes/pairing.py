"""Which rows of two layers stand side by side, and how many of them fit into memory.

Two maps of one size are compared position by position; of unequal size, both are first pooled to the
smaller height and width. Rows are kept for what moments cannot give: the null, and the Gram side where
there are fewer samples than features. All are kept if they fit, else a seeded subsample of positions.
"""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from tlprobe.errors import ParameterError, ResourceError
from tlprobe.numerics.gram import gram_is_cheaper
from tlprobe.numerics.seeds import derive_seed
from tlprobe.probes.capture import Conv, Layer, Reduce

__all__ = ["Pairing", "Spot", "View", "kept_positions", "pair_up", "require_room_for_moments", "share_memory"]

_BYTES = 4  # of a float32


@dataclasses.dataclass(frozen=True)
class Spot:
    """A layer of one of the networks that are compared.

    Parameters
    ----------
    network : int
        Its place in the list of networks.
    layer : Layer
    """

    network: int
    layer: Layer


@dataclasses.dataclass(frozen=True)
class View:
    """A spot and how its maps become rows: what one hook gives.

    Parameters
    ----------
    spot : Spot
    reduce : Reduce
    n_positions, d : int > 0
        Rows a clip, and features.
    """

    spot: Spot
    reduce: Reduce
    n_positions: int
    d: int


@dataclasses.dataclass(frozen=True)
class Pairing:
    """Two views of the same clips, row by row.

    Parameters
    ----------
    x, y : View
    conv : str
        What was done to the maps, for tables.
    by_gram : bool
        Whether there are so few samples that their products are the cheaper way.
    """

    x: View
    y: View
    conv: str
    by_gram: bool


def pair_up(
    x: Spot,
    y: Spot,
    *,
    shapes: tuple[tuple[int, int, int], tuple[int, int, int]],
    conv: Conv,
    n_clips: int,
    n_positions: int | None,
    seed: int,
) -> Pairing:
    """Say how two layers are compared.

    Parameters
    ----------
    x, y : Spot
    shapes : tuple of (c, h, w)
        Of their maps.
    conv : {"positions", "pool", "flatten"}
        See `Reduce`.
    n_clips : int
    n_positions : int or None
        With ``positions``, at most so many of a map are used, drawn by `seed`, the same in all clips.
    """
    (c_x, h_x, w_x), (c_y, h_y, w_y) = shapes
    grid = min(h_x, h_y), min(w_x, w_y)
    there = grid[0] * grid[1]
    keep: tuple[int, ...] | None = None
    name: str = conv
    if conv != "pool" and (h_x, w_x) != (h_y, w_y):
        name += f", pooled to {grid[0]} x {grid[1]}"
    if conv == "positions" and n_positions is not None and n_positions < there:
        keep = tuple(sorted(_position_order(there, seed=seed)[:n_positions].tolist()))
        name += f", {n_positions} of {there}"
    rows = 1 if conv != "positions" else len(keep) if keep is not None else there
    width = there if conv == "flatten" else 1
    reduce = Reduce(conv, grid=None if conv == "pool" else grid, keep=keep)
    view_x, view_y = View(x, reduce, rows, c_x * width), View(y, reduce, rows, c_y * width)
    return Pairing(view_x, view_y, name, gram_is_cheaper(n_clips * rows, view_x.d, view_y.d))


def share_memory(pairings: Sequence[Pairing], *, n_clips: int, memory: int, with_null: bool) -> dict[View, int]:
    """Return how many positions of each view are kept as rows; views that need none are left out.

    Parameters
    ----------
    pairings : sequence of Pairing
    n_clips : int
    memory : int
        Bytes for all rows together.
    with_null : bool
        Whether every pairing needs rows.

    Raises
    ------
    ParameterError
        If the rows that nothing can replace do not fit.
    """
    whole = {view: view.n_positions for pairing in pairings if pairing.by_gram for view in (pairing.x, pairing.y)}
    needed = sum(_size(view, n_clips) * n for view, n in whole.items())
    if needed > memory:
        raise ParameterError(
            f"the rows of layers with fewer samples than features take {needed / 2**30:.3g} GiB; "
            f"--memory is {memory / 2**30:.3g}: give more, other --conv, fewer --clips or --layers"
        )
    if not with_null:
        return whole
    rest = {view for pairing in pairings for view in (pairing.x, pairing.y)} - set(whole)
    left = memory - needed - sum(_size(view, n_clips) for view in rest)
    if left < 0:
        raise ParameterError(
            f"not even one position of each layer fits into --memory {memory / 2**30:.3g} GiB: give more, "
            "fewer --clips or --layers, or no null (--permutations 0)"
        )
    kept = {**whole, **dict.fromkeys(rest, 1)}
    # Smallest first: what a view does not use of its equal share is for the larger ones.
    for done, view in enumerate(sorted(rest, key=lambda item: _size(item, n_clips) * item.n_positions)):
        share = left / (len(rest) - done)
        more = min(view.n_positions - 1, int(share // _size(view, n_clips)))
        kept[view] += more
        left -= more * _size(view, n_clips)
    return kept


def require_room_for_moments(pairings: Sequence[Pairing], *, n_groups: int) -> None:
    """Refuse to begin what the machine's memory cannot hold: three products a pair of layers and group of clips.

    Raises
    ------
    ResourceError
        If they would take more than half of it.
    """
    needed = sum(8 * (p.x.d**2 + p.x.d * p.y.d + p.y.d**2) * max(n_groups, 1) for p in pairings if not p.by_gram)
    there = _physical_memory()
    if there is not None and needed > there / 2:
        raise ResourceError(
            f"the products of {len(pairings)} pairs of layers take {needed / 2**30:.3g} GiB of the machine's "
            f"{there / 2**30:.3g}: fewer --layers or --groups, or --conv pool"
        )


def _physical_memory() -> int | None:
    """Return the machine's memory in bytes, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None


def kept_positions(view: View, n: int, *, seed: int) -> np.ndarray:
    """Return which `n` of a view's rows a clip are kept, in the order of keeping.

    That order is the same for all views of equal rows: two that keep different numbers share the first ones.
    """
    return _position_order(view.n_positions, seed=seed)[:n]


def _position_order(n: int, *, seed: int) -> np.ndarray:
    return np.random.default_rng(derive_seed(seed, "positions", n)).permutation(n)


def _size(view: View, n_clips: int) -> int:
    """Return the bytes of one position of all clips."""
    return n_clips * view.d * _BYTES
