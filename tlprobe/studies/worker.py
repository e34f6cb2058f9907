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
from pathlib import Path

import torch

from tlprobe.errors import StoppedError, TlprobeError
from tlprobe.studies.execute import Executor
from tlprobe.studies.plan import plan_study
from tlprobe.studies.study_file import Study


def main() -> int:
    """Serve standard input."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.WARNING, format=f"worker {os.getpid()}: %(message)s")
    setup = json.loads(sys.stdin.readline())
    torch.set_num_threads(int(setup["n_threads"]))

    def answer(**said: str) -> None:
        answers.write(json.dumps(said) + "\n")
        answers.flush()

    try:
        plan = plan_study(Study.model_validate(setup["study"]))
        executor = Executor(plan, trials=Path(setup["trials"]), device=setup["device"], progress=False)
    except TlprobeError as error:
        answer(error=str(error))
        return error.exit_code
    answer()
    trials = {trial.name: trial for trial in plan.trials}
    asked: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    busy = threading.Event()
    threading.Thread(target=_listen, args=(asked, busy), daemon=True).start()
    while (line := asked.get()) is not None:
        try:
            executor.run(trials[json.loads(line)["trial"]])
        except StoppedError as error:
            return error.exit_code
        except TlprobeError as error:
            said = {"error": str(error)}
        else:
            said = {}
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
