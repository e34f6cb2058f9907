"""How tlprobe touches the disk: one atomic writer, one lock per folder, one content hash.

Everything tlprobe leaves goes through `write_atomic` (a file) or `write_folder` (some files that belong
together), so what is there is either the old or the new, whole, whatever happens in between: the bytes are
on the disk before the name points to them, and the name is on the disk before the call returns.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

import filelock

from tlprobe.errors import ResourceError

__all__ = ["cache_root", "lock_folder", "remove_held", "sha256_file", "write_atomic", "write_folder"]

_log = logging.getLogger(__name__)

_LOCK_NAME = ".tlprobe.lock"
_HOLDER_NAME = ".tlprobe.holder"  # who holds the lock; apart, because opening a lock file empties it
_TEMPORARY = ".tmp"
_OURS = re.compile(rf"\..+\.[a-z0-9_]{{8}}{re.escape(_TEMPORARY)}")  # as tempfile names what it makes for us


def write_atomic(path: Path, content: bytes | str, *, make_folder: bool = True) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    The bytes go to a temporary file in the same folder and are flushed to the disk, the file is renamed,
    and the folder is flushed. The mode follows the user's umask (a bare temporary file would be 0600,
    unreadable for group members on shared disks).

    Parameters
    ----------
    path : Path
        Where the file ends up.
    content : bytes or str
        Text is written as UTF-8.
    make_folder : bool
        Whether a missing folder is made; without, it is an error: what was in it has vanished.

    Raises
    ------
    ResourceError
        If the disk is full or the folder cannot be written; the file that was there is unharmed.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary: str | None = None
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_TEMPORARY, dir=path.parent)
        _fill(handle, data)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise ResourceError(f"cannot write {path} ({len(data)} bytes): {error.strerror or error}") from error


def write_folder(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write a new folder of files so that it is there with all of them, or not at all.

    Parameters
    ----------
    path : Path
        Must not exist; its parent must.
    contents : mapping of str to bytes
        Plain file name -> bytes.

    Raises
    ------
    ResourceError
        If the disk is full or the parent cannot be written; nothing is left then.
    """
    temporary: str | None = None
    try:
        temporary = tempfile.mkdtemp(prefix=f".{path.name}.", suffix=_TEMPORARY, dir=path.parent)
        for name, data in contents.items():
            file = os.path.join(temporary, name)
            _fill(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), data)
        _flush_folder(Path(temporary))
        os.chmod(temporary, 0o777 & ~_umask())
        os.rename(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        size = sum(map(len, contents.values()))
        raise ResourceError(f"cannot write {path} ({size} bytes): {error.strerror or error}") from error


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process alone, for the length of a ``with`` block.

    The operating system drops the lock when the process dies, so a killed job never leaves a folder
    locked: the next one takes over, says from whom, and removes the temporary files it left.

    Parameters
    ----------
    folder : Path
        Made when missing.

    Raises
    ------
    ResourceError
        If another process holds it (named, where it is known), or it cannot be made or written.
    """
    holder = folder / _HOLDER_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / _LOCK_NAME)
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        who = _read_holder(holder) or "another tlprobe process"
        raise ResourceError(f"{folder} is in use by {who}; wait, or give another folder") from error
    except OSError as error:
        raise ResourceError(f"cannot use the folder {folder}: {error.strerror or error}") from error
    try:
        _take_over(folder, holder)
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def remove_held(folder: Path) -> list[str]:
    """Remove a folder that this process holds, if nothing but its lock is left in it.

    Returns
    -------
    left : list of str
        Names of what else is in it, sorted; then it stays, and held.

    Raises
    ------
    OSError
        If the system refuses.
    """
    left = sorted(file.name for file in folder.iterdir() if file.name not in (_LOCK_NAME, _HOLDER_NAME))
    if not left:
        for name in (_LOCK_NAME, _HOLDER_NAME):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
    return left


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


def _take_over(folder: Path, holder: Path) -> None:
    """Name this process as the holder, and clear away what a killed one left."""
    if holder.exists():  # a process that ends in any other way removes it
        _log.warning("%s: took over the lock of %s, which is gone", folder, _read_holder(holder) or "a process")
    hidden = (*folder.glob(f".*{_TEMPORARY}"), *folder.glob(f"*/.*{_TEMPORARY}"))
    for left in (path for path in hidden if _OURS.fullmatch(path.name)):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
        _log.info("removed %s, left by a job that was killed", left)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    write_atomic(holder, json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now}))


def _read_holder(holder: Path) -> str | None:
    try:
        found = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {found['pid']} on {found['host']} since {found['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # between its lock and its name, or of a killed writer
        return None


def _fill(handle: int, data: bytes) -> None:
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Put a rename on the disk; systems that cannot open a folder do it by themselves."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
