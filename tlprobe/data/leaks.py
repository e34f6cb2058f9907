"""Is a network scored on what it was trained on? Sounds that lie on both sides of a split.

Three kinds of leak, each told once for all the clips that share a sound:

- source: clips of one group (recording, artist, speaker) lie in several folds;
- identical: so do clips with equal samples, whatever file format holds them;
- near: so do near copies, see `tlprobe.data.fingerprint`.

Clips that are alike within one group are a leak by their source already, and not told again. Silent and constant
clips are no copies of each other. Without fingerprints only the sources are checked, and no file is read.
"""

import logging
import reprlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tlprobe.data.dataset import Dataset
from tlprobe.data.fingerprint import Fingerprints
from tlprobe.data.near_copies import Index, codes_of, near_copies, several, together
from tlprobe.errors import DataError, ParameterError

__all__ = ["Kind", "Leak", "check_leaks", "find_leaks", "leaked_clips"]

_log = logging.getLogger(__name__)

Kind = Literal["source", "identical", "near"]

_N_NAMED = 3


_named = reprlib.Repr()  # for names of any length
_named.maxstring = _named.maxother = 80


@dataclass(frozen=True)
class Leak:
    """A sound that lies in several folds.

    Parameters
    ----------
    kind : {"source", "identical", "near"}
    clips : tuple of int
        All clips of the data set that hold it, rising.
    folds : tuple of int
        Their folds, rising, at least two.
    """

    kind: Kind
    clips: tuple[int, ...]
    folds: tuple[int, ...]


def find_leaks(dataset: Dataset, *, fingerprints: Fingerprints | None = None) -> tuple[Leak, ...]:
    """Return the sounds that lie in several folds: sources first, then identical clips, then near copies.

    Parameters
    ----------
    dataset : Dataset
    fingerprints : Fingerprints
        Of the same clips, see `tlprobe.data.fingerprint.fingerprints`. Default: only sources are checked.

    Raises
    ------
    DataError
        If a recording that has to be heard again cannot be read.
    ParameterError
        If the fingerprints are of another number of clips.
    """
    folds = np.array([clip.fold for clip in dataset.clips], dtype=np.int64)
    groups = codes_of([clip.group for clip in dataset.clips])
    leaks = [_leak("source", clips, folds) for clips in together(groups, apart=folds)]
    if fingerprints is None:
        return tuple(leaks)
    if len(fingerprints) != len(dataset.clips):
        raise ParameterError(f"{len(fingerprints)} fingerprints do not fit the {len(dataset.clips)} clips")
    heard = np.flatnonzero(fingerprints.hashes.any(axis=1))
    copies = [heard[same] for same in together(codes_of([fingerprints.hashes[i].tobytes() for i in heard]))]
    identical = (clips for clips in copies if several(folds[clips]) and several(groups[clips]))
    leaks += [_leak("identical", clips, folds) for clips in identical]
    near = near_copies(dataset, fingerprints, copies, folds=folds, groups=groups)
    return (*leaks, *(_leak("near", clips, folds) for clips in near))


def leaked_clips(dataset: Dataset, leaks: Sequence[Leak], fold: int) -> Index:
    """Return the clips held out in `fold` that share a sound with a clip trained on.

    Trained on are the clips of all other folds, but for the validation fold where there is one.

    Returns
    -------
    clips : np.ndarray [shape=(n_leaked,), int64]
        Rising.

    Raises
    ------
    ParameterError
        If there is no such fold.
    """
    found = (i for leak in _into(dataset, leaks, fold) for i in leak.clips if dataset.clips[i].fold == fold)
    return np.array(sorted(set(found)), dtype=np.int64)


def check_leaks(
    dataset: Dataset,
    fold: int,
    *,
    fingerprints: Fingerprints | None = None,
    leaks: Sequence[Leak] | None = None,
    allow: bool = False,
) -> int:
    """Return how many of the clips held out in `fold` leak: logged in one line, or refused.

    Parameters
    ----------
    dataset : Dataset
    fold : int
    fingerprints : Fingerprints
        As in `find_leaks`.
    leaks : sequence of Leak
        What `find_leaks` returned, so that several folds are checked by one search. Default: searched now.
    allow : bool
        Go on in spite of leaks between folds that nobody prescribed.

    Raises
    ------
    DataError
        If there are leaks, unless the folds are prescribed or it is allowed; and as `find_leaks`.
    ParameterError
        As `find_leaks` and `leaked_clips`.
    """
    here = _into(dataset, find_leaks(dataset, fingerprints=fingerprints) if leaks is None else leaks, fold)
    n_leaked = len(leaked_clips(dataset, here, fold))
    if not n_leaked:
        return 0
    n_held_out = sum(clip.fold == fold for clip in dataset.clips)
    count = f"{dataset.name}: {n_leaked} of the {n_held_out} clips held out in fold {fold} leak from the training part"
    if not (dataset.prescribed or allow):
        more = f"; and {len(here) - _N_NAMED} more" if len(here) > _N_NAMED else ""
        named = "; ".join(_describe(dataset, leak) for leak in here[:_N_NAMED])
        what = "put them into one fold (a column of groups, or --folds-file), remove copies, or pass --allow-leaks"
        raise DataError(f"{count}: {named}{more}; {what}")
    kinds = ", ".join(f"{n} {kind}" for kind, n in Counter(leak.kind for leak in here).items())
    _log.warning("%s (leaks by kind: %s)", count, kinds)
    return n_leaked


def _into(dataset: Dataset, leaks: Sequence[Leak], fold: int) -> list[Leak]:
    """Return the leaks from the training part into `fold`."""
    if fold not in dataset.folds:
        folds = ", ".join(map(str, dataset.folds))
        raise ParameterError(f"fold={fold!r} is no fold of {dataset.name}; choose from {folds}")
    apart = {fold, dataset.validation_fold}
    return [leak for leak in leaks if fold in leak.folds and set(leak.folds) - apart]


def _describe(dataset: Dataset, leak: Leak) -> str:
    """Return a leak in words, with a clip of each of its first folds."""
    first = {dataset.clips[i].fold: dataset.clips[i].path for i in reversed(leak.clips)}
    clips = ", ".join(f"{_named.repr(first[fold])} (fold {fold})" for fold in leak.folds[:2])
    source = _named.repr(dataset.clips[leak.clips[0]].group)
    what = {"source": f"one source {source}", "identical": "identical", "near": "near copies"}[leak.kind]
    return f"{what}, {len(leak.clips)} clips, such as {clips}"


def _leak(kind: Kind, clips: Index, folds: Index) -> Leak:
    return Leak(kind, tuple(clips.tolist()), tuple(np.unique(folds[clips]).tolist()))
