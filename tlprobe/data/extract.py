"""Unpack an archive from a stranger: what is in it ends up under one folder, whole and as plain files, or not at all.

Refused are names that lead elsewhere (absolute, with a drive letter, ``..``, backslash or NUL, not UTF-8), links,
devices, a name given twice, encrypted entries, more bytes or files than expected, and what
`tlprobe.data.archive` finds damaged.
"""

import contextlib
import logging
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from tlprobe.data.archive import Entry, declared_size, quoted_name, read_entries
from tlprobe.errors import DataError, ResourceError

__all__ = ["extract", "require_room"]

_log = logging.getLogger(__name__)

_NAME_MAX, _PATH_MAX = 255, 1024  # bytes of one part of a name and of all of it; file systems take no more


def extract(archive: Path, to: Path, *, max_bytes: int, max_files: int) -> tuple[Path, ...]:
    """Unpack `archive` into the new folder `to`.

    The files are written into a temporary folder beside `to`, which is renamed at the end; what a killed call left
    there is removed by the next one. So one process at a time may unpack to `to`: a caller who is not sure of it
    holds the lock of the folder that `to` is in, `tlprobe.files.lock_folder`.

    Parameters
    ----------
    archive : Path
        A zip or tar file; what its name may end in: `tlprobe.data.archive.SUFFIXES`.
    to : Path
        Must be missing or an empty folder; the folder it is in must exist.
    max_bytes : int > 0
        Size of all files together, at most.
    max_files : int > 0
        Entries, folders among them, at most.

    Returns
    -------
    files : tuple of Path
        What lies under `to` now, in the archive's order, with the modes that the umask gives. The resource forks
        that macOS adds (``__MACOSX/``, ``._*``) are left out; their number is logged.

    Raises
    ------
    DataError
        If `to` is not empty or the archive is refused, see above: the entry is named. Nothing is left then.
    ResourceError
        If the disk has no room or cannot be written. Nothing is left then.
    """
    work: Path | None = None
    try:
        if to.is_symlink() or (to.exists() and not (to.is_dir() and not any(to.iterdir()))):
            raise DataError(f"{to} is there already and is no empty folder; move it away")
        _remove_leftovers(to)
        require_room(to.parent, min(max_bytes, declared_size(archive)), f"unpacking {archive.name}")
        work = Path(tempfile.mkdtemp(prefix=f".{to.name}.", suffix=".tmp", dir=to.parent))
        inner = work / "files"  # mkdtemp's own is closed to others; this one follows the umask
        inner.mkdir()
        with contextlib.closing(read_entries(archive)) as items:
            files = _write(items, inner, archive, max_bytes=max_bytes, max_files=max_files)
        if to.exists():
            to.rmdir()
        inner.rename(to)
    except OSError as error:
        raise ResourceError(f"cannot unpack {archive} to {to}: {error.strerror or error}") from error
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)
    return tuple(to / file for file in files)


def require_room(folder: Path, n_bytes: int, what: str) -> None:
    """Raise a ResourceError that begins with `what` unless `n_bytes` are free on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise ResourceError(f"{what} needs {n_bytes / 1e6:.1f} MB in {folder}, {free / 1e6:.1f} MB are free")


def _write(
    items: Iterator[Entry | bytes], root: Path, archive: Path, *, max_bytes: int, max_files: int
) -> list[PurePosixPath]:
    names = _Names()
    files: list[PurePosixPath] = []
    n_entries = n_bytes = n_forks = 0
    where, file = str(archive), None
    with contextlib.ExitStack() as last:  # holds the file that is being written
        for item in items:
            if isinstance(item, bytes):
                n_bytes += len(item)
                if n_bytes > max_bytes:
                    raise DataError(f"{where} makes more than {max_bytes} bytes in all; so much is not expected")
                if file is not None:
                    file.write(item)
                continue
            last.close()
            file = None
            where = f"{archive}: {quoted_name(item.name)}"
            n_entries += 1
            if n_entries > max_files:
                raise DataError(f"{where} is one entry too many; at most {max_files} are expected")
            if problem := _name_problem(item.name) or item.problem or names.add(item):
                raise DataError(f"{where} {problem}; the archive is not unpacked")
            path = PurePosixPath(item.name)
            if path.parts[:1] == ("__MACOSX",) or path.name.startswith("._"):
                n_forks += 1
            elif item.is_folder:
                (root / path).mkdir(parents=True, exist_ok=True)
            else:
                (root / path.parent).mkdir(parents=True, exist_ok=True)
                try:
                    file = last.enter_context((root / path).open("xb"))
                except FileExistsError as error:  # on a disk for which A and a are one name
                    raise DataError(f"{where} is there twice, in other letters") from error
                files.append(path)
    if n_forks:
        _log.info("%s: left out %d resource forks of macOS", archive, n_forks)
    return files


class _Names:
    """The names seen so far: each file once, and none in the place of a folder."""

    def __init__(self) -> None:
        self._files: set[PurePosixPath] = set()
        self._folders: set[PurePosixPath] = {PurePosixPath()}

    def add(self, entry: Entry) -> str | None:
        """Take a name in, or return what is wrong with it."""
        path = PurePosixPath(entry.name)
        if path in self._files or (path in self._folders and not entry.is_folder):
            return "is there twice"
        if not self._files.isdisjoint(path.parents):
            return "lies in a file"
        self._folders.update(path.parents)
        (self._folders if entry.is_folder else self._files).add(path)
        return None


def _name_problem(name: str) -> str | None:
    try:
        n_bytes = len(name.encode())
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    parts = name.split("/")
    if not name or "\0" in name:
        return "has no name, or a NUL in it"
    if name.startswith("/") or "\\" in name or PureWindowsPath(name).drive:
        return "has an absolute name, a drive letter or a backslash"
    if ".." in parts:
        return "leads out of the folder by '..'"
    if n_bytes > _PATH_MAX or max(len(part.encode()) for part in parts) > _NAME_MAX:
        return f"has a name of {n_bytes} bytes, which is too long"
    return None


def _remove_leftovers(to: Path) -> None:
    ours = re.compile(rf"\.{re.escape(to.name)}\.[a-z0-9_]{{8}}\.tmp")  # as tempfile names them
    for left in [path for path in to.parent.iterdir() if ours.fullmatch(path.name)]:
        shutil.rmtree(left, ignore_errors=True)
        _log.info("removed %s, left by a job that was killed", left)
