"""Wait for a folder of the cache that another process is filling.

`tlprobe.files.lock_folder` refuses at once, which is right for results; two jobs that need the same
images should share the work instead.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import filelock

from tlprobe.errors import ResourceError

__all__ = ["remove_left", "wait_for_folder"]

_log = logging.getLogger(__name__)

_LOCK_NAME = ".tlprobe.lock"


@contextlib.contextmanager
def wait_for_folder(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process alone, after waiting for whoever holds it.

    Parameters
    ----------
    folder : Path
        Made when missing.

    Raises
    ------
    ResourceError
        If it cannot be made or locked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / _LOCK_NAME)
        lock.acquire()
    except OSError as error:
        raise ResourceError(f"cannot use the folder {folder}: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


def remove_left(root: Path) -> None:
    """Remove the temporary files that killed jobs left in the folders of `root`.

    Parameters
    ----------
    root : Path
        Its folders are locked by `wait_for_folder` while files are written in them.
    """
    for left in root.glob("*/*.tmp"):
        try:
            with filelock.FileLock(left.parent / _LOCK_NAME).acquire(timeout=0):
                left.unlink(missing_ok=True)
        except OSError:  # its writer lives, or it is another user's
            continue
        _log.info("removed %s, left by a job that was killed", left)
