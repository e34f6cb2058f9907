"""The worker process of `tlprobe.studies.engine_local`: a study, then trial after trial, line by line.

Standard output carries the answers, so whatever else wants to print goes to standard error. Its input ends when
the process that started it does, however that ends: the trial in progress then saves its state, and so ends this
process, that the study may go on elsewhere.
"""

import json
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tlprobe.errors import StoppedError, TlprobeError
from tlprobe.studies.execute import Executor
from tlprobe.studies.plan import plan_study
from tlprobe.studies.study_file import Study

__all__ = ["Bench", "main"]


class Bench:
    """What a worker process keeps from trial to trial: a study's plan, images and starting weights.

    Parameters
    ----------
    setup : dict
        ``study``, as JSON; ``trials``, the folder where runs live; ``device``; ``n_threads``.

    Raises
    ------
    TlprobeError
        If the study cannot be planned here.
    """

    def __init__(self, setup: Mapping[str, Any]) -> None:
        torch.set_num_threads(int(setup["n_threads"]))
        plan = plan_study(Study.model_validate(setup["study"]))
        self._trials = {trial.name: trial for trial in plan.trials}
        self._executor = Executor(plan, trials=Path(setup["trials"]), device=setup["device"], progress=False)

    def run(self, name: str) -> dict[str, str]:
        """Train a trial and return the answer: empty, or ``error``.

        Raises
        ------
        StoppedError
            After a signal; the trial has saved its state.
        """
        if name not in self._trials:
            return {"error": "it is not among the trials that are planned here: another tlprobe, or other data?"}
        try:
            self._executor.run(self._trials[name])
        except StoppedError:
            raise
        except TlprobeError as error:
            return {"error": str(error)}
        return {}


def main() -> int:
    """Serve standard input."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.WARNING, format=f"worker {os.getpid()}: %(message)s")
    setup = json.loads(sys.stdin.readline())

    def answer(**said: str) -> None:
        answers.write(json.dumps(said) + "\n")
        answers.flush()

    try:
        bench = Bench(setup)
    except TlprobeError as error:
        answer(error=str(error))
        return error.exit_code
    answer()
    asked: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    busy = threading.Event()
    threading.Thread(target=_listen, args=(asked, busy), daemon=True).start()
    while (line := asked.get()) is not None:
        try:
            said = bench.run(json.loads(line)["trial"])
        except StoppedError as error:
            return error.exit_code
        busy.clear()
        answer(**said)
    return 0


def _listen(asked: "queue.SimpleQueue[str | None]", busy: threading.Event) -> None:
    """Hand on what is asked; at its end, in a thread that a training does not keep busy, stop the training."""
    for line in sys.stdin:
        busy.set()
        asked.put(line)
    asked.put(None)
    if busy.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
