"""A training that is told to stop saves its state at the next step, and only then ends.

SIGINT (Ctrl-C), SIGTERM (a scheduler's stop) and SIGUSR1 (a scheduler's early warning) set a flag and
nothing else: saving inside a signal handler would run in the middle of whatever the signal interrupted.
A second signal ends the process at once, without saving; what was saved before stays good.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["EXIT_CODE_OF", "StopFlag", "watch_signals"]

EXIT_CODE_OF: dict[int, int] = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""Signal -> exit code, 128 + its number; SIGUSR1 counts as an early SIGTERM."""
if hasattr(signal, "SIGUSR1"):  # not on Windows
    EXIT_CODE_OF[signal.SIGUSR1] = 143


class StopFlag:
    """Whether a signal has come, and which.

    Attributes
    ----------
    signum : int or None
        The first signal that came.
    """

    def __init__(self) -> None:
        self.signum: int | None = None

    def on_signal(self, signum: int, frame: FrameType | None) -> None:
        """Note the first signal; end the process at the second."""
        if self.signum is not None:
            os.write(2, b"tlprobe: second signal; ended at once, the step in progress is lost\n")
            os._exit(EXIT_CODE_OF[signum])
        self.signum = signum


@contextlib.contextmanager
def watch_signals() -> Iterator[StopFlag]:
    """Turn stop signals into a flag, for the length of a ``with`` block.

    Signals that the process was told to ignore (``nohup``, a background job) stay ignored. Outside the main
    thread Python allows no handlers: the flag then stays unset.

    Examples
    --------
    >>> with watch_signals() as flag:
    ...     signal.raise_signal(signal.SIGTERM)
    ...     flag.signum == signal.SIGTERM
    True
    """
    flag = StopFlag()
    previous = {}
    if threading.current_thread() is threading.main_thread():
        previous = {number: signal.getsignal(number) for number in EXIT_CODE_OF}
        for number, handler in previous.items():
            if handler != signal.SIG_IGN:
                signal.signal(number, flag.on_signal)
    try:
        yield flag
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
