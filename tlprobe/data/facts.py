"""What is known of the files of a data set, kept between runs: content hash, and what the header says.

A file is read again only where its size or time of change is another than it was, so that a second look at
thousands of recordings takes a moment. What changed in the two seconds before it was read is not kept: a later
write within the same tick of the file system's clock would go unseen.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tlprobe.audio.load import AudioInfo, decode, info
from tlprobe.errors import DataError, list_errors
from tlprobe.files import cache_root, sha256_file, write_atomic

__all__ = ["file_hashes", "forget", "headers", "unusable"]

_log = logging.getLogger(__name__)

_SCHEMA = 1
_TICK_S = 2.0  # the coarsest clock of a file system in use, FAT's

_T = TypeVar("_T")


def file_hashes(root: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Return the SHA-256 of each file.

    Parameters
    ----------
    root : Path
        The data set's folder.
    names : sequence of str
        Paths in it; one that comes several times is read once.

    Raises
    ------
    DataError
        If files are missing or cannot be read; all are counted, the first five named.
    """
    return _looked_up(root, names, "sha256", read=_hash, pack=str, unpack=str)


def headers(root: Path, names: Sequence[str]) -> tuple[AudioInfo, ...]:
    """Return what each recording's header says; parameters and errors as in `file_hashes`, and of `info`."""

    def unpack(stored: list[int]) -> AudioInfo:
        return AudioInfo(*stored)

    def pack(header: AudioInfo) -> list[int]:
        return [header.sr, header.n_samples, header.n_channels]

    return _looked_up(root, names, "header", read=info, pack=pack, unpack=unpack)


def unusable(root: Path, names: Sequence[str]) -> dict[str, str]:
    """Decode recordings to their end and return why some cannot be used, by path; parameters as in `file_hashes`."""
    found = _looked_up(root, names, "unusable", read=_decoded, pack=str, unpack=str)
    return {name: reason for name, reason in zip(names, found, strict=True) if reason}


def forget(root: Path) -> None:
    """Forget all that is known of a folder's files, so that each is read again."""
    _store(root).unlink(missing_ok=True)


def _hash(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _decoded(path: Path) -> str:
    """Return why a recording cannot be used, or nothing."""
    try:
        decode(path)
    except DataError as error:
        return str(error)
    return ""


def _looked_up(
    root: Path,
    names: Sequence[str],
    fact: str,
    *,
    read: Callable[[Path], _T],
    pack: Callable[[_T], Any],
    unpack: Callable[[Any], _T],
) -> tuple[_T, ...]:
    store, real_root = _store(root), os.path.realpath(root)
    known = _load(store)
    found: dict[str, _T] = {}
    errors: list[str] = []
    n_new = 0
    for name in dict.fromkeys(names):
        path = root / name
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(real_root):
            errors.append(f"{path} leads out of the data folder")
            continue
        stamp = _stamp(path)
        entry = known.get(name)
        if stamp is not None and entry is not None and entry["stamp"] == stamp and fact in entry:
            found[name] = unpack(entry[fact])
            continue
        began = time.time()
        try:
            found[name] = value = read(path)
        except DataError as error:
            errors.append(str(error))
            continue
        if stamp is not None and stamp == _stamp(path) and stamp[1] / 1e9 < began - _TICK_S:
            kept = entry if entry is not None and entry["stamp"] == stamp else {"stamp": stamp}
            known[name] = {**kept, fact: pack(value)}
            n_new += 1
    if n_new:
        write_atomic(store, json.dumps({"schema": _SCHEMA, "files": known}))
    if errors:
        raise DataError(list_errors(errors))
    return tuple(found[name] for name in names)


def _stamp(path: Path) -> list[int] | None:
    """Return size and time of change; None where the file cannot be looked at, which reading it will tell."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns]


def _store(root: Path) -> Path:
    return cache_root() / "facts" / f"{hashlib.sha256(os.path.realpath(root).encode()).hexdigest()[:32]}.json"


def _load(store: Path) -> dict[str, dict[str, Any]]:
    """Return what is kept; a store that is damaged or of another version counts for nothing."""
    try:
        body = json.loads(store.read_bytes())
        if body["schema"] != _SCHEMA:
            return {}
        files: dict[str, dict[str, Any]] = body["files"]
        if not all(len(entry["stamp"]) == 2 for entry in files.values()):
            raise ValueError("an entry without its stamp")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _log.debug("%s is not used: %s", store, error)
        return {}
    return files
