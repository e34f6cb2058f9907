"""A worker process that is spoken to by lines of JSON, one answer a question.

No pickles, no import of the user's script; the worker ends when its input does, that is, when the process that
started it ends, however that ends.
"""

import json
import os
import select
import subprocess
import sys
from typing import Any

__all__ = ["LineProcess", "own_imports"]

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def own_imports() -> dict[str, str]:
    """Return the environment in which a worker imports what this process does, and no ``numpy.py`` beside the data."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONSAFEPATH": "1"}  # the latter from 3.11 on


class LineProcess:
    """Start ``python -m module`` with one thread, in a session of its own.

    Ctrl-C is for this process, which then ends the worker.

    Parameters
    ----------
    module : str
        Reads questions from standard input and writes answers to standard output, line by line.
    """

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **_ONE_THREAD, **own_imports()},
            start_new_session=True,
        )

    def say(self, message: dict[str, Any]) -> None:
        """Send a question."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it died: the answer that does not come says so

    def answer(self, *, timeout_s: float | None = None) -> dict[str, Any] | None:
        """Return the answer to the oldest open question; None from a process that has ended.

        Raises
        ------
        TimeoutError
            If it takes longer than `timeout_s`; only where one question is open at a time.
        """
        assert self._process.stdout is not None
        if timeout_s is not None and not select.select([self._process.stdout], [], [], timeout_s)[0]:
            raise TimeoutError(f"no answer in {timeout_s:g} s")
        line = self._process.stdout.readline()
        if not line:
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def code(self) -> int:
        """Wait for its end and return its exit code; a negative one is the signal that ended it."""
        return self._process.wait()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> None:
        """End it, close the pipes and wait."""
        self._process.kill()
        self._process.communicate()
