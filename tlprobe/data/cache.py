"""The image of each clip, computed once per (file content, settings) and kept on disk.

One entry is a folder ``images/<key>`` with ``images.npy`` and, written last, ``images.json``. The key
knows nothing of labels and folds, so every run on the same recordings reads the same file. The array is
written with ordinary writes and then renamed: a memory map written to a full disk would kill the process.
"""

import hashlib
import json
import logging
import os
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from tlprobe.audio.load import load
from tlprobe.audio.logmel import Fit, ImageSettings, LogMel, fit_length
from tlprobe.data.dataset import Dataset, list_errors
from tlprobe.data.locks import wait_for_folder
from tlprobe.errors import DataError, ParameterError, ResourceError
from tlprobe.files import cache_root, write_atomic

__all__ = ["SCHEMA", "Images", "images_of", "load_images"]

_log = logging.getLogger(__name__)

SCHEMA = 1  # raise it when the same settings would give other images
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
    if jobs is not None and jobs < 1:
        raise ParameterError(f"jobs={jobs} is too few; at least 1 is needed")
    entry = (cache or cache_root()) / "images" / _key(dataset, settings)
    shape = (len(dataset.clips), 3, settings.n_mels, settings.width)
    found = _read(entry, shape)
    if found is None:
        with wait_for_folder(entry):  # another process may be computing the same images: then take its result
            found = _read(entry, shape)
            if found is None:
                try:
                    _build(entry, dataset.paths, settings, shape, jobs=jobs or os.cpu_count() or 1, progress=progress)
                except OSError as error:
                    raise ResourceError(f"cannot write the image cache {entry}: {error.strerror or error}") from error
                found = _read(entry, shape)
    if found is None:
        raise ResourceError(f"the image cache {entry} was written but cannot be read back")
    if found.n_silent:
        _log.warning(
            "%s: %d clips hold nothing but silence once cropped to %g s", dataset.name, found.n_silent, settings.clip_s
        )
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
    results = [_compute(path, log_mel) for path in paths]
    errors = [result for result in results if isinstance(result, str)]
    if errors:
        raise DataError(list_errors(errors))
    images = [result.image for result in results if not isinstance(result, str)]
    return np.stack(images) if images else np.zeros((0, 3, settings.n_mels, settings.width), np.float32)


@dataclass(frozen=True)
class _Computed:
    image: npt.NDArray[np.float32]  # (3, n_mels, width)
    fit: Fit
    silent: bool


def _compute(path: Path, log_mel: LogMel) -> _Computed | str:
    """Return one clip's image, or what is wrong with the file."""
    try:
        waveform = load(path, sr=log_mel.settings.sr)
    except DataError as error:
        return str(error)
    fitted, fit = fit_length(waveform, n_samples=log_mel.n_samples)
    # One clip at a time: in a batch, the last bits of an image would depend on its neighbours.
    image = log_mel(torch.from_numpy(fitted)[None])[0].numpy()
    return _Computed(image=image, fit=fit, silent=not fitted.any())


def _key(dataset: Dataset, settings: ImageSettings) -> str:
    facts = {"schema": SCHEMA, "settings": settings.model_dump(), "files": dataset.file_hashes}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _read(entry: Path, shape: tuple[int, ...]) -> Images | None:
    """Return the entry's images, or None if it is missing, damaged or cut short."""
    try:
        meta = json.loads((entry / _META).read_text(encoding="utf-8"))
        path = entry / _ARRAY
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        whole = path.stat().st_size == array.offset + array.nbytes  # a map over a short file would crash later
        if array.shape != shape or array.dtype != np.float32 or not array.flags.c_contiguous or not whole:
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
    paths: Sequence[Path],
    settings: ImageSettings,
    shape: tuple[int, ...],
    *,
    jobs: int,
    progress: bool | None,
) -> None:
    log_mel = LogMel(settings)
    for name in (_META, _ARRAY):  # a damaged entry: its mark goes first
        (entry / name).unlink(missing_ok=True)
    temporary = entry / f"{_ARRAY}.tmp"  # under the lock nobody else writes it; one left by a killed job is replaced
    n_bytes = 4 * int(np.prod(shape))
    free = shutil.disk_usage(entry).free
    if free < n_bytes:
        raise ResourceError(f"the image cache {entry} needs {n_bytes} bytes, {free} are free")
    fits: list[Fit] = []
    silent: list[bool] = []
    errors: list[str] = []
    try:
        with temporary.open("wb") as file:
            _write_header(file, shape)
            bar = tqdm(
                _compute_all(paths, log_mel, jobs=jobs),
                total=len(paths),
                desc="images",
                unit="clip",
                disable=None if progress is None else not progress,
            )
            for result in bar:
                if isinstance(result, str):
                    errors.append(result)
                    continue
                fits.append(result.fit)
                silent.append(result.silent)
                if not errors:  # else the file is thrown away: the rest is only looked at
                    file.write(np.ascontiguousarray(result.image, dtype="<f4").tobytes())
            file.flush()
            os.fsync(file.fileno())
        if errors:
            raise DataError(list_errors(errors))
        os.replace(temporary, entry / _ARRAY)
    finally:
        temporary.unlink(missing_ok=True)
    meta: dict[str, Any] = {
        "schema": SCHEMA,
        "settings": settings.model_dump(),
        "n_clips": len(fits),
        "n_padded": fits.count("padded"),
        "n_cropped": fits.count("cropped"),
        "n_silent": sum(silent),
        "padded": [i for i, fit in enumerate(fits) if fit == "padded"],
        "cropped": [i for i, fit in enumerate(fits) if fit == "cropped"],
        "silent": [i for i, is_silent in enumerate(silent) if is_silent],
    }
    write_atomic(entry / _META, json.dumps(meta) + "\n")


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})


def _compute_all(paths: Sequence[Path], log_mel: LogMel, *, jobs: int) -> Iterator[_Computed | str]:
    """Yield the result of each path, in order, with `jobs` threads at work a little ahead.

    Threads do, because decoding, resampling and FFTs all run without Python's lock. Each uses one core:
    PyTorch's thread count belongs to the thread that sets it, and is put back for those that come after.
    """
    n_threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,))
    pending: deque[Future[_Computed | str]] = deque()
    try:
        for path in paths:
            pending.append(pool.submit(_compute, path, log_mel))
            if len(pending) > 4 * jobs:  # no further ahead, or a slow disk would fill the memory
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(n_threads)
