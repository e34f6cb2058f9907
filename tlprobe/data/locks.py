"""Wait for a folder of the cache that another process is filling.

`tlprobe.files.lock_folder` refuses at once, which is right for results; two jobs that need the same
images should share the work instead.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from tlprobe.errors import ResourceError

__all__ = ["wait_for_folder"]


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
        lock = filelock.FileLock(folder / ".tlprobe.lock")
        lock.acquire()
    except OSError as error:
        raise ResourceError(f"cannot use the folder {folder}: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()
