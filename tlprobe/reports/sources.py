"""What a report is made from: the records in the given folders, and what could not be read of them."""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tlprobe.errors import CheckpointError, DataError, ParameterError
from tlprobe.manifest import MANIFEST, read_verified
from tlprobe.records import Record, table_csv
from tlprobe.reports.words import cleaned, joined, plain

__all__ = ["Source", "read_sources"]

_RECORD = "record.json"


@dataclasses.dataclass(frozen=True)
class Source:
    """A record to report.

    Parameters
    ----------
    folder : Path
        Where it lies.
    name : str
        The end of its path, as long as it takes to tell it from the others.
    record : Record
        With harmless texts, see `tlprobe.reports.words.cleaned`.
    files : dict of str to bytes
        ``record.json`` and ``record.csv``, as they are to be passed on.
    """

    folder: Path
    name: str
    record: Record
    files: dict[str, bytes]


def read_sources(paths: Sequence[Path | str]) -> tuple[list[Source], list[str]]:
    """Read the records of some folders.

    Parameters
    ----------
    paths : sequence of path
        Folders with a ``record.json``, run directories, or such files; one given twice counts once.

    Returns
    -------
    sources : list of Source
        In this order.
    unread : list of str
        A line for each unfinished run and each record that is damaged: a report of the others can still be made.

    Raises
    ------
    ParameterError
        If no path is given.
    DataError
        If one of them is no folder with a record and no run, or none can be read.
    """
    if not paths:
        raise ParameterError("nothing to report; give folders that hold a record.json, or run directories")
    files = list(dict.fromkeys(_file_of(Path(path)) for path in paths))
    names = _names([file.parent for file in files])
    sources, unread = [], []
    for file, name in zip(files, names, strict=True):
        if not file.is_file():
            unread.append(f"{name} is an unfinished run: it has no {_RECORD} yet")
            continue
        try:
            sources.append(_read(file, name))
        except (CheckpointError, DataError) as error:
            unread.append(str(error).replace(str(file.parent), name))
    if not sources:
        raise DataError(f"none of the records can be read: {'; '.join(unread)}")
    return sources, [plain(line, limit=300) for line in unread]


def _file_of(path: Path) -> Path:
    """Return the file of a record, or of a run the one it will have."""
    file = path / _RECORD if path.is_dir() else path
    if file.is_file() and file.suffix == ".json":
        return file
    if (path / "config.json").is_file():
        return file
    inside = sorted(found.parent.name for found in path.glob(f"*/{_RECORD}")) if path.is_dir() else []
    hint = f"; there are some in its folders {joined(inside)}: give these" if inside else ""
    raise DataError(f"{path} holds no {_RECORD}{hint}" if path.exists() else f"{path} does not exist")


def _read(file: Path, name: str) -> Source:
    folder = file.parent
    if (folder / MANIFEST).is_file():
        read_verified(folder, _RECORD)  # a run's record is not the one that was written: say so, not its numbers
    try:
        record = Record.load(file)
    except RecursionError as error:
        raise DataError(f"{file} is not a tlprobe record: it is nested too deeply") from error
    content = file.read_bytes()
    table = folder / "record.csv"
    listed = table.read_bytes() if table.is_file() else table_csv(json.loads(content)["rows"]).encode(errors="replace")
    return Source(folder, name, cleaned(record), {_RECORD: content, "record.csv": listed})


def _names(folders: Sequence[Path]) -> list[str]:
    """Return the shortest ends of paths that differ; the start of a path is nobody's business."""
    parts = [folder.resolve().parts for folder in folders]
    lengths = [1] * len(parts)
    while True:
        names = ["/".join(part[-n:]) for part, n in zip(parts, lengths, strict=True)]
        same = {name for name, n in Counter(names).items() if n > 1}
        longer = [
            min(n + 1, len(part)) if name in same else n for name, part, n in zip(names, parts, lengths, strict=True)
        ]
        if longer == lengths:
            return [plain(name) for name in names]
        lengths = longer
