"""The leaks of a data set, looked for once: what was heard and found is kept in the cache.

Fingerprints belong to the content of the files, leaks also to folds and sources.
"""

import dataclasses
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from tlprobe.data.cache import parts_of
from tlprobe.data.dataset import Dataset
from tlprobe.data.fingerprint import Fingerprints, fingerprints
from tlprobe.data.leaks import Leak, find_leaks
from tlprobe.errors import DataError
from tlprobe.files import cache_root, write_atomic

__all__ = ["known_copies", "known_leaks"]

_log = logging.getLogger(__name__)

_SCHEMA = 1  # raise it when the same data set would have other leaks


def known_leaks(
    dataset: Dataset, *, channel: int | None = None, jobs: int | None = None, progress: bool | None = None
) -> tuple[Leak, ...]:
    """Return the leaks of a data set, see `tlprobe.data.leaks.find_leaks`; each file is heard the first time alone.

    Parameters
    ----------
    dataset : Dataset
    channel, jobs, progress
        As `tlprobe.data.fingerprint.fingerprints` takes them.

    Raises
    ------
    DataError
        If recordings cannot be used.
    ResourceError
        If the cache cannot be written.
    """
    heard = {"schema": _SCHEMA, "files": dataset.file_hashes, "parts": parts_of(dataset), "channel": channel}
    split = [(clip.fold, clip.group) for clip in dataset.clips]
    file = cache_root() / "leaks" / f"{_key({**heard, 'split': split})}.json"
    stored = _read(file)
    if stored is not None:
        return stored
    prints = _fingerprints(dataset, _key(heard), channel=channel, jobs=jobs, progress=progress)
    leaks = find_leaks(dataset, fingerprints=prints)
    write_atomic(file, json.dumps([[leak.kind, leak.clips, leak.folds] for leak in leaks]))
    return leaks


def known_copies(
    dataset: Dataset, *, channel: int | None = None, jobs: int | None = None, progress: bool | None = None
) -> tuple[Leak, ...]:
    """Return clips with equal samples and near copies of each other, whatever their folds and sources.

    Parameters and errors as in `known_leaks`; `Leak.folds` counts the clips and says nothing of the split.
    """
    alone = tuple(
        dataclasses.replace(clip, fold=number, group=str(number)) for number, clip in enumerate(dataset.clips, start=1)
    )
    apart = dataclasses.replace(dataset, clips=alone, scored_folds=None)
    return known_leaks(apart, channel=channel, jobs=jobs, progress=progress)


def _fingerprints(
    dataset: Dataset, key: str, *, channel: int | None, jobs: int | None, progress: bool | None
) -> Fingerprints:
    file = cache_root() / "fingerprints" / f"{key}.safetensors"
    if file.is_file():
        try:
            return Fingerprints.from_bytes(file.read_bytes())
        except (DataError, OSError) as error:
            _log.warning("%s is not used: %s", file, error)
    found = fingerprints(dataset, channel=channel, jobs=jobs, progress=progress)
    write_atomic(file, found.to_bytes())
    return found


def _read(file: Path) -> tuple[Leak, ...] | None:
    """Return stored leaks; None where there are none, or the file is damaged."""
    try:
        return tuple(Leak(kind, tuple(clips), tuple(folds)) for kind, clips, folds in json.loads(file.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        _log.warning("%s is not used: %s", file, error)
        return None


def _key(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
