"""UrbanSound8K as it is distributed: ``metadata/UrbanSound8K.csv`` beside ``audio/fold1 .. fold10/``.

Needed columns: ``slice_file_name``, ``fsID``, ``fold``, ``class``. The ten folds are the official ones and must be
used as they are: clips of one recording (``fsID``) lie in one of them. A clip has at most 4 s.
Reference: J. Salamon, C. Jacoby and J. P. Bello, A Dataset and Taxonomy for Urban Sound Research, ACM
Multimedia 2014.
"""

from pathlib import Path

from tlprobe.data.csv_table import FilesOf, fold_of, quoted, read_csv_table
from tlprobe.data.dataset import Clip, Dataset, n_spread_groups
from tlprobe.data.options import ImageOptions
from tlprobe.errors import DataError, list_errors

__all__ = ["META", "N_CLIPS", "read_urbansound8k"]

META = "metadata/UrbanSound8K.csv"
N_CLIPS = 8732
"""Clips of the whole set."""

_N_FOLDS = 10
_NEEDED = ("slice_file_name", "fsID", "fold", "class")


def read_urbansound8k(root: Path) -> Dataset:
    """Read a folder in the UrbanSound8K layout.

    Parameters
    ----------
    root : Path
        Holds ``metadata/`` and ``audio/``.

    Returns
    -------
    dataset : Dataset
        Clips in the order of the table; groups are the Freesound recordings. The note says what differs from the
        8732 clips, and what lies there unlisted.

    Raises
    ------
    DataError
        If the table or a row of it is wrong, or a file is missing; rows are named by their line.
    """
    rows = read_csv_table(root / META, needed=_NEEDED)
    folders = {fold: FilesOf(root / "audio" / f"fold{fold}") for fold in range(1, _N_FOLDS + 1)}
    clips, errors = [], []
    seen: dict[tuple[int, str], int] = {}
    listed: dict[int, set[str]] = {fold: set() for fold in folders}
    for line, row in rows:
        problem, fold, name = None, fold_of(row["fold"]), row["slice_file_name"]
        if fold not in folders:
            problem = f"fold {quoted(row['fold'])} is none of 1 to {_N_FOLDS}"
        elif not row["class"]:
            problem = f"class of {quoted(name)} is blank"
        elif not row["fsID"]:
            problem = f"fsID of {quoted(name)} is blank"
        else:
            file, problem = folders[fold].look_up(name)
            if file is not None and line != (first := seen.setdefault((fold, file), line)):
                problem = f"slice_file_name {quoted(name)} was already given in line {first}"
        if problem is not None or fold is None:
            errors.append(f"{META} line {line}: {problem}")
            continue
        listed[fold].add(name)
        clips.append(Clip(path=f"audio/fold{fold}/{name}", label=row["class"], fold=fold, group=row["fsID"]))
    if errors:
        raise DataError(list_errors(errors, what=f"rows in {root}"))
    for what, found in (("folds", {clip.fold for clip in clips}), ("classes", {clip.label for clip in clips})):
        if len(found) < 2:
            raise DataError(f"{root / META} has {len(found)} {what}; at least 2 are needed")
    return Dataset(
        name="urbansound8k",
        root=root,
        clips=tuple(clips),
        classes=tuple(sorted({clip.label for clip in clips})),
        usual=ImageOptions(sr=22_050, clip_s=4.0, width=250),  # Palanisamy et al. 2020
        note=_note(clips, n_unlisted=sum(folders[fold].unlisted(names) for fold, names in listed.items())),
    )


def _note(clips: list[Clip], *, n_unlisted: int) -> str:
    notes = []
    if len(clips) != N_CLIPS:
        notes.append(f"the table lists {len(clips)} of {N_CLIPS} clips")
    if missing := [str(fold) for fold in range(1, _N_FOLDS + 1) if fold not in {clip.fold for clip in clips}]:
        notes.append(f"no clip of fold {', '.join(missing)}: a mean over the folds is not the data set's")
    if n_unlisted:
        notes.append(f"{n_unlisted} files in audio/ are not in the table and were left out")
    if spread := n_spread_groups(clips):
        notes.append(f"{spread} source recordings have clips in more than one fold")
    return "; ".join(notes)
