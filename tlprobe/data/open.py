"""Find out how a data folder is laid out, and which image settings suit it."""

import dataclasses
import os
from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from tlprobe.audio.load import UNCHECKED_FORMATS, is_utf8
from tlprobe.audio.logmel import ImageSettings
from tlprobe.data.dataset import Dataset
from tlprobe.data.esc50 import META, read_esc50
from tlprobe.data.facts import headers
from tlprobe.data.folder import read_folder
from tlprobe.data.options import DataOptions
from tlprobe.data.synthetic import synthetic_dataset
from tlprobe.errors import DataError, ParameterError

__all__ = ["CLIP_S_MAX", "COLUMNS_PER_S", "default_settings", "open_dataset"]

CLIP_S_MAX = 30.0  # seconds; the longest default, GTZAN's
COLUMNS_PER_S = 50  # the paper's 250 columns for 5 s and 1500 for 30 s


def open_dataset(path: Path | None, options: DataOptions | None = None) -> Dataset:
    """Read a data set, whatever its layout.

    Parameters
    ----------
    path : Path or None
        A data set's folder. None is the synthetic set.
    options : DataOptions, optional
        How it is read; default: as its layout says.

    Returns
    -------
    dataset : Dataset

    Raises
    ------
    DataError
        If there is no such folder, it cannot be looked into, its name is not UTF-8, or no data set is in it.
    ParameterError
        If an option is of another layout.
    """
    options = options or DataOptions()
    if path is None:
        if options.dataset is not None:
            raise ParameterError(f"dataset={options.dataset!r} needs its folder; the built-in clips are another set")
        return synthetic_dataset(seed=options.data_seed)
    try:
        dataset = _read(path, options)
    except OSError as error:
        raise DataError(f"{error.filename or path} cannot be read: {error.strerror or error}") from error
    formats = Counter(Path(clip.path).suffix[1:].upper() for clip in dataset.clips)
    unchecked = sorted(formats.keys() & UNCHECKED_FORMATS)
    if not unchecked:
        return dataset
    n = sum(formats[name] for name in unchecked)
    note = f"{n} recordings are in {', '.join(unchecked)}, where a cut file goes unnoticed"
    return dataclasses.replace(dataset, note="; ".join(filter(None, (dataset.note, note))))


def _read(path: Path, options: DataOptions) -> Dataset:
    if not is_utf8(os.path.realpath(path)):
        raise DataError(f"{str(path)!a} leads to a folder whose name is not UTF-8; rename it")
    if not path.is_dir():
        raise DataError(f"{path} is {'no folder' if path.exists() else 'missing'}; give the folder of a data set")
    layout = options.dataset or ("esc50" if (path / META).exists() else "folder")
    if layout in ("esc50", "esc10"):
        if not (path / META).exists():
            raise ParameterError(f"{layout} needs a folder with {META}; {path} has none")
        return read_esc50(path, esc10=layout == "esc10")
    if not any(entry.is_dir() and not entry.name.startswith(".") for entry in path.iterdir()):
        raise DataError(f"{path} holds no data set: neither {META} with audio/, nor one sub-folder a class")
    return read_folder(path, n_folds=options.n_folds, seed=options.data_seed)


def default_settings(
    dataset: Dataset,
    *,
    sr: int | None = None,
    clip_s: float | None = None,
    width: int | None = None,
    channels: Literal["windows", "copy"] = "windows",
) -> ImageSettings:
    """Return image settings that suit a data set; what is given is kept.

    Parameters
    ----------
    dataset : Dataset
    sr : int, in Hz
        Default: the commonest rate, the higher one of two equally common.
    clip_s : float, in seconds
        Default: the longest clip, at most 30 s.
    width : int
        Default: 50 columns a second.
    channels : {"windows", "copy"}

    Returns
    -------
    settings : ImageSettings

    Raises
    ------
    DataError
        If a recording's header cannot be read; all of them are named at once.
    ParameterError
        If a given value is impossible.
    """
    if sr is None or clip_s is None:
        found = headers(dataset.root, [clip.path for clip in dataset.clips])
        if sr is None:
            sr = max(Counter(header.sr for header in found).items(), key=lambda item: (item[1], item[0]))[0]
        if clip_s is None:
            clip_s = min(max(header.duration_s for header in found), CLIP_S_MAX)
    if width is None:
        width = max(1, round(COLUMNS_PER_S * clip_s)) if 0 < clip_s < float("inf") else 1
    try:
        return ImageSettings(sr=sr, clip_s=clip_s, width=width, channels=channels)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc']))}={e['input']!r}: {e['msg'].lower()}" for e in error.errors())
        raise ParameterError("; ".join(problems)) from error
