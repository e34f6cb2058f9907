"""Is a network scored on what it was trained on? Sounds that lie on both sides of a split.

Three kinds of leak, each told once for all the clips that share a sound:

- source: clips of one group (recording, artist, speaker) lie in several folds;
- identical: so do clips with equal samples, whatever file format holds them;
- near: so do near copies, see `tlprobe.data.fingerprint`.

Clips that are alike within one group are a leak by their source already, and not told again. Silent and constant
clips are no copies of each other. Without fingerprints only the sources are checked, and no file is read.
"""

import functools
import logging
import reprlib
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tlprobe.data.dataset import Dataset
from tlprobe.data.fingerprint import (
    N_BANDS,
    NEAR_FINGERPRINT,
    NEAR_WAVEFORM,
    Fingerprints,
    compared_waveform,
    overlap_correlation,
    waveform_similarity,
)
from tlprobe.errors import DataError, ParameterError

__all__ = ["Kind", "Leak", "check_leaks", "find_leaks", "leaked_clips"]

_log = logging.getLogger(__name__)

Kind = Literal["source", "identical", "near"]

_SHIFTS = (10, 3, 3)  # frames: of the clips' beginnings, of the sounds' beginnings, of the loudest frames
_BLOCK, _BLOCK_FRAMES = 512, 51_200  # clips, and their frames, compared with as many at a time
_WAVEFORMS = 128  # kept at a time, of at most 2 MB
_N_NAMED = 3

_Index = npt.NDArray[np.int64]
_Array = npt.NDArray[np.float32]
_Grid = tuple[_Array, _Array, _Array, int]  # frames (n, t, 32); their energy (n, t); 1.0 where there is one; the origin

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
    groups = _codes([clip.group for clip in dataset.clips])
    leaks = [_leak("source", clips, folds) for clips in _together(groups, apart=folds)]
    if fingerprints is None:
        return tuple(leaks)
    if len(fingerprints) != len(dataset.clips):
        raise ParameterError(f"{len(fingerprints)} fingerprints do not fit the {len(dataset.clips)} clips")
    heard = np.flatnonzero(fingerprints.hashes.any(axis=1))
    copies = [heard[same] for same in _together(_codes([fingerprints.hashes[i].tobytes() for i in heard]))]
    identical = (clips for clips in copies if _several(folds[clips]) and _several(groups[clips]))
    leaks += [_leak("identical", clips, folds) for clips in identical]
    near = _near(dataset, fingerprints, copies, folds, groups)
    return (*leaks, *(_leak("near", clips, folds) for clips in near))


def leaked_clips(dataset: Dataset, leaks: Sequence[Leak], fold: int) -> _Index:
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
        raise DataError(f"{count}: {named}{more}; give a column of groups, remove copies, or pass --allow-leaks")
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


def _leak(kind: Kind, clips: _Index, folds: _Index) -> Leak:
    return Leak(kind, tuple(clips.tolist()), tuple(np.unique(folds[clips]).tolist()))


def _several(values: _Index) -> bool:
    return bool((values != values[0]).any())


def _codes(names: Sequence[Hashable]) -> _Index:
    """Return a number for each name; an array of the names would take the longest one's room for each."""
    code: dict[Hashable, int] = {}
    return np.array([code.setdefault(name, len(code)) for name in names], dtype=np.int64)


def _together(codes: _Index, *, apart: _Index | None = None) -> list[_Index]:
    """Return the places of each code, rising; only of codes for which the numbers `apart` are not all the same."""
    places = np.argsort(codes, kind="stable")
    if apart is not None:  # all at once: there may be a million codes of one clip each
        first = np.flatnonzero(np.diff(codes[places], prepend=-1))
        spread = np.maximum.reduceat(apart[places], first) > np.minimum.reduceat(apart[places], first)
        places = places[np.repeat(spread, np.diff(first, append=len(places)))]
    return np.split(places, np.flatnonzero(np.diff(codes[places])) + 1) if len(places) else []


def _near(dataset: Dataset, prints: Fingerprints, copies: list[_Index], folds: _Index, groups: _Index) -> list[_Index]:
    """Return the clips of those sounds, each of them `copies`, that near copies across folds and groups tie together.

    Two sounds that others tie already are not compared: a thousand near copies take a thousand looks, not a million.
    """
    firsts = np.array([clips[0] for clips in copies], dtype=np.int64)
    only_fold, only_group = (
        np.array([-1 if _several(of[clips]) else of[clips[0]] for clips in copies], dtype=np.int64)
        for of in (folds, groups)
    )
    parent = list(range(len(copies)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    waveform = functools.lru_cache(_WAVEFORMS)(functools.partial(compared_waveform, dataset))
    for a, b in _similar_pairs(prints, firsts):
        keep = np.ones(len(a), bool)
        for only in (only_fold, only_group):
            keep &= (only[a] != only[b]) | (only[a] < 0)
        for i, j in zip(a[keep].tolist(), b[keep].tolist(), strict=True):
            if root(i) == root(j):
                continue
            apart = prints.anchors[firsts[i]] - prints.anchors[firsts[j]]
            if waveform_similarity(waveform(firsts[i]), waveform(firsts[j]), apart=apart) >= NEAR_WAVEFORM:
                parent[root(i)] = root(j)
    tied = _together(_codes([root(i) for i in range(len(copies))]))
    return [np.sort(np.concatenate([copies[i] for i in sounds])) for sounds in tied if len(sounds) > 1]


def _similar_pairs(prints: Fingerprints, clips: _Index) -> Iterator[tuple[_Index, _Index]]:
    """Yield the pairs, places in `clips`, with similar fingerprints: of one block of clips with another at a time."""
    n_frames = np.diff(prints.starts)[clips]
    until = np.where(n_frames > 0, n_frames + prints.anchors[clips, 0], 0)
    order = np.argsort(until, kind="stable")  # blocks of about one length are padded least
    order = order[until[order] > 0]
    blocks: list[_Index] = []
    while len(order):
        size = max(1, min(_BLOCK, _BLOCK_FRAMES // int(until[order[:_BLOCK]].max())))
        blocks.append(order[:size])
        order = order[size:]
    for n_before, first in enumerate(blocks):
        rows = _grids(prints, clips[first])
        for second in blocks[n_before:]:
            best = np.full((len(first), len(second)), -1, np.float32)
            for mine, other, n_shifts in zip(rows, _grids(prints, clips[second]), _SHIFTS, strict=True):
                _correlate(mine, other, n_shifts=n_shifts, best=best)
            i, j = np.nonzero(best >= NEAR_FINGERPRINT)
            if second is first:
                i, j = i[i < j], j[i < j]
            yield first[i], second[j]


def _grids(prints: Fingerprints, clips: _Index) -> list[_Grid]:
    """Return the frames of some clips, laid so that the beginnings of the clips, or an anchor of all, fall together."""
    starts, lengths = prints.starts[clips], np.diff(prints.starts)[clips]
    lead, loudest = prints.anchors[clips].T
    grids = []
    for origins in (np.zeros_like(lead), lead, loudest):
        origin = int((origins - lead).max(initial=0))
        first = origin - origins + lead  # where each clip's frames begin
        frames = np.zeros((len(clips), int((first + lengths).max()), N_BANDS), np.float32)
        mask = np.zeros(frames.shape[:2], np.float32)
        for i, (start, n, at) in enumerate(zip(starts, lengths, first, strict=True)):
            frames[i, at : at + n] = prints.frames[start : start + n]
            mask[i, at : at + n] = 1
        grids.append((frames, np.square(frames).sum(axis=2), mask, origin))
    return grids


def _correlate(rows: _Grid, columns: _Grid, *, n_shifts: int, best: _Array) -> None:
    """Raise `best`, (n_rows, n_columns), to the correlations over all shifts up to `n_shifts`."""
    n, m = rows[0].shape[1], columns[0].shape[1]
    whole = rows[1].sum(axis=1)[:, None], columns[1].sum(axis=1)
    centre = rows[3] - columns[3]
    for shift in range(centre - n_shifts, centre + n_shifts + 1):
        begin, end = max(shift, 0), min(n, m + shift)  # of the overlap, in the rows' frames
        if begin >= end:
            continue
        a = [part[:, begin:end].reshape(len(part), -1) for part in rows[:3]]
        b = [part[:, begin - shift : end - shift].reshape(len(part), -1).T for part in columns[:3]]
        np.maximum(best, overlap_correlation(a[0] @ b[0], (a[1] @ b[2], a[2] @ b[1]), whole), out=best)
