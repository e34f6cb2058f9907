"""The image of each clip, computed once per (file content, settings) and kept on disk.

An entry's key knows nothing of labels and folds, so every run on the same recordings reads the same file. It is
kept by `tlprobe.data.arrays`.
"""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tlprobe.audio.image import ImageMaker
from tlprobe.audio.settings import ImageSettings
from tlprobe.bars import progress_bar
from tlprobe.data.arrays import stored_array
from tlprobe.data.dataset import Dataset
from tlprobe.data.render import Item, Rendered, Target, image_of, render_all
from tlprobe.errors import DataError, ParameterError, list_errors
from tlprobe.files import cache_root

__all__ = ["SCHEMA", "Images", "images_of", "load_images", "load_rendered", "parts_of"]

_log = logging.getLogger(__name__)

SCHEMA = 5  # raise it when the same settings would give other images, or an entry another layout
_COUNTS = ("n_padded", "n_cropped", "n_silent", "n_cancelled")


@dataclass(frozen=True)
class Images:
    """The images of a data set, in the order of its clips.

    Parameters
    ----------
    array : np.ndarray [shape=(n, 3, n_mels, width), float32]
        Read-only, mapped from the cache file; see `tlprobe.audio.image`.
    key : str
        Of the entry: a hash of all that the images depend on.
    n_padded, n_cropped : int
        Clips that were shorter, or longer, than ``clip_s``; ``settings.short`` says what became of the former.
    n_silent : int
        Long clips whose cropped part holds nothing but zeros: constant images at the floor.
    n_cancelled : int
        Clips of which the mean of the channels lost more than a fifth of their energy. `load_images` logs this number
        and the one before, a run's record carries them.
    """

    array: npt.NDArray[np.float32]
    key: str
    n_padded: int
    n_cropped: int
    n_silent: int = 0
    n_cancelled: int = 0


def load_images(
    dataset: Dataset,
    settings: ImageSettings,
    *,
    jobs: int | None = None,
    cache: Path | None = None,
    progress: bool | None = None,
    check: bool = True,
) -> Images:
    """Return the images of all clips, from the cache where they are there already.

    Parameters
    ----------
    dataset : Dataset
    settings : ImageSettings
    jobs : int > 0
        Clips computed at a time. Default: the number of CPU cores.
    cache : Path
        Folder of the cache. Default: `tlprobe.files.cache_root`.
    progress : bool
        Show a progress bar. Default: only on a terminal.
    check : bool
        Hash what is in the cache before it is believed. Without, only its size is looked at: for those who
        want to know whether images are there, not for those who use them.

    Returns
    -------
    images : Images

    Raises
    ------
    DataError
        If recordings cannot be used; all of them are counted, the first five named.
    ParameterError
        If the settings are impossible.
    ResourceError
        If the disk is full or the cache folder cannot be used.
    """
    facts: dict[str, Any] = {"settings": settings.model_dump(), "files": dataset.file_hashes}
    if parts := parts_of(dataset):
        facts["parts"] = parts
    items = [
        Item(row, path, start_s=clip.start_s, end_s=clip.end_s)
        for row, (clip, path) in enumerate(zip(dataset.clips, dataset.paths, strict=True))
    ]
    found = load_rendered(items, settings, facts=facts, jobs=jobs, cache=cache, progress=progress, check=check)
    if found.n_silent:
        _log.warning(
            "%s: %d clips hold nothing but silence once cropped to %g s", dataset.name, found.n_silent, settings.clip_s
        )
    if found.n_cancelled:
        _log.warning(
            "%s: of %d clips the mean of the channels loses more than a fifth of their energy; see channel",
            dataset.name,
            found.n_cancelled,
        )
    return found


def load_rendered(
    items: Sequence[Item],
    settings: ImageSettings,
    *,
    facts: dict[str, Any],
    jobs: int | None,
    cache: Path | None,
    progress: bool | None,
    check: bool = True,
) -> Images:
    """Return the images of some items, from the cache where they are there already.

    Parameters
    ----------
    items : sequence of Item
        Rows 0, 1, ...
    settings : ImageSettings
    facts : dict
        All that the images depend on: the key of the cache.
    jobs, cache, progress, check
        As in `load_images`, and so are the errors.
    """
    if jobs is not None and jobs < 1:
        raise ParameterError(f"jobs={jobs} is too few; at least 1 is needed")
    key = hashlib.sha256(json.dumps({"schema": SCHEMA, **facts}, sort_keys=True).encode()).hexdigest()[:32]
    entry = (cache or cache_root()) / "images" / key
    shape = (len(items), 3, settings.n_mels, settings.width)

    def fill(file: Path, offset: int) -> dict[str, Any]:
        target = Target(file=file, offset=offset, settings=settings)
        return _render(items, target, jobs=jobs or os.cpu_count() or 1, progress=progress)

    array, about = stored_array(entry, shape, what="images", fill=fill, hashed=check)
    return Images(array=array, key=key, **{name: int(about[name]) for name in _COUNTS})


def parts_of(dataset: Dataset) -> list[tuple[float | None, float | None]]:
    """Return the part of its file that each clip is; empty where all clips are whole files."""
    parts = [(clip.start_s, clip.end_s) for clip in dataset.clips]
    return parts if any(part != (None, None) for part in parts) else []


def images_of(paths: Sequence[Path], settings: ImageSettings) -> npt.NDArray[np.float32]:
    """Return the images of loose recordings, computed now and not cached.

    Returns
    -------
    images : np.ndarray [shape=(n, 3, n_mels, width), float32]
        Equal, bit for bit, to what `load_images` caches for the same files.

    Raises
    ------
    DataError
        If recordings cannot be used; all of them are counted, the first five named.
    """
    image_maker = ImageMaker(settings)
    images, errors = [], []
    for path in paths:
        try:
            images.append(image_of(path, image_maker)[0])
        except DataError as error:
            errors.append(str(error))
    if errors:
        raise DataError(list_errors(errors))
    return np.stack(images) if images else np.zeros((0, 3, settings.n_mels, settings.width), np.float32)


def _render(items: Sequence[Item], target: Target, *, jobs: int, progress: bool | None) -> dict[str, Any]:
    found: list[Rendered] = []
    with contextlib.closing(render_all(items, target, jobs=jobs)) as rendering:  # ends the workers, come what may
        found.extend(progress_bar(rendering, show=progress, total=len(items), desc="images", unit="clip"))
    errors = [rendered.error for rendered in found if rendered.error is not None]
    if errors:
        raise DataError(list_errors(errors))
    fits = [rendered.fit for rendered in found]
    return {
        "schema": SCHEMA,
        "settings": target.settings.model_dump(),
        "n_clips": len(fits),
        "n_padded": fits.count("padded"),
        "n_cropped": fits.count("cropped"),
        "n_silent": sum(rendered.silent for rendered in found),
        "n_cancelled": sum(rendered.cancelled for rendered in found),
        "padded": [i for i, fit in enumerate(fits) if fit == "padded"],
        "cropped": [i for i, fit in enumerate(fits) if fit == "cropped"],
        "silent": [i for i, rendered in enumerate(found) if rendered.silent],
        "cancelled": [i for i, rendered in enumerate(found) if rendered.cancelled],
    }
