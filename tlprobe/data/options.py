"""What can be said of a data set beside its place: how it is read, and how its clips are shown."""

import dataclasses
from typing import Any, Literal, TypeVar

from tlprobe.audio.settings import Features, Short
from tlprobe.errors import ParameterError

__all__ = ["COLUMNS", "DATASETS", "DataOptions", "ImageOptions", "narrowed"]

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
    folds_file : str or None
        A table of folds that count, see `tlprobe.data.kept_folds`; written where it is not there.
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
    folds_file: str | None = None
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

    def given(self) -> dict[str, Any]:
        """Return the values that are not the default."""
        defaults = DataOptions()
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if value != getattr(defaults, name)}

    @property
    def has_columns(self) -> bool:
        """Whether columns of a table are named."""
        return any(getattr(self, name) is not None for name in COLUMNS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """How clips are shown; what is left open is found out from the data (`tlprobe.data.open.default_settings`).

    Parameters
    ----------
    sr : int in [4000, 384000], in Hz, or None
        Sampling rate; None: the data set's usual one, else its commonest.
    clip_s : float in (0, 3600], in seconds, or None
        Clip length; None: the data set's usual one, else the longest clip, at most 30 s.
    width : int > 0, in columns, or None
        Image width; None: the data set's usual one, else 50 a second.
    short : {"silence", "repeat", "stretch"}
        What becomes of shorter clips, see `tlprobe.audio.settings.ImageSettings`.
    channel : int >= 1 or None
        Of recordings with several; None: their mean.
    features : {"log-mel3", "log-mel", "log-spec", "mfcc", "gammatone"}
        What an image shows, see `tlprobe.audio.image`.
    """

    sr: int | None = None
    clip_s: float | None = None
    width: int | None = None
    short: Short = "silence"
    channel: int | None = None
    features: Features = "log-mel3"


_Options = TypeVar("_Options", DataOptions, ImageOptions)


def narrowed(options: _Options, to: type[_Options]) -> _Options:
    """Return what an object with more options says of the data, or of the images.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True, kw_only=True)
    ... class Both(DataOptions, ImageOptions):
    ...     pass
    >>> narrowed(Both(n_folds=3, sr=8000), ImageOptions)
    ImageOptions(sr=8000, clip_s=None, width=None, short='silence', channel=None, features='log-mel3')
    """
    return to(**{field.name: getattr(options, field.name) for field in dataclasses.fields(to)})
