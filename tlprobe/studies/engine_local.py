"""The local engine: trials in this process, or in long-lived worker processes on this machine.

A worker loads data and weights once and runs trial after trial. When it dies, its trial is tried once more
by a new worker, from the last saved step, and then counts as failed; the others go on. When this process dies,
its workers save and end. Threads and GPUs are dealt out: each of ``jobs`` workers gets cores / jobs threads and
one GPU.
"""

import contextlib
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import torch

from tlprobe.data.line_process import own_imports
from tlprobe.errors import ResourceError, StoppedError, TlprobeError
from tlprobe.studies.execute import Executor, Report
from tlprobe.studies.plan import Plan, Planned
from tlprobe.train.stopping import EXIT_CODE_OF, watch_signals

__all__ = ["ATTEMPTS", "gpus_here", "run_here", "run_in_workers", "stopped_by", "threads_each"]

_log = logging.getLogger(__name__)

ATTEMPTS = 2
"""Of a trial whose worker dies: it may have been killed for another's memory."""


def run_here(
    plan: Plan, wanted: Sequence[Planned], *, trials: Path, device: str, report: Report, progress: bool | None
) -> None:
    """Run trials one after the other in this process.

    Parameters
    ----------
    plan : Plan
    wanted : sequence of Planned
        Those of its trials that are missing.
    trials : Path
        Where runs live.
    device : {"auto", "cpu", "cuda"}
    report : callable
        Told of each trial's end, in this thread.
    progress : bool or None
        None shows bars on a terminal and in a notebook only.

    Raises
    ------
    StoppedError
        After a signal; the trial in progress has saved its state.
    """
    executor = Executor(plan, trials=trials, device=device, progress=progress)
    for trial in wanted:
        try:
            executor.run(trial)
        except StoppedError:
            raise
        except TlprobeError as error:
            report(trial, str(error))
        else:
            report(trial, None)


def run_in_workers(
    plan: Plan, wanted: Sequence[Planned], *, trials: Path, device: str, report: Report, jobs: int
) -> None:
    """Run trials in `jobs` worker processes; parameters and errors else as in `run_here`."""
    if not wanted:
        return
    waiting: queue.SimpleQueue[Planned] = queue.SimpleQueue()
    for trial in wanted:
        waiting.put(trial)
    ended: queue.SimpleQueue[tuple[Planned, str | None] | None] = queue.SimpleQueue()
    stopping = threading.Event()
    setup: dict[str, object] = {
        "study": plan.study.model_dump(mode="json", exclude_unset=True),
        "trials": str(trials.resolve()),
        "device": device,
    }
    jobs = min(jobs, len(wanted))
    workers = [_Worker(setup, number=number, jobs=jobs) for number in range(jobs)]
    threads = [threading.Thread(target=_serve, args=(worker, waiting, ended, stopping)) for worker in workers]
    with watch_signals() as flag:
        for thread in threads:
            thread.start()
        left, n_told = len(threads), 0
        try:
            while left:
                with contextlib.suppress(queue.Empty):
                    item = ended.get(timeout=0.2)
                    left -= item is None
                    if item is not None:
                        n_told += 1
                        report(*item)
                if flag.signum is not None and not stopping.is_set():
                    stopping.set()
                    for worker in workers:
                        worker.stop()
        finally:
            stopping.set()
            for worker in workers:
                worker.stop()
            for thread in threads:
                thread.join()
        broken = [worker.broken for worker in workers if worker.broken is not None]
        if broken and n_told < len(wanted) and flag.signum is None:
            raise ResourceError(f"{len(broken)} of {jobs} worker processes did not start: {broken[0]}")
        if flag.signum is not None:
            raise stopped_by(flag.signum)


def stopped_by(signum: int) -> StoppedError:
    """Return the error that tells of a study that a signal has stopped."""
    name = signal.Signals(signum).name
    said = f"stopped by {name}; trials in progress are saved: the same command goes on from there"
    return StoppedError(said, exit_code=EXIT_CODE_OF[signum])


def threads_each(jobs: int) -> int:
    """Return how many threads each of `jobs` trials at a time gets on this machine."""
    return max(1, (os.cpu_count() or 1) // jobs)


def _serve(
    worker: "_Worker",
    waiting: "queue.SimpleQueue[Planned]",
    ended: "queue.SimpleQueue[tuple[Planned, str | None] | None]",
    stopping: threading.Event,
) -> None:
    """Give a worker trial after trial, in a thread of its own; None says that it is done."""
    try:
        while not stopping.is_set() and worker.start():
            try:
                trial = waiting.get_nowait()
            except queue.Empty:
                return
            reason: str | None = None
            for _ in range(ATTEMPTS):
                answer = worker.run(trial.name)
                if stopping.is_set():
                    return
                reason = answer.get("error", "")
                if "died" not in answer:
                    break
                _log.warning("%s: %s", trial.name, reason)
            ended.put((trial, reason or None))
    finally:
        worker.close()
        ended.put(None)


class _Worker:
    """A worker process, `tlprobe.studies.worker`.

    Attributes
    ----------
    broken : str or None
        Why it could not be started.
    """

    def __init__(self, setup: dict[str, object], *, number: int, jobs: int) -> None:
        self._setup = {**setup, "n_threads": threads_each(jobs)}
        self._environment = {**os.environ, **own_imports(), "OMP_NUM_THREADS": str(self._setup["n_threads"])}
        gpus = gpus_here()
        if gpus:
            self._environment["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._stopped = False
        self.broken: str | None = None

    def start(self) -> bool:
        """See to it that there is a process that is ready for a trial, and say whether there is."""
        with self._lock:
            if self._stopped:
                return False
            if self._process is not None:
                return True
            process = self._process = self._spawn()
        assert process.stdout is not None
        line = process.stdout.readline()  # once the study is planned and the libraries are loaded
        if line and "error" not in json.loads(line):
            return True
        code = process.wait()
        self.broken = json.loads(line)["error"] if line else f"ended with code {code} before its first trial"
        self.close()
        return False

    def run(self, name: str) -> dict[str, str]:
        """Return a worker's answer about a trial: empty, or ``error`` and, of a dead worker, ``died``."""
        if not self.start():
            return {"error": f"no worker process: {self.broken or 'stopped'}"}
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it died: the answer that does not come says so
            process.stdin.write(json.dumps({"trial": name}) + "\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if line:
            answer: dict[str, str] = json.loads(line)
            return answer
        code = process.wait()
        self.close()
        return {"error": f"its worker process ended with code {code} (out of memory?)", "died": "yes"}

    def stop(self) -> None:
        """Tell the process to save and end; no trial is begun any more."""
        with self._lock:
            self._stopped = True
            if self._process is not None and self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Wait for the process's end."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.communicate()  # closes its input, which ends it

    def _spawn(self) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "tlprobe.studies.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
            start_new_session=True,  # Ctrl-C is for this process, which then stops the worker
        )
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died at once: the answer that does not come says so
            process.stdin.write(json.dumps(self._setup) + "\n")
            process.stdin.flush()
        return process


def gpus_here() -> list[str]:
    """Return what ``CUDA_VISIBLE_DEVICES`` may name here."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    return [str(number) for number in range(torch.cuda.device_count())]
