"""Arrays that are computed once and kept on disk: images of clips, outputs of frozen blocks.

One entry is a folder with ``NAME.npy`` and, written last, ``NAME.json``. The array is written with ordinary
writes and then renamed: a memory map written to a full disk would kill the process.
"""

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tlprobe.data.locks import remove_left, wait_for_folder
from tlprobe.errors import ResourceError
from tlprobe.files import sha256_file, write_atomic

__all__ = ["Fill", "stored_array"]

_log = logging.getLogger(__name__)

Fill = Callable[[Path, int], dict[str, Any]]
"""Write the array, float32 in C order, into a file from an offset on; return what else the entry should know."""


def stored_array(
    entry: Path, shape: tuple[int, ...], *, what: str, fill: Fill, hashed: bool = True
) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
    """Return an entry's array, computed now where it is missing or damaged.

    Parameters
    ----------
    entry : Path
        Its folder; the name must tell all that the array depends on.
    shape : tuple of int
    what : str
        Name of the files, such as ``images``.
    fill : callable
        See `Fill`; called under a lock: another process that needs the same waits, and then takes this one's.
    hashed : bool
        Whether an array that is there is hashed, see `_read`; without, its size alone is looked at.

    Returns
    -------
    array : np.ndarray [float32]
        Read-only, mapped from the file.
    meta : dict
        What `fill` returned, as JSON gives it back.

    Raises
    ------
    ResourceError
        If the disk is full or the folder cannot be used.
    """
    found = _read(entry, shape, what=what, hashed=hashed)
    if found is None:
        remove_left(entry.parent)
        with wait_for_folder(entry):
            found = _read(entry, shape, what=what, hashed=hashed)
            if found is None:
                try:
                    _write(entry, shape, what=what, fill=fill)
                except OSError as error:
                    raise ResourceError(
                        f"cannot write the cache of {what} {entry}: {error.strerror or error}"
                    ) from error
                found = _read(entry, shape, what=what, hashed=False)  # the hash is of what was just written
    if found is None:
        raise ResourceError(f"the cache of {what} {entry} was written but cannot be read back")
    return found


def _read(
    entry: Path, shape: tuple[int, ...], *, what: str, hashed: bool = True
) -> tuple[npt.NDArray[np.float32], dict[str, Any]] | None:
    """Return the entry, or None if it is missing, or not what was written.

    The whole file is hashed: ESC-50's 768 MB take half a second, less than to read them from a disk, and a
    flipped bit would change every result that rests on them, unseen.
    """
    path = entry / f"{what}.npy"
    try:
        meta = json.loads((entry / f"{what}.json").read_text(encoding="utf-8"))
        damaged = path.stat().st_size != meta["bytes"] or (hashed and sha256_file(path) != meta["sha256"])
        if damaged:
            _log.warning("%s is damaged; it is computed again", path)
            return None
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.shape != shape or array.dtype != np.float32 or not array.flags.c_contiguous:
            return None
        return array, dict(meta["about"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(entry: Path, shape: tuple[int, ...], *, what: str, fill: Fill) -> None:
    array, meta = entry / f"{what}.npy", entry / f"{what}.json"
    for path in (meta, array):  # a damaged entry: its mark goes first
        path.unlink(missing_ok=True)
    temporary = entry / f"{array.name}.tmp"  # under the lock nobody else writes it
    n_bytes = 4 * int(np.prod(shape))
    free = shutil.disk_usage(entry).free
    if free < n_bytes:
        raise ResourceError(f"the cache of {what} {entry} needs {n_bytes} bytes, {free} are free")
    try:
        with temporary.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
            offset = file.tell()
        about = fill(temporary, offset)
        digest = sha256_file(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, array)
    finally:
        temporary.unlink(missing_ok=True)
    write_atomic(meta, json.dumps({"bytes": offset + n_bytes, "sha256": digest, "about": about}) + "\n")
