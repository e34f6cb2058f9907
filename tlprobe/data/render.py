"""From recordings to images in a file, by some workers at a time.

A worker decodes, varies, transforms and writes one clip's image at its place in the file; only a word about
it comes back. Few clips are rendered by threads of this process, many by processes: Python lets threads wait
for each other, which 16 cores feel, but a process takes most of a second to start. One of the workers is this
process itself, which has nothing to start. Processes are spoken to by lines of JSON: no pickles, no import of
the user's script, and they end when this process does.
"""

import dataclasses
import math
import os
import threading
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tlprobe.audio.condition import CANCELLED_FROM, cancelled_share
from tlprobe.audio.image import ImageMaker
from tlprobe.audio.length import Fit, fit_length
from tlprobe.audio.load import decode, to_mono, to_rate
from tlprobe.audio.settings import ImageSettings
from tlprobe.audio.vary import VOCODER_SAMPLES, Variation, vary
from tlprobe.data.line_process import LineProcess
from tlprobe.errors import DataError, ResourceError

__all__ = ["PROCESSES_FROM", "Item", "Rendered", "Target", "image_of", "render_all", "write_image"]

PROCESSES_FROM = 200
"""Clips from which on processes pay for their start; a varied clip counts for 50, as long as it takes."""

_VARIED_COUNTS = 50
_AT_A_TIME = 8


@dataclasses.dataclass(frozen=True)
class Item:
    """One image to render.

    Parameters
    ----------
    row : int
        Its place in the file.
    path : Path
        The recording.
    variation : Variation or None
        What is done to the waveform.
    start_s, end_s : float or None
        The part of the recording, in seconds; None: from its beginning, to its end.
    """

    row: int
    path: Path
    variation: Variation | None = None
    start_s: float | None = None
    end_s: float | None = None


@dataclasses.dataclass(frozen=True)
class Target:
    """Where images go.

    Parameters
    ----------
    file : Path
        Exists already; float32 images lie in it one behind the other.
    offset : int
        Bytes before the first.
    settings : ImageSettings
        How each is computed.
    """

    file: Path
    offset: int
    settings: ImageSettings


@dataclasses.dataclass(frozen=True)
class Rendered:
    """What came of one recording.

    Parameters
    ----------
    fit : {"exact", "padded", "cropped"}
        What its length needed.
    silent : bool
        Whether what is left of it is nothing but zeros.
    cancelled : bool
        Whether the mean of its channels lost more than a fifth of their energy.
    error : str or None
        Why the recording cannot be used; then there is no image.
    """

    fit: Fit = "exact"
    silent: bool = False
    cancelled: bool = False
    error: str | None = None


def image_of(
    path: Path,
    image_maker: ImageMaker,
    variation: Variation | None = None,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
) -> tuple[npt.NDArray[np.float32], Rendered]:
    """Return the image ``(3, n_mels, width)`` of a recording, or of a part of it, and what its length needed.

    Raises
    ------
    DataError
        If the recording cannot be used.
    """
    settings = image_maker.settings
    samples, header = decode(path, start_s=start_s, end_s=end_s)
    waveform = to_mono(samples, channel=settings.channel, path=path)
    cancelled = settings.channel is None and cancelled_share(samples) > CANCELLED_FROM
    waveform = to_rate(waveform, sr_from=header.sr, sr_to=settings.sr)
    if variation is not None:
        needed = math.ceil(image_maker.n_samples * variation.rate) + 4 * VOCODER_SAMPLES  # not the hour around it
        waveform = fit_length(waveform, n_samples=min(len(waveform), needed))[0]
        waveform = vary(waveform, variation, sr=settings.sr)
    fitted, fit = fit_length(waveform, n_samples=image_maker.n_samples, repeat=settings.short == "repeat")
    rendered = Rendered(fit=fit, silent=not fitted.any(), cancelled=cancelled)
    if fit == "padded" and settings.short == "stretch":
        return image_maker.stretched(waveform), rendered
    return image_maker(fitted), rendered


def write_image(item: Item, image_maker: ImageMaker, *, handle: int, offset: int) -> Rendered:
    """Render an item into an open file; an unusable recording is reported, a full disk is an OSError."""
    try:
        image, rendered = image_of(item.path, image_maker, item.variation, start_s=item.start_s, end_s=item.end_s)
    except DataError as error:
        return Rendered(error=str(error))
    data = np.ascontiguousarray(image, dtype="<f4").tobytes()
    at = offset + item.row * len(data)
    while data:
        written = os.pwrite(handle, data, at)
        data, at = data[written:], at + written
    return rendered


def render_all(items: Sequence[Item], target: Target, *, jobs: int) -> Generator[Rendered]:
    """Render items, `jobs` at a time, and yield what came of each, in order.

    Raises
    ------
    ResourceError
        If a worker process dies.
    OSError
        If the file cannot be written.
    """
    weight = sum(_VARIED_COUNTS if item.variation is not None else 1 for item in items)
    workers = _Workers(target, as_processes=jobs > 1 and weight >= PROCESSES_FROM)
    pool = ThreadPoolExecutor(jobs)
    pending: deque[Future[list[Rendered]]] = deque()
    # Several items at a time: a process has the next one before its thread has been told of the last.
    size = min(_AT_A_TIME, -(-len(items) // (4 * jobs)))
    try:
        for start in range(0, len(items), max(1, size)):
            pending.append(pool.submit(workers.render, items[start : start + size]))
            if len(pending) > 2 * jobs:  # no further ahead: an error should end the work soon
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # nothing is begun any more
        workers.kill()  # threads that wait for an answer get none
        pool.shutdown()
        workers.close()  # a thread may have started one meanwhile


class _Workers:
    """One worker a thread, made when the thread has its first item; the first thread is a worker itself."""

    def __init__(self, target: Target, *, as_processes: bool) -> None:
        self._target, self._as_processes = target, as_processes
        self._mine = threading.local()
        self._processes: list[_Process] = []
        self._free = threading.Semaphore()  # for one thread of this process
        self._image_maker = ImageMaker(target.settings)
        self._handle = os.open(target.file, os.O_WRONLY)

    def render(self, items: Sequence[Item]) -> list[Rendered]:
        if not hasattr(self._mine, "process"):
            here = not self._as_processes or self._free.acquire(blocking=False)
            self._mine.process = None if here else _Process(self._target)
            if not here:
                self._processes.append(self._mine.process)
        process: _Process | None = self._mine.process
        if process is None:
            return [
                write_image(item, self._image_maker, handle=self._handle, offset=self._target.offset) for item in items
            ]
        return process.render(items)

    def kill(self) -> None:
        for process in self._processes:
            process.kill()

    def close(self) -> None:
        for process in self._processes:
            process.close()
        os.close(self._handle)


class _Process:
    """A worker process, `tlprobe.data.render_worker`."""

    def __init__(self, target: Target) -> None:
        self._process = LineProcess("tlprobe.data.render_worker")
        self._process.say(
            {"file": str(target.file), "offset": target.offset, "settings": target.settings.model_dump(mode="json")}
        )

    def render(self, items: Sequence[Item]) -> list[Rendered]:
        for item in items:
            variation = None if item.variation is None else dataclasses.asdict(item.variation)
            part = {"start_s": item.start_s, "end_s": item.end_s}
            self._process.say({"row": item.row, "path": os.fspath(item.path), "variation": variation, **part})
        return [self._answer(item) for item in items]

    def _answer(self, item: Item) -> Rendered:
        answer = self._process.answer()
        if answer is None:
            raise ResourceError(
                f"a worker process ended with code {self._process.code()} at {item.path} (out of memory?); "
                "try fewer --jobs"
            )
        if "os_error" in answer:
            raise OSError(*answer["os_error"])
        return Rendered(**answer)

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self._process.close()
