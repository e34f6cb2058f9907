"""What runs lie below a folder? Told from their small files, without torch and without a look into weights."""

import contextlib
import dataclasses
import json
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from tlprobe.errors import CheckpointError, DataError
from tlprobe.manifest import MANIFEST, read_manifest, read_verified
from tlprobe.records import Record
from tlprobe.train.states import list_states

__all__ = ["Entry", "entry_of_run", "find_runs", "is_run"]

_log = logging.getLogger(__name__)

_CONFIG, _RECORD, _FIRST = "config.json", "record.json", "init.safetensors"
_RESULT = ("record.csv", _RECORD)  # listed before they are written
_CONFIG_KEYS = {"schema", "config", "data", "standardise"}
_OWN_FOLDERS = ("resume", "epochs", "tensorboard")  # within a run: no runs below them


@dataclasses.dataclass(frozen=True)
class Entry:
    """A run directory, finished or not, as far as it can be read.

    Parameters
    ----------
    path : Path
        The directory.
    state : {"finished", "unfinished", "damaged"}
        Of its configuration, its record, and the presence and sizes of its files; their content is not read.
    why : str
        Of a run that is not finished: what is missing or damaged. Else empty.
    facts : dict
        ``backbone``, ``init``, ``treatment``, ``blocks``, ``data``, ``fold``, ``seed``, ``epochs`` and, of a finished
        run, ``accuracy``, ``ci_low``, ``ci_high``; what cannot be read is None.
    n_bytes : int
        Of all files in the directory.
    """

    path: Path
    state: str
    why: str
    facts: dict[str, Any]
    n_bytes: int


def find_runs(folder: Path) -> list[Entry]:
    """Return the runs in a folder, the folder itself and all below it, by path; links are not followed.

    Raises
    ------
    DataError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; give one that holds runs, as `tlprobe fit --out` makes them")
    return [entry_of_run(path) for path in sorted(_folders(folder)) if is_run(path)]


def is_run(path: Path) -> bool:
    """Say whether a folder is a run directory, be it unfinished or damaged.

    The name of a file is not enough, since others have a ``config.json`` too: its keys, the manifest, or
    resume states must be tlprobe's.
    """
    return bool(list_states(path)) or _config(path).keys() >= _CONFIG_KEYS or _FIRST in _listed(path)


def entry_of_run(path: Path) -> Entry:
    """Return what a run directory says of itself; whatever is damaged in it is told by the entry, not raised."""
    body = _config(path)
    facts = _asked(body)
    try:
        state, why = "finished", ""
        if not (path / _CONFIG).is_file():
            state, why = "unfinished", f"no {_CONFIG} yet"
        else:
            read_verified(path, _CONFIG)
        if state == "finished" and not (path / _RECORD).is_file():
            state, why = "unfinished", _reached(path, facts["epochs"])
        elif state == "finished":
            facts |= _found(path)
        _check_sizes(path, but=_RESULT if state == "unfinished" else ())
    except (CheckpointError, DataError, RecursionError) as error:
        state, why = "damaged", str(error).replace(f"{path}{os.sep}", "")
    return Entry(path, state, why, facts, n_bytes=_n_bytes(path))


def _folders(folder: Path) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        _log.warning("%s cannot be looked into: %s", error.filename, error.strerror)

    for where, below, _files in os.walk(folder, onerror=unreadable):
        below[:] = [name for name in below if name not in _OWN_FOLDERS and not name.startswith(".")]
        yield Path(where)


def _config(path: Path) -> dict[str, Any]:
    """Return the body of a ``config.json``; empty where it cannot be read."""
    try:
        body = json.loads((path / _CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _listed(path: Path) -> dict[str, Any]:
    try:
        return read_manifest(path)
    except CheckpointError:
        return {}


def _asked(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what defines a run; None for what its configuration does not say."""
    config, data = _table(body.get("config")), _table(body.get("data"))
    blocks = config.get("blocks")
    return {
        **{name: config.get(name) for name in ("backbone", "init", "treatment", "fold", "seed")},
        "blocks": "+".join(map(str, blocks)) if isinstance(blocks, list) and blocks else None,
        "data": data.get("name"),
        "epochs": _table(config.get("recipe")).get("epochs"),
    }


def _found(path: Path) -> dict[str, Any]:
    """Return a finished run's result.

    Raises
    ------
    CheckpointError or DataError
        If it is not the one that was written, or not of a training.
    """
    read_verified(path, _RECORD)
    record = Record.load(path)
    if record.probe != "fit" or len(record.rows) != 1:
        raise CheckpointError(f"{_RECORD} is of {record.probe}, not of one training")
    return {name: record.rows[0].get(name) for name in ("accuracy", "ci_low", "ci_high")}


def _reached(path: Path, epochs: object) -> str:
    """Say how far an unfinished run got, by the name of its last state."""
    states = list_states(path)
    if not states:
        return "stopped before its first state"
    epoch, step = map(int, states[-1].name.split("-"))
    return f"saved after epoch {epoch} of {epochs}" + (f" and {step} steps" if step else "")


def _check_sizes(path: Path, *, but: Collection[str]) -> None:
    """Raise a CheckpointError if a file that the manifest lists, `but` these, is gone or of another size."""
    if not (path / MANIFEST).is_file() and list_states(path):
        return  # a state has its own manifest
    for name, entry in read_manifest(path).items():
        file = path / name
        if name in but:
            continue
        if not file.is_file():
            raise CheckpointError(f"{file} is missing")
        if (n_bytes := file.stat().st_size) != entry["bytes"]:
            raise CheckpointError(f"{file} is damaged: it has {n_bytes} bytes, {entry['bytes']} were written")


def _n_bytes(path: Path) -> int:
    """Return the size of all files; one that a training removes meanwhile counts no more."""
    total = 0
    for where, _below, names in os.walk(path):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(where, name)).st_size
    return total


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
