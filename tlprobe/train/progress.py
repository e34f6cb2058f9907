"""What is seen while a network is trained: a bar on a terminal, one line an epoch in the log."""

import logging
import time
from typing import TYPE_CHECKING, Any

from tlprobe.bars import progress_bar
from tlprobe.train.loop import Trainer
from tlprobe.train.setting import EpochResult

if TYPE_CHECKING:
    from tqdm.auto import tqdm

__all__ = ["Progress", "duration"]

_log = logging.getLogger(__name__)

_EVERY_S = 0.5  # between looks at loss and accuracy: on a GPU each look makes it wait
_ESTIMATE_S = 10.0  # of training before its whole length is told


class Progress:
    """Show loss, accuracy, clips per second and the time left of a training.

    Parameters
    ----------
    trainer : Trainer
        What is shown.
    show : bool or None
        True and False switch the bar; None shows it on a terminal and in a notebook only. Lines go to the log anyway.
    """

    def __init__(self, trainer: Trainer, *, show: bool | None) -> None:
        self._trainer = trainer
        self._show = show
        self._bar: tqdm[Any] | None = None
        self._start = self._looked = time.perf_counter()
        self._first = trainer.epoch * trainer.n_steps + trainer.step  # steps done before this process
        self._told = False

    def begin_epoch(self) -> None:
        """Open the bar of the epoch that comes."""
        trainer = self._trainer
        self._bar = progress_bar(
            show=self._show,
            total=trainer.n_steps,
            initial=trainer.step,
            desc=f"epoch {trainer.epoch + 1}/{trainer.recipe.epochs}",
        )

    def step(self) -> None:
        """Count a step that is over."""
        now = time.perf_counter()
        if not self._told and now - self._start >= _ESTIMATE_S:
            self._told = True
            _log.info("about %s to go on %s", duration(self._left_s(now)), self._trainer.setting.device)
        if self._bar is None or self._bar.disable or now - self._looked < _EVERY_S:
            return
        self._looked = now
        loss, accuracy = self._trainer.so_far()
        self._bar.update(self._trainer.step - self._bar.n)
        self._bar.set_postfix_str(
            f"loss {loss:.3f}, accuracy {100 * accuracy:.1f} %, {self.clips_per_s(now):.1f} clips/s, "
            f"{duration(self._left_s(now))} left"
        )

    def end_epoch(self, result: EpochResult) -> None:
        """Close the bar and log the epoch."""
        self.close()
        trainer = self._trainer
        _log.info(
            "epoch %d/%d: loss %.3f, training accuracy %.1f %%, %s accuracy %.1f %%, %.1f clips/s, %s left",
            result.epoch,
            trainer.recipe.epochs,
            result.train_loss,
            100 * result.train_accuracy,
            *self._scored(result),
            self.clips_per_s(time.perf_counter()),
            duration(self._left_s(time.perf_counter())),
        )

    def _scored(self, result: EpochResult) -> tuple[str, float]:
        """Return the accuracy to be told: that of the inner fold where there is one, for choices are made there."""
        if result.inner_accuracy is not None:
            return "inner-fold", 100 * result.inner_accuracy
        return "held-out", 100 * result.held_out_accuracy

    def close(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()

    def clips_per_s(self, now: float) -> float:
        """Return training clips per second since this process began, scoring included."""
        trainer = self._trainer
        return self._done() / trainer.n_steps * len(trainer.split.train_index) / (now - self._start)

    def _done(self) -> int:
        return self._trainer.epoch * self._trainer.n_steps + self._trainer.step - self._first

    def _left_s(self, now: float) -> float:
        trainer = self._trainer
        left = trainer.recipe.epochs * trainer.n_steps - self._first - self._done()
        return (now - self._start) / max(1, self._done()) * left


def duration(seconds: float) -> str:
    """Return a duration for reading.

    Examples
    --------
    >>> duration(8.4), duration(200), duration(7300)
    ('8 s', '3 min 20 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
