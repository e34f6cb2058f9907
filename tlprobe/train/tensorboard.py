"""Losses and accuracies for TensorBoard, where it is wanted; ``history.csv`` stays the record."""

from pathlib import Path
from typing import Any

from tlprobe.errors import ParameterError
from tlprobe.train.setting import EpochResult

__all__ = ["Board"]


class Board:
    """A TensorBoard log of one run.

    Parameters
    ----------
    folder : Path or None
        Where event files go; None writes nothing.
    epoch : int
        Finished epochs: what a killed process wrote beyond them is hidden.

    Raises
    ------
    ParameterError
        If TensorBoard is not installed.
    """

    def __init__(self, folder: Path | None, *, epoch: int) -> None:
        self._writer: Any = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ParameterError("--tensorboard needs TensorBoard: pip install 'tlprobe[track]'") from error
        self._writer = SummaryWriter(str(folder), purge_step=epoch + 1)

    def add(self, result: EpochResult) -> None:
        """Write one epoch."""
        if self._writer is None:
            return
        for part, name in (("loss", "train"), ("accuracy", "train"), ("loss", "held_out"), ("accuracy", "held_out")):
            self._writer.add_scalar(f"{part}/{name}", getattr(result, f"{name}_{part}"), result.epoch)
        self._writer.add_scalar("lr", result.lr, result.epoch)
        self._writer.flush()

    def close(self) -> None:
        """End the log."""
        if self._writer is not None:
            self._writer.close()
