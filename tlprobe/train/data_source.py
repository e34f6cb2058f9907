"""Where a run's clips were, and what they were."""

import dataclasses
from pathlib import Path

from tlprobe.data.dataset import Dataset, DatasetDescription
from tlprobe.data.open import open_dataset
from tlprobe.data.options import DataOptions
from tlprobe.errors import DataError

__all__ = ["DataSource"]


@dataclasses.dataclass(frozen=True)
class DataSource:
    """Where a run's clips were, and what they were.

    Parameters
    ----------
    path : str or None
        The data set's folder on the machine that trained; None for the built-in clips.
    options : DataOptions
        How it was read.
    name, n_clips, hash, split, n_folds, n_skipped
        See `Dataset.describe`.
    """

    path: str | None
    options: DataOptions
    name: str
    n_clips: int
    hash: str
    split: str
    n_folds: int
    n_skipped: int

    def describe(self) -> DatasetDescription:
        """Return what `Dataset.describe` returned when the run was made."""
        return {
            "name": self.name,
            "n_clips": self.n_clips,
            "hash": self.hash,
            "split": self.split,
            "n_folds": self.n_folds,
            "n_skipped": self.n_skipped,
        }

    @property
    def options_now(self) -> DataOptions:
        """How it is read again: as before, but who only reads writes no file of folds where it is gone."""
        folds_file = self.options.folds_file
        if folds_file is None or Path(folds_file).exists():
            return self.options
        return dataclasses.replace(self.options, folds_file=None)

    def open(self, path: Path | None = None, *, channel: int | None = None) -> Dataset:
        """Open the data set again, from `path` where it has moved, with its recordings' `channel`.

        Raises
        ------
        DataError
            If it is gone, or holds other clips than the run was trained on.
        """
        where = path if path is not None else (Path(self.path) if self.path is not None else None)
        if where is not None and not where.exists():
            raise DataError(f"the run's data set {self.name} is not at {where} any more; say where with --data")
        dataset = open_dataset(where, self.options_now, channel=channel)
        if dataset.content_hash != self.hash:
            raise DataError(
                f"{where or dataset.name} holds other clips than the run was trained on "
                f"(content hash {dataset.content_hash[:12]}, the run has {self.hash[:12]} with {self.n_clips} clips)"
            )
        return dataset
