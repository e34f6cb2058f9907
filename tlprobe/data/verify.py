"""Is every recording of a data set whole and what it claims to be? Each is decoded to its end.

That happens in child processes: a file on which the decoder crashes or hangs is a bad file, not a dead program.
"""

import dataclasses
import os
import queue
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from tlprobe.audio.condition import Condition
from tlprobe.audio.load import AudioInfo
from tlprobe.bars import progress_bar
from tlprobe.data.line_process import LineProcess
from tlprobe.errors import ParameterError

__all__ = ["TIMEOUT_S", "Verdict", "verify"]

TIMEOUT_S = 300.0
"""Seconds that one file may take; an hour of compressed sound takes a few."""

_WORKER = "tlprobe.data.verify_worker"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What came of one file.

    Parameters
    ----------
    path : Path
    condition : Condition or None
        None where it cannot be used.
    error : str or None
        Why it cannot be used.
    """

    path: Path
    condition: Condition | None
    error: str | None


def verify(
    paths: Sequence[Path],
    *,
    jobs: int | None = None,
    timeout_s: float = TIMEOUT_S,
    progress: bool | None = None,
) -> list[Verdict]:
    """Decode recordings to their end and return what is to be said of each.

    Parameters
    ----------
    paths : sequence of Path
        One that comes several times is decoded once.
    jobs : int > 0, optional
        Child processes at a time. Default: the number of CPU cores.
    timeout_s : float > 0, in seconds
        A file that takes longer is bad.
    progress : bool or None
        None shows a bar on a terminal and in a notebook only.

    Returns
    -------
    verdicts : list of Verdict
        One a distinct path, in order.

    Raises
    ------
    ParameterError
        If `jobs` or `timeout_s` is impossible.
    """
    jobs = os.cpu_count() or 1 if jobs is None else jobs
    if jobs < 1:
        raise ParameterError(f"jobs={jobs} is too few; at least 1 is needed")
    if not timeout_s > 0:
        raise ParameterError(f"timeout_s={timeout_s} is no time; more than 0 is needed")
    distinct = list(dict.fromkeys(paths))
    verdicts = _verdicts(distinct, jobs, timeout_s)
    found = dict(progress_bar(verdicts, show=progress, desc="verify", total=len(distinct), unit="file"))
    return [found[number] for number in range(len(distinct))]


def _verdicts(paths: Sequence[Path], jobs: int, timeout_s: float) -> Iterator[tuple[int, Verdict]]:
    """Yield each file's number and verdict as they come."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(paths)):
        waiting.put(number)
    answers: queue.SimpleQueue[tuple[int, Verdict] | BaseException] = queue.SimpleQueue()
    stopping = threading.Event()
    workers = [_Worker(timeout_s) for _ in range(min(jobs, len(paths)))]

    def serve(worker: _Worker) -> None:
        try:
            while not stopping.is_set():
                number = waiting.get_nowait()
                answers.put((number, worker.ask(paths[number])))
        except queue.Empty:
            pass
        except BaseException as error:  # handed on to the thread that waits
            answers.put(error)

    threads = [threading.Thread(target=serve, args=(worker,)) for worker in workers]
    try:
        for thread in threads:
            thread.start()
        for _ in paths:
            answer = answers.get()
            if isinstance(answer, BaseException):
                raise answer
            yield answer
    finally:
        stopping.set()
        for worker in workers:
            worker.kill()
        for thread in threads:
            thread.join()
        for worker in workers:
            worker.close()


class _Worker:
    """A child process, started when it is needed and replaced when it dies."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._process: LineProcess | None = None

    def ask(self, path: Path) -> Verdict:
        process = self._process = self._process or LineProcess(_WORKER)
        process.say({"path": os.fspath(path)})
        try:
            answer = process.answer(timeout_s=self._timeout_s)
        except TimeoutError:
            self.close()
            return Verdict(path, None, f"{path} is not decoded after {self._timeout_s:g} s")
        if answer is None:
            code = process.code()
            self.close()
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return Verdict(path, None, f"{path} ends the decoder with {how}")
        if "error" in answer:
            return Verdict(path, None, str(answer["error"]))
        stored = dict(answer["condition"])
        return Verdict(path, Condition(**{**stored, "header": AudioInfo(**stored["header"])}), None)

    def kill(self) -> None:
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()
