"""Is a folder still what was written? Names, sizes and SHA-256 of its files, in ``manifest.json``.

Neither safetensors nor a pickle notices a flipped bit: of 300 flips in a weight file, 295 loaded as other
weights. So what tlprobe will read again is listed with its digest, and read through `read_verified`. The
manifest carries a digest of itself and has one spelling, so that any change of it is noticed as well.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlprobe.errors import CheckpointError
from tlprobe.files import write_atomic, write_folder

__all__ = [
    "MANIFEST",
    "Entry",
    "check_entry",
    "entry_of",
    "manifest_text",
    "read_manifest",
    "read_verified",
    "write_manifest",
    "write_verified_folder",
]

MANIFEST = "manifest.json"
_SCHEMA = 1

Entry = dict[str, Any]  # bytes, sha256


def write_manifest(folder: Path, entries: Mapping[str, Entry]) -> None:
    """Write a folder's manifest.

    Parameters
    ----------
    folder : Path
        Must be there.
    entries : mapping of str to dict
        Path within `folder`, with forward slashes -> `entry_of` the file's bytes.

    Raises
    ------
    ResourceError
        If it cannot be written.
    """
    write_atomic(folder / MANIFEST, manifest_text(entries), make_folder=False)


def write_verified_folder(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write a new folder of files with its manifest, whole or not at all; see `tlprobe.files.write_folder`."""
    text = manifest_text({name: entry_of(data) for name, data in contents.items()})
    write_folder(path, {**contents, MANIFEST: text.encode()})


def read_verified(folder: Path, name: str) -> bytes:
    """Return the bytes of a file that the manifest lists.

    Raises
    ------
    CheckpointError
        If the file is missing or not the one that was written, or the manifest is missing, damaged or
        does not list it.
    """
    entries = read_manifest(folder)
    if name not in entries:
        raise CheckpointError(f"{folder / name} is not listed in {folder / MANIFEST}")
    return check_entry(folder / name, entries[name])


def check_entry(file: Path, wanted: Entry) -> bytes:
    """Return a file's bytes, if they are those of its manifest entry.

    Raises
    ------
    CheckpointError
        If they are not, or the file is missing.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise CheckpointError(f"{file} is missing") from error
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror or error}") from error
    if len(data) != wanted["bytes"]:
        raise CheckpointError(f"{file} is damaged: it has {len(data)} bytes, {wanted['bytes']} were written")
    if hashlib.sha256(data).hexdigest() != wanted["sha256"]:
        raise CheckpointError(f"{file} is damaged: its SHA-256 is not the one that was written")
    return data


def read_manifest(folder: Path) -> dict[str, Entry]:
    """Return the entries of a folder's manifest.

    Raises
    ------
    CheckpointError
        If it is missing, damaged or of another schema.
    """
    file = folder / MANIFEST
    try:
        text = file.read_text(encoding="utf-8")
        body = json.loads(text)
        schema, entries = body["schema"], body["files"]
        whole = schema != _SCHEMA or text == manifest_text(entries)
    except FileNotFoundError as error:
        raise CheckpointError(f"{file} is missing") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file} is damaged: {type(error).__name__}: {error}") from error
    if schema != _SCHEMA:
        raise CheckpointError(f"{file} has schema {schema!r}; this tlprobe reads {_SCHEMA}")
    if not whole:
        raise CheckpointError(f"{file} is damaged: it is not as it was written")
    return dict(entries)


def manifest_text(entries: Mapping[str, Entry]) -> str:
    """Return the one spelling of a manifest, its own digest included."""
    body: dict[str, Any] = {"schema": _SCHEMA, "files": {name: dict(entries[name]) for name in sorted(entries)}}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return json.dumps({**body, "sha256": digest}, indent=1) + "\n"


def entry_of(data: bytes) -> Entry:
    """Return what a manifest says of a file: its size in bytes and its SHA-256."""
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
