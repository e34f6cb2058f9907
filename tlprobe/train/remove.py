"""Removing a run: all that a training left in its directory, and never anything else."""

import os
from pathlib import Path

from tlprobe.errors import ResourceError
from tlprobe.files import remove_held
from tlprobe.train.resume import clear

__all__ = ["remove_run"]

_FIGURES = ("fit.pdf", "fit.png")  # of `tlprobe fit`


def remove_run(path: Path) -> list[str]:
    """Remove a run directory.

    Parameters
    ----------
    path : Path
        A run directory, see `tlprobe.train.catalogue.is_run`, held by this process, see `tlprobe.files.lock_folder`.

    Returns
    -------
    left : list of str
        Names of what is no part of the run, and so stays, in a directory that stays as well; empty where it is gone.

    Raises
    ------
    ResourceError
        If a part of the run cannot be removed.
    """
    try:
        clear(path)
        for name in _FIGURES:
            (path / name).unlink(missing_ok=True)
        return remove_held(path)
    except OSError as error:
        where = os.fspath(error.filename or path)
        raise ResourceError(f"{where} cannot be removed: {error.strerror or error}") from error
