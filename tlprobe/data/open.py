"""Find out how a data folder is laid out, and which image settings suit it."""

import dataclasses
import logging
import os
from collections import Counter
from pathlib import Path

from pydantic import ValidationError

from tlprobe.audio.load import UNCHECKED_FORMATS, AudioInfo, is_utf8
from tlprobe.audio.settings import ImageSettings
from tlprobe.data.dataset import Clip, Dataset
from tlprobe.data.esc50 import META, read_esc50
from tlprobe.data.facts import headers, unusable
from tlprobe.data.folder import read_folder
from tlprobe.data.gtzan import GTZAN_SPLITS, gtzan_folder, read_gtzan
from tlprobe.data.kept_folds import keep_folds
from tlprobe.data.named import read_named
from tlprobe.data.options import COLUMNS, DataOptions, ImageOptions
from tlprobe.data.table import TABLE_SUFFIXES, read_table
from tlprobe.data.urbansound8k import META as US8K_META
from tlprobe.data.urbansound8k import read_urbansound8k
from tlprobe.data.windows import cut_windows
from tlprobe.errors import DataError, ParameterError, list_errors

__all__ = ["CLIP_S_MAX", "COLUMNS_PER_S", "default_settings", "open_dataset"]

_log = logging.getLogger(__name__)

_OF_ANY_CLIPS = {"data_seed", "allow_leaks", "on_error"}  # options that also go with the built-in ones

CLIP_S_MAX = 30.0  # seconds; the longest default, GTZAN's
COLUMNS_PER_S = 50  # the paper's 250 columns for 5 s and 1500 for 30 s


def open_dataset(path: Path | None, options: DataOptions | None = None, *, channel: int | None = None) -> Dataset:
    """Read a data set, whatever its layout.

    Parameters
    ----------
    path : Path or None
        A data set's folder, or a table of clips. None is the synthetic set.
    options : DataOptions, optional
        How it is read; default: as its layout says.
    channel : int >= 1, optional
        What recordings must have for ``on_error="skip"`` to keep them, see `ImageOptions`.

    Returns
    -------
    dataset : Dataset

    Raises
    ------
    DataError
        If there is no such folder, it cannot be looked into, its name is not UTF-8, or no data set is in it.
    ParameterError
        If an option is of another layout.
    ResourceError
        If folds that were dealt cannot be kept: the cache cannot be written.
    """
    options = options or DataOptions()
    if path is None:
        if foreign := sorted(options.given().keys() - _OF_ANY_CLIPS):
            said = ", ".join(f"{name}={getattr(options, name)!r}" for name in foreign)
            raise ParameterError(f"{said} needs the folder of a data set; the built-in clips are another set")
        from tlprobe.data.synthetic import synthetic_dataset  # here: it brings scipy.signal, two seconds of import

        return synthetic_dataset(seed=options.data_seed)
    try:
        dataset = keep_folds(_read(path, options), options)
    except OSError as error:
        raise DataError(f"{error.filename or path} cannot be read: {error.strerror or error}") from error
    if options.on_error == "skip":
        dataset = _without_unusable(dataset, channel=channel)
    if options.window_s is not None:
        names = list(dict.fromkeys(clip.path for clip in dataset.clips))
        lengths = {name: header.duration_s for name, header in zip(names, headers(dataset.root, names), strict=True)}
        dataset = cut_windows(dataset, lengths, window_s=options.window_s)
    formats = Counter(Path(clip.path).suffix[1:].upper() for clip in dataset.clips)
    unchecked = sorted(formats.keys() & UNCHECKED_FORMATS)
    if not unchecked:
        return dataset
    n = sum(formats[name] for name in unchecked)
    note = f"{n} recordings are in {', '.join(unchecked)}, where a cut file goes unnoticed"
    return dataclasses.replace(dataset, note="; ".join(filter(None, (dataset.note, note))))


def _without_unusable(dataset: Dataset, *, channel: int | None) -> Dataset:
    """Leave out clips whose recordings cannot be used, and say which."""
    names = list(dict.fromkeys(clip.path for clip in dataset.clips))
    reasons = unusable(dataset.root, names)
    if channel is not None:
        sound = [name for name in names if name not in reasons]
        for name, header in zip(sound, headers(dataset.root, sound), strict=True):
            if header.n_channels < channel:
                reasons[name] = f"{dataset.root / name} has no channel {channel}; it has {header.n_channels}"
    if not reasons:
        return dataset
    kept = tuple(clip for clip in dataset.clips if clip.path not in reasons)
    if len({clip.fold for clip in kept}) < 2 or len({clip.label for clip in kept}) < 2:
        raise DataError(f"too little is left of {dataset.root}: {list_errors(list(reasons.values()))}")
    _log.warning("%s: skipped, %s", dataset.name, list_errors(list(reasons.values())))
    return dataclasses.replace(
        dataset,
        clips=kept,
        classes=tuple(sorted({clip.label for clip in kept})),
        n_skipped=len(dataset.clips) - len(kept),
    )


def _read(path: Path, options: DataOptions) -> Dataset:
    if not is_utf8(os.path.realpath(path)):
        raise DataError(f"{str(path)!a} leads to a folder whose name is not UTF-8; rename it")
    if not path.exists():
        raise DataError(f"{path} is missing; give the folder of a data set, or a table")
    layout = options.dataset or _layout_of(path, options)
    if options.data_split is not None and layout != "gtzan":
        raise ParameterError(f"data_split={options.data_split!r} is of gtzan alone, and {path} is {layout}")
    if options.label_regex is not None and layout != "named":
        raise ParameterError(f"label_regex is of dataset named alone, and {path} is {layout}")
    if layout == "table":
        columns = {name: getattr(options, name) for name in COLUMNS}
        return read_table(path, **columns, n_folds=options.n_folds, seed=options.data_seed)
    if options.has_columns:
        raise ParameterError(f"columns are of a table alone, and {path} is {layout}")
    if not path.is_dir():
        raise DataError(f"{path} is no folder, and no table ({', '.join(TABLE_SUFFIXES)})")
    if layout == "named":
        if options.label_regex is None:
            raise ParameterError("dataset named needs label_regex, which says what is the label in a file's name")
        return read_named(path, label_regex=options.label_regex, n_folds=options.n_folds, seed=options.data_seed)
    if layout in ("esc50", "esc10"):
        _require(path, META, layout)
        return read_esc50(path, esc10=layout == "esc10")
    if layout == "urbansound8k":
        _require(path, US8K_META, layout)
        return read_urbansound8k(path)
    if layout == "gtzan":
        if gtzan_folder(path) is None:
            raise ParameterError(f"gtzan needs a folder with its genres, blues/blues.00000.wav, ...; {path} has none")
        return read_gtzan(path, split=options.data_split or GTZAN_SPLITS[0], seed=options.data_seed)
    if not any(entry.is_dir() and not entry.name.startswith(".") for entry in path.iterdir()):
        raise DataError(
            f"{path} holds no data set: neither {META} nor {US8K_META} with audio/, nor one sub-folder a class"
        )
    return read_folder(path, n_folds=options.n_folds, seed=options.data_seed)


def _layout_of(path: Path, options: DataOptions) -> str:
    """Return the layout that is found; a folder of classes is what is left."""
    if path.suffix.lower() in TABLE_SUFFIXES and path.is_file():
        return "table"
    if options.label_regex is not None:
        return "named"
    if (path / META).exists():
        return "esc50"
    if (path / US8K_META).exists():
        return "urbansound8k"
    return "gtzan" if path.is_dir() and gtzan_folder(path) is not None else "folder"


def _require(path: Path, meta: str, layout: str) -> None:
    if not (path / meta).exists():
        raise ParameterError(f"{layout} needs a folder with {meta}; {path} has none")


def default_settings(dataset: Dataset, options: ImageOptions | None = None) -> ImageSettings:
    """Return image settings that suit a data set; what is given is kept.

    Parameters
    ----------
    dataset : Dataset
    options : ImageOptions, optional
        What is given. Of the rest, what `Dataset.usual` has is taken, but for the length and width where clips are
        parts of their files; then the commonest rate, the higher one of two equally common; the longest clip or part,
        at most 30 s; 50 columns a second.

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
    given, usual = options or ImageOptions(), dataset.usual
    if any(clip.start_s is not None or clip.end_s is not None for clip in dataset.clips):
        usual = dataclasses.replace(usual, clip_s=None, width=None)  # which are of whole files
    sr = usual.sr if given.sr is None else given.sr
    clip_s = usual.clip_s if given.clip_s is None else given.clip_s
    width = given.width
    if width is None and given.clip_s is None:  # the usual width is of the usual length
        width = usual.width
    if sr is None or clip_s is None:
        found = headers(dataset.root, [clip.path for clip in dataset.clips])
        if sr is None:
            sr = max(Counter(header.sr for header in found).items(), key=lambda item: (item[1], item[0]))[0]
        if clip_s is None:
            lengths = (_length_s(clip, header) for clip, header in zip(dataset.clips, found, strict=True))
            clip_s = min(max(lengths), CLIP_S_MAX)
    if width is None:
        width = max(1, round(COLUMNS_PER_S * clip_s)) if 0 < clip_s < float("inf") else 1
    more = {name: getattr(given, name) for name in ("short", "channel", "features")}
    try:
        return ImageSettings(sr=sr, clip_s=clip_s, width=width, **more)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc']))}={e['input']!r}: {e['msg'].lower()}" for e in error.errors())
        raise ParameterError("; ".join(problems)) from error


def _length_s(clip: Clip, header: AudioInfo) -> float:
    end_s = header.duration_s if clip.end_s is None else min(clip.end_s, header.duration_s)
    return round(end_s - (clip.start_s or 0.0), 6)  # a window from 2.4 to 3.6 s is 1.2 s long
