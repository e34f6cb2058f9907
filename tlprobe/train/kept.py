"""Kept epochs: states stored while training, ``epochs/0005.safetensors`` of a run directory.

A state that was not kept is gone, so what is asked for is checked before the first step: against the
recipe, and against what a run that is there already has trained past.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from tlprobe.errors import ParameterError

__all__ = ["KeepEpochs", "epoch_name", "epochs_to_keep", "kept_epochs", "parse_keep_epochs", "require_kept"]

KeepEpochs: TypeAlias = Sequence[int] | Literal["all"]

_FOLDER = "epochs"


def parse_keep_epochs(text: str) -> KeepEpochs:
    """Read what follows ``--keep-epochs``.

    Raises
    ------
    ParameterError
        If it is neither a list of whole numbers nor ``all``.

    Examples
    --------
    >>> parse_keep_epochs("1,2,5"), parse_keep_epochs("all")
    ((1, 2, 5), 'all')
    """
    if text == "all":
        return "all"
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ParameterError(
            f"--keep-epochs {text!r} is no list of epochs like 1,2,5,10, each from 1 to the recipe's last; or give all"
        ) from error


def epochs_to_keep(keep_epochs: KeepEpochs, *, epochs: int) -> tuple[int, ...]:
    """Return the epochs to keep, in order, each once.

    Parameters
    ----------
    keep_epochs : sequence of int in [1, epochs], or "all"
        What was asked for.
    epochs : int >= 1
        The recipe's number of epochs.

    Raises
    ------
    ParameterError
        If a value is no epoch of the recipe.

    Examples
    --------
    >>> epochs_to_keep([5, 1, 5], epochs=10), epochs_to_keep("all", epochs=3)
    ((1, 5), (1, 2, 3))
    """
    given: Any = keep_epochs  # whatever a caller passes
    if isinstance(given, str) and given == "all":
        return tuple(range(1, epochs + 1))
    is_list = isinstance(given, Iterable) and not isinstance(given, str)
    wrong = [value for value in given if not _is_epoch(value, epochs)] if is_list else [given]
    if wrong:
        listed = ", ".join(map(repr, wrong))
        raise ParameterError(f"--keep-epochs {listed}: give a list of epochs from 1 to {epochs}, the recipe's, or all")
    return tuple(sorted(set(map(int, given))))


def epoch_name(epoch: int) -> str:
    """Return where a run directory keeps the state after an epoch, within it."""
    return f"{_FOLDER}/{epoch:04d}.safetensors"


def kept_epochs(run: Path) -> tuple[int, ...]:
    """Return the epochs whose state a run directory holds, in order; other files are passed over."""
    files = [file for file in (run / _FOLDER).glob("*.safetensors") if re.fullmatch("[0-9]+", file.stem)]
    return tuple(sorted(int(file.stem) for file in files if run / epoch_name(int(file.stem)) == file))


def require_kept(run: Path, wanted: Sequence[int], *, reached: int, epochs: int) -> None:
    """Refuse to go on with a run that is past epochs that are wanted and were not kept.

    The state after the last epoch is that of ``weights.safetensors``, so it is there in any case.

    Parameters
    ----------
    run : Path
        Its directory.
    wanted : sequence of int
        As `epochs_to_keep` returns them.
    reached : int >= 0
        The last epoch that was trained.
    epochs : int >= 1
        The recipe's number of epochs.

    Raises
    ------
    ParameterError
        Names the epochs, and what to do.
    """
    kept = (*kept_epochs(run), epochs)
    lost = [epoch for epoch in wanted if epoch <= reached and epoch not in kept]
    if lost:
        raise ParameterError(
            f"{run} is past epoch{'s' if len(lost) > 1 else ''} {', '.join(map(str, lost))} of --keep-epochs, "
            "whose state was not kept; train again by --overwrite, or leave them out of --keep-epochs"
        )


def _is_epoch(value: object, epochs: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and 1 <= int(value) <= epochs
