"""Which blocks is something done to? The four shapes of a sweep over blocks.

``prefix``: up to a block; ``suffix``: from a block on; ``single``: that block alone; ``except``: all but that
block. The first is the paper's; the others tell whether a block is needed, enough, or neither.
"""

from collections.abc import Sequence
from typing import Literal

from tlprobe.errors import ParameterError

__all__ = ["NONE", "OPTION_OF", "SHAPES", "Shape", "select_blocks", "sweep_values"]

Shape = Literal["prefix", "suffix", "single", "except"]
SHAPES: tuple[Shape, ...] = ("prefix", "suffix", "single", "except")

NONE = "none"
"""The sweep value that names no block: nothing is selected; for ``except``, nothing is left out."""

OPTION_OF: dict[Shape, str] = {"prefix": "upto", "suffix": "from", "single": "only", "except": "except"}
"""The command line's option for each shape."""


def sweep_values(names: Sequence[str], *, shape: Shape) -> tuple[str, ...]:
    """Return the values of a whole sweep, from the fewest selected blocks to the most where there is an order.

    Parameters
    ----------
    names : sequence of str
        The network's blocks, input to output.
    shape : {"prefix", "suffix", "single", "except"}
    """
    return (*names, NONE) if shape == "suffix" else (NONE, *names)


def select_blocks(names: Sequence[str], *, shape: Shape, block: str) -> tuple[str, ...]:
    """Return the selected blocks, input to output.

    Parameters
    ----------
    names : sequence of str
        The network's blocks, input to output.
    shape : {"prefix", "suffix", "single", "except"}
    block : str
        One of `names`, inclusive, or ``"none"``.

    Raises
    ------
    ParameterError
        If the shape is unknown, or `block` names no block.

    Examples
    --------
    >>> names = ("stem", "block1", "block2")
    >>> select_blocks(names, shape="suffix", block="block1"), select_blocks(names, shape="except", block="block1")
    (('block1', 'block2'), ('stem', 'block2'))
    """
    if shape not in SHAPES:
        raise ParameterError(f"shape={shape!r} is unknown; choose from {', '.join(SHAPES)}")
    if block != NONE and block not in names:
        choices = ", ".join((NONE, *names))
        raise ParameterError(f"{OPTION_OF[shape]}={block!r} names no block; choose from {choices}")
    if block == NONE:
        return tuple(names) if shape == "except" else ()
    at = list(names).index(block)
    return {
        "prefix": tuple(names[: at + 1]),
        "suffix": tuple(names[at:]),
        "single": (block,),
        "except": tuple(name for name in names if name != block),
    }[shape]
