"""How tlprobe touches the disk: one atomic writer, one lock per folder, one content hash.

Everything tlprobe leaves goes through `write_atomic`, so a file is either the old one or the new
one, whole, whatever happens in between.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock

from tlprobe.errors import ResourceError

__all__ = ["cache_root", "lock_folder", "sha256_file", "write_atomic"]

_LOCK_NAME = ".tlprobe.lock"


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and the file is
    renamed. The mode follows the user's umask (a bare temporary file would be 0600, unreadable for
    group members on shared disks).

    Parameters
    ----------
    path : Path
        Where the file ends up; its folder is made when missing.
    content : bytes or str
        Text is written as UTF-8.

    Raises
    ------
    ResourceError
        If the disk is full or the folder cannot be written; the file that was there is unharmed.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise ResourceError(f"cannot write {path} ({len(data)} bytes): {error.strerror or error}") from error


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process alone, for the length of a ``with`` block.

    The operating system drops the lock when the process dies, so a killed job never leaves a folder
    locked.

    Parameters
    ----------
    folder : Path
        Made when missing.

    Raises
    ------
    ResourceError
        If another process holds it, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / _LOCK_NAME)
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise ResourceError(f"{folder} is in use by another tlprobe process; wait, or give another --out") from error
    except OSError as error:
        raise ResourceError(f"cannot use the folder {folder}: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def cache_root() -> Path:
    """Return the folder for things that can be made again: ``$TLPROBE_CACHE`` or ``~/.cache/tlprobe``."""
    return Path(os.environ.get("TLPROBE_CACHE") or Path.home() / ".cache" / "tlprobe")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
