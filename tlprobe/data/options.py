"""What can be said of a data set beside its place: which layout it has, which split, how its table is read."""

import dataclasses
from typing import Any, Literal

from tlprobe.errors import ParameterError

__all__ = ["COLUMNS", "DATASETS", "DataOptions"]

DATASETS = ("esc50", "esc10", "urbansound8k", "gtzan", "folder", "table", "named")
"""Layouts. ``esc10`` is a part of ESC-50; ``table`` is a file; ``named`` takes labels from file names."""

COLUMNS = ("path_column", "label_column", "fold_column", "group_column", "start_column", "end_column")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataOptions:
    """How a data set is read.

    Parameters
    ----------
    dataset : str, one of `DATASETS`, or None
        Its layout; None: the one that is found.
    data_split : str or None
        Of a data set with several, see `tlprobe.data.gtzan.GTZAN_SPLITS`; None: its first.
    data_seed : int >= 0
        Of folds that the data set does not prescribe, and of the built-in clips.
    n_folds : int >= 2
        How many such folds are dealt.
    path_column, label_column, fold_column, group_column, start_column, end_column : str or None
        Of a table: what its columns are called.
    label_regex : str or None
        Of file names: a pattern with the named group ``label``, and maybe ``group`` and ``fold``.
    window_s : float > 0, in seconds, or None
        Cut each recording into windows of this length, after the split.
    allow_leaks : bool
        Go on although sources are on both sides of a split that nobody prescribes.
    on_error : {"fail", "skip"}
        What becomes of recordings that cannot be used.

    Raises
    ------
    ParameterError
        If a value is impossible, or does not go with another.
    """

    dataset: str | None = None
    data_split: str | None = None
    data_seed: int = 0
    n_folds: int = 5
    path_column: str | None = None
    label_column: str | None = None
    fold_column: str | None = None
    group_column: str | None = None
    start_column: str | None = None
    end_column: str | None = None
    label_regex: str | None = None
    window_s: float | None = None
    allow_leaks: bool = False
    on_error: Literal["fail", "skip"] = "fail"

    def __post_init__(self) -> None:
        if self.dataset is not None and self.dataset not in DATASETS:
            raise ParameterError(f"dataset={self.dataset!r} is no layout of data; choose from {', '.join(DATASETS)}")
        if self.on_error not in ("fail", "skip"):
            raise ParameterError(f"on_error={self.on_error!r}; choose from fail, skip")
        if self.n_folds < 2:
            raise ParameterError(f"n_folds={self.n_folds} is too few; at least 2 are needed")
        if self.data_seed < 0:
            raise ParameterError(f"data_seed={self.data_seed}: must be 0 or more")
        if self.window_s is not None and not 0 < self.window_s < float("inf"):
            raise ParameterError(f"window_s={self.window_s} is no length; more than 0 s is needed")
        if self.label_regex is not None and self.dataset not in (None, "named"):
            raise ParameterError(f"label_regex is of dataset named alone, and this is {self.dataset}")
        given = [name for name in COLUMNS if getattr(self, name) is not None]
        if given and self.dataset not in (None, "table"):
            raise ParameterError(f"{', '.join(given)}: of dataset table alone, and this is {self.dataset}")

    @classmethod
    def of(cls, options: "DataOptions") -> "DataOptions":
        """Return what an object with more options says of the data."""
        return cls(**{field.name: getattr(options, field.name) for field in dataclasses.fields(cls)})

    def given(self) -> dict[str, Any]:
        """Return the values that are not the default."""
        defaults = DataOptions()
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if value != getattr(defaults, name)}

    @property
    def has_columns(self) -> bool:
        """Whether columns of a table are named."""
        return any(getattr(self, name) is not None for name in COLUMNS)
