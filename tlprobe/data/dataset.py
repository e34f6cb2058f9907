"""What a data set is: a table of clips with a label, a fold and a group, and the folder they lie in."""

import hashlib
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from tlprobe.data.facts import file_hashes
from tlprobe.data.options import ImageOptions
from tlprobe.errors import ParameterError

__all__ = ["Clip", "Dataset", "DatasetDescription", "inside", "n_spread_groups"]

_log = logging.getLogger(__name__)

_OPEN = ImageOptions()


class DatasetDescription(TypedDict):
    """How a record names a data set: nothing in it tells of the machine."""

    name: str
    n_clips: int
    hash: str
    split: str
    n_folds: int
    n_skipped: int


@dataclass(frozen=True)
class Clip:
    """One recording of a data set.

    Parameters
    ----------
    path : str
        Relative to the data set's root, with forward slashes.
    label : str
        Name of its class.
    fold : int > 0
        The cross-validation fold it is held out in.
    group : str
        Clips of one source (recording, artist, speaker) share it; a group belongs in one fold.
    start_s, end_s : float >= 0, in seconds, or None
        The part of the file that is the clip; None: from its beginning, to its end.
    """

    path: str
    label: str
    fold: int
    group: str
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True)
class Dataset:
    """A table of clips.

    Parameters
    ----------
    name : str
    root : Path
        Folder that the clips' paths start from.
    clips : tuple of Clip
    classes : tuple of str
        Class names, sorted; a clip's label index counts in it.
    note : str
        What a user should know about how the folder was read, such as files left out; or empty.
    split_name : str
        Where the folds come from, for records: ``"official"``, ``"stratified"``, ...
    prescribed : bool
        Whether data set or paper prescribe the folds; then they are used even where sources leak between them.
    dealt : bool
        Whether tlprobe dealt the folds, by a seed: then they depend on which clips there are.
    scored_folds : tuple of int or None
        Folds that may be held out; None: each of them. A single split has one, and the other clips are trained on.
    validation_fold : int or None
        A fold that is never trained on and on which choices are made, where the split has one.
    n_skipped : int
        Clips that were left out because their recordings cannot be used.
    usual : ImageOptions
        How the literature shows this data set; what it leaves open is found out from the recordings.
    """

    name: str
    root: Path
    clips: tuple[Clip, ...]
    classes: tuple[str, ...]
    note: str = ""
    split_name: str = "official"
    prescribed: bool = True
    dealt: bool = False
    scored_folds: tuple[int, ...] | None = None
    validation_fold: int | None = None
    n_skipped: int = 0
    usual: ImageOptions = _OPEN

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where each clip's file lies."""
        return tuple(self.root / clip.path for clip in self.clips)

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class index of each clip, (n_clips,)."""
        index = {name: i for i, name in enumerate(self.classes)}
        return np.array([index[clip.label] for clip in self.clips], dtype=np.int64)

    @cached_property
    def folds(self) -> tuple[int, ...]:
        """The folds that may be held out, rising."""
        return self.scored_folds or tuple(sorted({clip.fold for clip in self.clips}))

    def inner_fold(self, fold: int, *, wanted: bool) -> int | None:
        """Return the fold that is neither trained on nor scored, where choices are made for `fold`.

        Parameters
        ----------
        fold : int
            Held out.
        wanted : bool
            Whether one was asked for. A split that has a validation part keeps it out of training in any case.

        Returns
        -------
        inner_fold : int or None
            The validation part; else the fold after `fold`, the first after the last; None where not wanted.

        Raises
        ------
        ParameterError
            If there are fewer than three folds: then nothing would be left to train on.
        """
        if self.validation_fold is not None or not wanted:
            return self.validation_fold
        if len(self.folds) < 3:
            raise ParameterError(f"{self.name} has {len(self.folds)} folds; an inner fold needs at least 3")
        return self.folds[(self.folds.index(fold) + 1) % len(self.folds)]

    def split(self, fold: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the indices of the training clips and of the clips held out in `fold`.

        Classes that only occur in `fold` are logged: no network can learn them from the others.

        Returns
        -------
        train_index, held_out_index : np.ndarray [shape=(n,), int64]
            Rising; together they are all clips.

        Raises
        ------
        ParameterError
            If there is no such fold.
        """
        if fold not in self.folds:
            raise ParameterError(
                f"fold={fold!r} is no fold of {self.name}; choose from {', '.join(map(str, self.folds))}"
            )
        held_out = np.array([clip.fold == fold for clip in self.clips])
        unseen = sorted({self.classes[i] for i in set(self.labels[held_out]) - set(self.labels[~held_out])})
        if unseen:
            _log.warning("%s: no training clip for %s, which only fold %d has", self.name, ", ".join(unseen), fold)
        return np.flatnonzero(~held_out).astype(np.int64), np.flatnonzero(held_out).astype(np.int64)

    @cached_property
    def file_hashes(self) -> tuple[str, ...]:
        """SHA-256 of each clip's file, as it was at the first look.

        Equal files in different folds are logged: a network is scored on what it was trained on.

        Raises
        ------
        DataError
            If a file is missing or cannot be read.
        """
        hashes = file_hashes(self.root, [clip.path for clip in self.clips])
        folds_of: dict[str, set[int]] = {}
        for clip, file_hash in zip(self.clips, hashes, strict=True):
            folds_of.setdefault(file_hash, set()).add(clip.fold)
        if n_spread := sum(len(folds_of[file_hash]) > 1 for file_hash in hashes):
            _log.warning("%s: %d clips have the same content as a clip of another fold", self.name, n_spread)
        return hashes

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over path, label, fold, part and file content of all clips, in order."""
        digest = hashlib.sha256()
        for clip, file_hash in zip(self.clips, self.file_hashes, strict=True):
            part = "" if clip.start_s is clip.end_s is None else f"\0{clip.start_s}\0{clip.end_s}"
            digest.update(f"{clip.path}\0{clip.label}\0{clip.fold}\0{file_hash}{part}\n".encode())
        return digest.hexdigest()

    def describe(self) -> DatasetDescription:
        """Return what a record carries; ``n_folds`` are those that may be held out."""
        return {
            "name": self.name,
            "n_clips": len(self.clips),
            "hash": self.content_hash,
            "split": self.split_name,
            "n_folds": len(self.folds),
            "n_skipped": self.n_skipped,
        }


def n_spread_groups(clips: Iterable[Clip]) -> int:
    """Return how many groups have clips in more than one fold."""
    folds_of: dict[str, set[int]] = {}
    for clip in clips:
        folds_of.setdefault(clip.group, set()).add(clip.fold)
    return sum(len(folds) > 1 for folds in folds_of.values())


def inside(folder: Path, name: str) -> Path | None:
    """Return ``folder / name``, or None if that leads out of `folder`, through a link too."""
    try:
        path = folder / name
        resolved = path.resolve()
    except (ValueError, OSError, RuntimeError):  # a NUL in the name; a loop of links
        return None
    loops = os.path.islink(resolved)  # which Python 3.13 does not raise for; and a name too long is no link
    return path if resolved.is_relative_to(folder.resolve()) and not loops else None
