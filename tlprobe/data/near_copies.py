"""Near copies: which sounds are so alike that one network would know the other's recording?

Fingerprints of all clips are correlated over small shifts, a block of clips with another at a time; pairs that come
near are compared by their waveforms, see `tlprobe.data.fingerprint`.
"""

import functools
from collections.abc import Hashable, Iterator, Sequence

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

__all__ = ["Index", "codes_of", "near_copies", "several", "together"]

_SHIFTS = (10, 3, 3)  # frames: of the clips' beginnings, of the sounds' beginnings, of the loudest frames
_BLOCK, _BLOCK_FRAMES = 512, 51_200  # clips, and their frames, compared with as many at a time
_WAVEFORMS = 128  # kept at a time, of at most 2 MB

Index = npt.NDArray[np.int64]
_Array = npt.NDArray[np.float32]
_Grid = tuple[_Array, _Array, _Array, int]  # frames (n, t, 32); their energy (n, t); 1.0 where there is one; the origin


def near_copies(
    dataset: Dataset, prints: Fingerprints, copies: list[Index], *, folds: Index, groups: Index
) -> list[Index]:
    """Return the clips of those sounds that near copies across folds and groups tie together.

    Two sounds that others tie already are not compared: a thousand near copies take a thousand looks, not a million.

    Parameters
    ----------
    dataset : Dataset
    prints : Fingerprints
        Of its clips.
    copies : list of np.ndarray of int64
        Sounds: the clips with the same samples, rising. One alone is a sound as well.
    folds, groups : np.ndarray [shape=(n_clips,), int64]
        Sounds that lie in one fold, or are of one group, are not compared.

    Returns
    -------
    clips : list of np.ndarray of int64
        Rising, two at least.
    """
    firsts = np.array([clips[0] for clips in copies], dtype=np.int64)
    only_fold, only_group = (
        np.array([-1 if several(of[clips]) else of[clips[0]] for clips in copies], dtype=np.int64)
        for of in (folds, groups)
    )
    parent = list(range(len(copies)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    heard = functools.partial(compared_waveform, dataset, channel=prints.channel)
    waveform = functools.lru_cache(_WAVEFORMS)(heard)
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
    tied = together(codes_of([root(i) for i in range(len(copies))]))
    return [np.sort(np.concatenate([copies[i] for i in sounds])) for sounds in tied if len(sounds) > 1]


def several(values: Index) -> bool:
    """Return whether the values, at least one, are not all the same."""
    return bool((values != values[0]).any())


def codes_of(names: Sequence[Hashable]) -> Index:
    """Return a number for each name; an array of the names would take the longest one's room for each."""
    code: dict[Hashable, int] = {}
    return np.array([code.setdefault(name, len(code)) for name in names], dtype=np.int64)


def together(codes: Index, *, apart: Index | None = None) -> list[Index]:
    """Return the places of each code, rising; only of codes for which the numbers `apart` are not all the same."""
    places = np.argsort(codes, kind="stable")
    if apart is not None:  # all at once: there may be a million codes of one clip each
        first = np.flatnonzero(np.diff(codes[places], prepend=-1))
        spread = np.maximum.reduceat(apart[places], first) > np.minimum.reduceat(apart[places], first)
        places = places[np.repeat(spread, np.diff(first, append=len(places)))]
    return np.split(places, np.flatnonzero(np.diff(codes[places])) + 1) if len(places) else []


def _similar_pairs(prints: Fingerprints, clips: Index) -> Iterator[tuple[Index, Index]]:
    """Yield the pairs, places in `clips`, with similar fingerprints: of one block of clips with another at a time."""
    n_frames = np.diff(prints.starts)[clips]
    until = np.where(n_frames > 0, n_frames + prints.anchors[clips, 0], 0)
    order = np.argsort(until, kind="stable")  # blocks of about one length are padded least
    order = order[until[order] > 0]
    blocks: list[Index] = []
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


def _grids(prints: Fingerprints, clips: Index) -> list[_Grid]:
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
