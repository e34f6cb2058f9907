"""Points of a sweep, and which trial each of them is.

Several points are one trial: fusing everything, freezing nothing and cutting nothing are all the fully
fine-tuned network; fusing nothing is the random one; the blocks up to the stem are the stem alone.
"""

import dataclasses
from collections.abc import Sequence

from tlprobe.backbones.partition import Partition
from tlprobe.errors import ParameterError
from tlprobe.probes.fuse import Rest
from tlprobe.probes.selection import Shape, select_blocks, sweep_values
from tlprobe.train.config import Treatment

__all__ = ["Point", "TrialKind", "canonical", "points_of"]


@dataclasses.dataclass(frozen=True)
class Point:
    """One point of a sweep.

    Parameters
    ----------
    treatment : {"full", "random", "fuse", "freeze", "cutoff"}
        The sweep, or one of the two levels.
    block : str or None
        Its value: ``"none"`` or a block; None for full and random.
    shape : {"prefix", "suffix", "single", "except"}
        Which blocks `block` stands for, see `tlprobe.probes.selection`; a cutoff is a prefix.
    rest : str
        What the other blocks of a fused network get, see `tlprobe.probes.fuse`.
    partition : Partition or None
        Where blocks are parts of equal size.
    """

    treatment: Treatment
    block: str | None = None
    shape: Shape = "prefix"
    rest: Rest = "random"
    partition: Partition | None = None


@dataclasses.dataclass(frozen=True)
class TrialKind:
    """What is done to the network in a trial: the same fields as in `tlprobe.train.config.FitConfig`."""

    treatment: Treatment
    blocks: tuple[str, ...] = ()
    rest: Rest | None = None
    partition: Partition | None = None


def canonical(point: Point, *, block_names: Sequence[str]) -> TrialKind:
    """Return the trial that a point is.

    Parameters
    ----------
    point : Point
    block_names : sequence of str
        The backbone's blocks; where the point has a partition, its parts count instead.

    Raises
    ------
    ParameterError
        If the point's block is no value of its sweep.

    Examples
    --------
    >>> names = ("stem", "block1", "block2", "block3", "block4")
    >>> canonical(Point("fuse", "block4"), block_names=names).treatment
    'full'
    >>> canonical(Point("freeze", "block1"), block_names=names).blocks
    ('stem', 'block1')
    """
    if point.treatment in ("full", "random"):
        return TrialKind(point.treatment)
    names = tuple(block_names) if point.partition is None else point.partition.names
    block = str(point.block)
    if point.treatment == "cutoff":
        if block not in names:
            raise ParameterError(f"after={point.block!r} names no block; choose from {', '.join(names)}")
        return TrialKind("full") if block == names[-1] else TrialKind("cutoff", names[: names.index(block) + 1])
    blocks = select_blocks(names, shape=point.shape, block=block)
    if point.treatment == "freeze":
        return TrialKind("freeze", blocks, partition=point.partition) if blocks else TrialKind("full")
    if blocks == names:
        return TrialKind("full")
    if not blocks and point.rest == "random":
        return TrialKind("random")
    return TrialKind("fuse", blocks, point.rest, point.partition)


def points_of(
    treatment: Treatment,
    *,
    block_names: Sequence[str],
    block: str | None = None,
    shape: Shape = "prefix",
    rest: Rest = "random",
    partition: Partition | None = None,
) -> list[Point]:
    """Return the points of a whole sweep, or of one value of it.

    Parameters
    ----------
    treatment, shape, rest, partition
        As in `Point`.
    block_names : sequence of str
        The backbone's blocks.
    block : str, optional
        Only this value.

    Raises
    ------
    ParameterError
        If a value is none of the sweep, or a cutoff is asked for in parts or another shape.
    """
    names = tuple(block_names) if partition is None else partition.names
    if treatment == "cutoff" and (partition is not None or shape != "prefix"):
        raise ParameterError("a network is cut after its named blocks; shape and partition are of fuse and freeze")
    whole = names if treatment == "cutoff" else sweep_values(names, shape=shape)
    points = [Point(treatment, value, shape, rest, partition) for value in (whole if block is None else (block,))]
    for point in points:  # all checked before a training
        canonical(point, block_names=block_names)
    return points
