"""The layout of ESC-50: ``meta/esc50.csv`` beside ``audio/``, with the official folds.

Needed columns: ``filename`` (within ``audio/``), ``fold``, ``category``; ``esc10`` for the 10-class
subset; ``src_file``, where there is one, names the recording that a clip was cut from.
Reference: K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015.
"""

from pathlib import Path, PurePosixPath

from tlprobe.data.csv_table import FOLD_DIGITS, FilesOf, fold_of, quoted, read_csv_table
from tlprobe.data.dataset import Clip, Dataset, n_spread_groups
from tlprobe.errors import DataError, list_errors

__all__ = ["META", "read_esc50"]

META = "meta/esc50.csv"
_AUDIO = "audio"
_NEEDED = ("filename", "fold", "category")
_FLAGS = {"true": True, "false": False, "1": True, "0": False}


def read_esc50(root: Path, *, esc10: bool = False) -> Dataset:
    """Read a folder in the ESC-50 layout.

    Parameters
    ----------
    root : Path
        Holds ``meta/esc50.csv`` and ``audio/``.
    esc10 : bool
        Take the rows marked ``esc10`` only.

    Returns
    -------
    dataset : Dataset
        Clips in the order of the table; groups are the source recordings.

    Raises
    ------
    DataError
        If the table or a row of it is wrong, or a file is missing; rows are named by their line.
    """
    rows = read_csv_table(root / META, needed=(*_NEEDED, "esc10") if esc10 else _NEEDED)
    files = FilesOf(root / _AUDIO)
    clips, errors, listed = [], [], set[str]()
    seen: dict[str, int] = {}  # by the file itself: a.wav and ./a.wav are one
    for line, row in rows:
        name = row["filename"]
        file, problem = files.look_up(name)
        problem = _problem(row) or problem
        if problem is None and file is not None and line != (first := seen.setdefault(file, line)):
            problem = f"filename {quoted(name)} was already given in line {first}"
        if problem:
            errors.append(f"{META} line {line}: {problem}")
            continue
        listed.add(PurePosixPath(name).parts[0])
        if esc10 and not _flag(row, line):
            continue
        group = row.get("src_file") or name
        clips.append(Clip(path=f"{_AUDIO}/{name}", label=row["category"], fold=int(row["fold"]), group=group))
    if errors:
        raise DataError(list_errors(errors, what=f"rows in {root}"))
    if not clips:
        raise DataError(f"{root / META} lists no clip{' marked esc10' if esc10 else ''}")
    if len({clip.fold for clip in clips}) < 2:
        raise DataError(f"{root / META} puts all clips in fold {clips[0].fold}; at least 2 folds are needed")
    if len({clip.label for clip in clips}) < 2:
        raise DataError(
            f"{root / META} gives all clips{' marked esc10' if esc10 else ''} the category "
            f"{quoted(clips[0].label)}; at least 2 categories are needed"
        )
    return Dataset(
        name="esc10" if esc10 else "esc50",
        root=root,
        clips=tuple(clips),
        classes=tuple(sorted({clip.label for clip in clips})),
        note=_note(root, clips, listed=listed),
    )


def _problem(row: dict[str, str]) -> str | None:
    """Return what is wrong with a row on its own, or None."""
    name, fold = quoted(row["filename"]), row["fold"]
    if fold_of(fold) is None:
        return f"fold {quoted(fold)} is no whole number from 1 on, of at most {FOLD_DIGITS} digits"
    if not row["category"]:
        return f"category of {name} is blank"
    return None


def _flag(row: dict[str, str], line: int) -> bool:
    try:
        return _FLAGS[row["esc10"].lower()]
    except KeyError:
        raise DataError(f"{META} line {line}: esc10 {row['esc10']!r} is neither True nor False") from None


def _note(root: Path, clips: list[Clip], *, listed: set[str]) -> str:
    notes = []
    on_disk = {path.name for path in (root / _AUDIO).iterdir() if not path.name.startswith(".")}
    if unlisted := on_disk - listed:
        notes.append(f"{len(unlisted)} files in {_AUDIO}/ are not in the table and were left out")
    if spread := n_spread_groups(clips):
        notes.append(f"{spread} source recordings have clips in more than one fold")
    return "; ".join(notes)
