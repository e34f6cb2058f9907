"""The image of each clip, computed once per (file content, settings) and kept on disk.

One entry is a folder ``images/<key>`` with ``images.npy`` and, written last, ``images.json``. The key
knows nothing of labels and folds, so every run on the same recordings reads the same file. The array is
written with ordinary writes and then renamed: a memory map written to a full disk would kill the process.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from tlprobe.audio.logmel import ImageSettings, LogMel
from tlprobe.data.dataset import Dataset, list_errors
from tlprobe.data.locks import remove_left, wait_for_folder
from tlprobe.data.render import Item, Rendered, Target, image_of, render_all
from tlprobe.errors import DataError, ParameterError, ResourceError
from tlprobe.files import cache_root, sha256_file, write_atomic

__all__ = ["SCHEMA", "Images", "images_of", "load_images", "load_rendered"]

_log = logging.getLogger(__name__)

SCHEMA = 3  # raise it when the same settings would give other images
_ARRAY, _META = "images.npy", "images.json"


@dataclass(frozen=True)
class Images:
    """The images of a data set, in the order of its clips.

    Parameters
    ----------
    array : np.ndarray [shape=(n, 3, n_mels, width), float32]
        Read-only, mapped from the cache file; natural log of power.
    n_padded, n_cropped : int
        Clips that were shorter, or longer, than ``clip_s``.
    n_silent : int
        Long clips whose cropped part holds nothing but zeros: constant images at the floor. `load_images`
        logs their number, a run's record carries it.
    """

    array: npt.NDArray[np.float32]
    n_padded: int
    n_cropped: int
    n_silent: int = 0


def load_images(
    dataset: Dataset,
    settings: ImageSettings,
    *,
    jobs: int | None = None,
    cache: Path | None = None,
    progress: bool | None = None,
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
    facts = {"settings": settings.model_dump(), "files": dataset.file_hashes}
    items = [Item(row, path) for row, path in enumerate(dataset.paths)]
    found = load_rendered(items, settings, facts=facts, jobs=jobs, cache=cache, progress=progress)
    if found.n_silent:
        _log.warning(
            "%s: %d clips hold nothing but silence once cropped to %g s", dataset.name, found.n_silent, settings.clip_s
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
) -> Images:
    """Return the images of some items, from the cache where they are there already.

    Parameters
    ----------
    items : sequence of Item
        Rows 0, 1, ...
    settings : ImageSettings
    facts : dict
        All that the images depend on: the key of the cache.
    jobs, cache, progress
        As in `load_images`, and so are the errors.
    """
    if jobs is not None and jobs < 1:
        raise ParameterError(f"jobs={jobs} is too few; at least 1 is needed")
    key = hashlib.sha256(json.dumps({"schema": SCHEMA, **facts}, sort_keys=True).encode()).hexdigest()[:32]
    entry = (cache or cache_root()) / "images" / key
    shape = (len(items), 3, settings.n_mels, settings.width)
    found = _read(entry, shape)
    if found is None:
        remove_left(entry.parent)
        with wait_for_folder(entry):  # another process may be computing the same images: then take its result
            found = _read(entry, shape)
            if found is None:
                try:
                    _build(entry, items, settings, shape, jobs=jobs or os.cpu_count() or 1, progress=progress)
                except OSError as error:
                    raise ResourceError(f"cannot write the image cache {entry}: {error.strerror or error}") from error
                found = _read(entry, shape, hashed=False)  # the hash is of what was written a moment ago
    if found is None:
        raise ResourceError(f"the image cache {entry} was written but cannot be read back")
    return found


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
    log_mel = LogMel(settings)
    images, errors = [], []
    for path in paths:
        try:
            images.append(image_of(path, log_mel)[0])
        except DataError as error:
            errors.append(str(error))
    if errors:
        raise DataError(list_errors(errors))
    return np.stack(images) if images else np.zeros((0, 3, settings.n_mels, settings.width), np.float32)


def _read(entry: Path, shape: tuple[int, ...], *, hashed: bool = True) -> Images | None:
    """Return the entry's images, or None if it is missing, or not what was written.

    The whole file is hashed: ESC-50's 768 MB take half a second, less than to read them from a disk, and a
    flipped bit would change every result that rests on them, unseen.
    """
    path = entry / _ARRAY
    try:
        meta = json.loads((entry / _META).read_text(encoding="utf-8"))
        damaged = path.stat().st_size != meta["bytes"] or (hashed and sha256_file(path) != meta["sha256"])
        if damaged:
            _log.warning("%s is damaged; the images are computed again", path)
            return None
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.shape != shape or array.dtype != np.float32 or not array.flags.c_contiguous:
            return None
        return Images(
            array=array,
            n_padded=int(meta["n_padded"]),
            n_cropped=int(meta["n_cropped"]),
            n_silent=int(meta["n_silent"]),
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _build(
    entry: Path,
    items: Sequence[Item],
    settings: ImageSettings,
    shape: tuple[int, ...],
    *,
    jobs: int,
    progress: bool | None,
) -> None:
    for name in (_META, _ARRAY):  # a damaged entry: its mark goes first
        (entry / name).unlink(missing_ok=True)
    temporary = entry / f"{_ARRAY}.tmp"  # under the lock nobody else writes it
    n_bytes = 4 * int(np.prod(shape))
    free = shutil.disk_usage(entry).free
    if free < n_bytes:
        raise ResourceError(f"the image cache {entry} needs {n_bytes} bytes, {free} are free")
    found: list[Rendered] = []
    try:
        with temporary.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
            offset = file.tell()
        target = Target(file=temporary, offset=offset, settings=settings)
        with contextlib.closing(render_all(items, target, jobs=jobs)) as rendering:  # ends the workers, come what may
            bar = tqdm(
                rendering,
                total=len(items),
                desc="images",
                unit="clip",
                disable=None if progress is None else not progress,
            )
            found.extend(bar)
        errors = [rendered.error for rendered in found if rendered.error is not None]
        if errors:
            raise DataError(list_errors(errors))
        digest = sha256_file(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, entry / _ARRAY)
    finally:
        temporary.unlink(missing_ok=True)
    fits = [rendered.fit for rendered in found]
    meta: dict[str, Any] = {
        "schema": SCHEMA,
        "settings": settings.model_dump(),
        "bytes": offset + n_bytes,
        "sha256": digest,
        "n_clips": len(fits),
        "n_padded": fits.count("padded"),
        "n_cropped": fits.count("cropped"),
        "n_silent": sum(rendered.silent for rendered in found),
        "padded": [i for i, fit in enumerate(fits) if fit == "padded"],
        "cropped": [i for i, fit in enumerate(fits) if fit == "cropped"],
        "silent": [i for i, rendered in enumerate(found) if rendered.silent],
    }
    write_atomic(entry / _META, json.dumps(meta) + "\n")
