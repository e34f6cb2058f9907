"""A folder with one sub-folder a class: the layout of one's own recordings."""

from pathlib import Path

import soundfile

from tlprobe.audio.load import is_utf8
from tlprobe.data.dataset import Clip, Dataset, inside
from tlprobe.data.folds import stratified_folds
from tlprobe.errors import DataError, list_errors

__all__ = ["AUDIO_SUFFIXES", "read_folder"]

# Names under which libsndfile's formats go, but for two without a header of their own; what it does not decode
# (.m4a, .wma) is not among them. Whether the content is sound is seen when it is read.
_ALIASES = frozenset({".aif", ".aifc", ".bwf", ".iff", ".oga", ".opus", ".snd", ".sph", ".wave"})
AUDIO_SUFFIXES = _ALIASES | {f".{name.lower()}" for name in soundfile.available_formats().keys() - {"RAW", "SD2"}}
_NO_AUDIO = frozenset({
    ".csv", ".docx", ".html", ".ini", ".jpeg", ".jpg", ".json", ".log", ".md", ".pdf", ".png", ".rst", ".toml",
    ".tsv", ".txt", ".xml", ".yaml", ".yml",
})  # fmt: skip


def read_folder(root: Path, *, n_folds: int = 5, seed: int = 0) -> Dataset:
    """Read a folder whose sub-folders are the classes.

    Hidden files are ignored; texts and pictures are left out and counted in the note. Anything else
    that is no recording, sub-folders too, is an error: nobody should wonder where clips went.

    Parameters
    ----------
    root : Path
    n_folds : int >= 2
    seed : int
        Deals the clips out to the folds, each class alike.

    Returns
    -------
    dataset : Dataset
        Clips sorted by path; each is its own group.

    Raises
    ------
    DataError
        If there are fewer than two classes, a class has fewer clips than folds, a file is no recording, or a
        name is not valid UTF-8.
    """
    paths: list[str] = []
    labels: list[str] = []
    errors: list[str] = []
    n_left_out = 0
    folders = [entry for entry in _visible(root) if entry.is_dir()]
    for folder in folders:
        if not is_utf8(folder.name):
            errors.append(f"{folder.name!a} is no name in UTF-8; rename it")
            continue
        n_before = len(paths)
        for entry in _visible(folder):
            name = f"{folder.name}/{entry.name}"
            if entry.suffix.lower() in _NO_AUDIO and not entry.is_dir():
                n_left_out += 1
            elif not is_utf8(name):
                errors.append(f"{name!a} is no name in UTF-8; rename it")
            elif entry.is_dir():
                errors.append(f"{name} is a folder in a class folder")
            elif entry.suffix.lower() not in AUDIO_SUFFIXES:
                errors.append(f"{name} is not named like a recording")
            elif inside(root, name) is None:
                errors.append(f"{name} leads out of the data folder")
            else:
                paths.append(name)
                labels.append(folder.name)
        if len(paths) == n_before and not errors:
            errors.append(f"{folder.name} is a class folder without a recording")
    n_loose = len(_visible(root)) - len(folders)
    if errors:
        raise DataError(f"{root}: {list_errors(errors, what='entries')}")
    if len(folders) < 2:
        raise DataError(f"{root} has {len(folders)} class folders; at least 2 are needed, each with its recordings")
    folds = stratified_folds(labels, n_folds=n_folds, seed=seed)
    clips = tuple(
        Clip(path=path, label=label, fold=int(fold), group=path)
        for path, label, fold in zip(paths, labels, folds, strict=True)
    )
    notes = [
        f"{n} files {where} were left out"
        for n, where in ((n_left_out, "in class folders that are no recordings"), (n_loose, "beside the class folders"))
        if n
    ]
    return Dataset(
        name=root.resolve().name,
        root=root,
        clips=clips,
        classes=tuple(sorted(set(labels))),
        note="; ".join(notes),
        split_name=f"stratified, seed {seed}",
        prescribed=False,
        dealt=True,
    )


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error
