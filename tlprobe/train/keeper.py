"""What a training leaves on the disk while it runs, and when.

After each epoch, every few minutes within one, and at the step after a signal: a resume state. Beside it,
for people, ``history.csv``, and the epochs that were asked for.
"""

import io
import logging
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tlprobe.errors import ResourceError, StoppedError
from tlprobe.files import write_atomic
from tlprobe.manifest import Entry, entry_of, write_manifest
from tlprobe.records import dump_json, table_csv
from tlprobe.train.held_out import packed
from tlprobe.train.kept import epoch_name
from tlprobe.train.loop import Trainer
from tlprobe.train.processes import Processes
from tlprobe.train.run import state_bytes
from tlprobe.train.setting import EpochResult
from tlprobe.train.states import Saved, save_state
from tlprobe.train.stopping import EXIT_CODE_OF, StopFlag

__all__ = ["SAVE_EVERY_S", "Keeper", "require_space"]

_log = logging.getLogger(__name__)

SAVE_EVERY_S = 300.0
"""Seconds of training that a kill may cost at most, beside the step in progress."""

_DUE = -1  # below all signals, so that among processes a signal wins
_STATE_COPIES = 4.0  # a state in copies of the network: itself, two moments of Adam, the best epoch
_STATES = 3.0  # on the disk at once: the last two, and the one being written
_OTHER_COPIES = 3.0  # init, weights, best


class Keeper:
    """Save a training's progress.

    Parameters
    ----------
    out : Path
        The run directory.
    trainer : Trainer
        What is saved.
    config : dict
        What ``config.json`` holds.
    keep : tuple of int
        Epochs whose state is kept in a file of its own.
    flag : StopFlag
        Set by a signal.
    processes : Processes
        Process 0 writes; all stop together.

    Attributes
    ----------
    history : list of EpochResult
        One a finished epoch.
    files : dict
        Manifest entries of what is in the run directory for good.
    best : bytes
        The best epoch's state as a safetensors file; empty before the first epoch is over.
    held_out : list of np.ndarray [shape=(n_held_out, n_classes), float16]
        Logits of each finished epoch, see `tlprobe.train.held_out`.
    """

    def __init__(
        self,
        out: Path,
        trainer: Trainer,
        *,
        config: dict[str, Any],
        keep: tuple[int, ...],
        flag: StopFlag,
        processes: Processes,
    ) -> None:
        self.out, self.trainer, self.config, self.keep = out, trainer, config, keep
        self.history: list[EpochResult] = []
        self.files: dict[str, Entry] = {}
        self.best = b""
        self.held_out: list[npt.NDArray[np.float16]] = []
        self._flag, self._processes = flag, processes
        self._writes = processes.rank == 0
        self._saved_at = time.monotonic()

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the highest held-out accuracy, the first of equals; None before the first is over."""
        if not self.history:
            return None
        return max(self.history, key=lambda result: result.held_out_accuracy).epoch

    def begin(self) -> None:
        """Write what a run has before its first step."""
        if self._writes:
            self.write({"init.safetensors": state_bytes(self.trainer.model.original_state())})
            self.write({"config.json": dump_json(self.config).encode()})

    def go_on(self, saved: Saved) -> None:
        """Take over where a state left off; the trainer has been restored to it."""
        self.history = [EpochResult(**row) for row in saved.history]
        self.files = dict(saved.files)
        self.held_out = list(np.load(io.BytesIO(saved.held_out), allow_pickle=False)) if saved.held_out else []
        self.best = saved.best or (state_bytes(self.trainer.model.original_state()) if saved.best_epoch else b"")
        if self._writes:
            self._write_history()

    def write(self, contents: dict[str, bytes]) -> None:
        """Write files of the run directory and list them in its manifest."""
        for name, data in contents.items():
            write_atomic(self.out / name, data, make_folder=(self.out / name).parent != self.out)
            self.files[name] = entry_of(data)
        write_manifest(self.out, self.files)

    def on_step(self) -> None:
        """Save if it is time, or if a signal came: then end as well.

        Raises
        ------
        StoppedError
            After a signal.
        """
        due = time.monotonic() - self._saved_at >= SAVE_EVERY_S
        wanted = self._processes.any(self._flag.signum or (_DUE if due else None))  # all save, or none
        if wanted is None:
            return
        self.save()
        if wanted != _DUE:
            self._stop(wanted)

    def end_epoch(self, result: EpochResult) -> None:
        """Note an epoch that is over, and save.

        Raises
        ------
        StoppedError
            After a signal.
        """
        self.history.append(result)
        self.held_out.append(packed(self.trainer.held_out_logits))
        if self._writes:
            if self.best_epoch == result.epoch:
                self.best = state_bytes(self.trainer.model.original_state())
            if result.epoch in self.keep:
                self.write({epoch_name(result.epoch): state_bytes(self.trainer.model.original_state())})
            self._write_history()
        self.save()
        signum = self._processes.any(self._flag.signum)
        if signum is not None:
            self._stop(signum)

    def save(self) -> None:
        """Save the state at this step."""
        state = self.trainer.state()  # on all processes: each looks at its own losses
        if self._writes:
            epoch, step, best_epoch = self.trainer.epoch, self.trainer.step, self.best_epoch
            apart = best_epoch is not None and (step, best_epoch) != (0, epoch)
            saved = Saved(
                epoch=epoch,
                step=step,
                config=self.config,
                files=self.files,
                history=[result.row() for result in self.history],
                trainer=state,
                best_epoch=best_epoch,
                best=self.best if apart else None,
                held_out=_stacked(self.held_out) if self.held_out else b"",
            )
            save_state(self.out, saved)
        self._processes.wait()
        self._saved_at = time.monotonic()

    def _stop(self, signum: int) -> None:
        epoch, step = self.trainer.epoch + 1, self.trainer.step
        raise StoppedError(
            f"stopped by {signal.Signals(signum).name} before step {step + 1} of epoch {epoch}; "
            f"the state is saved in {self.out}: the same command goes on from there (fit: with --resume)",
            exit_code=EXIT_CODE_OF[signum],
        )

    def _write_history(self) -> None:
        if self.history:
            text = table_csv([result.row() for result in self.history])
            write_atomic(self.out / "history.csv", text, make_folder=False)


def _stacked(logits: list[npt.NDArray[np.float16]]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.stack(logits), allow_pickle=False)
    return buffer.getvalue()


def require_space(out: Path, *, n_bytes: int, n_kept: int) -> None:
    """Refuse to begin a training whose states will not fit on the disk.

    Parameters
    ----------
    out : Path
        The run directory.
    n_bytes : int
        Of the network's state.
    n_kept : int
        Epochs that are kept.

    Raises
    ------
    ResourceError
        Names what is needed and what is free.
    """
    needed = int(n_bytes * (_STATES * _STATE_COPIES + _OTHER_COPIES + n_kept))
    free = shutil.disk_usage(out).free
    if free < needed:
        raise ResourceError(
            f"{out}: a training needs {needed / 1e6:.0f} MB on this disk for its states, {free / 1e6:.0f} MB are free"
        )
