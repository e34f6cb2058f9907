"""Long recordings as many clips: windows of one length, cut after the split, so that none crosses it."""

import dataclasses
import itertools
import math
from collections.abc import Mapping

from tlprobe.data.dataset import Clip, Dataset
from tlprobe.errors import ParameterError

__all__ = ["cut_windows"]

_LEAST = 0.5  # of a window: a shorter rest is dropped, a longer one is kept and padded


def cut_windows(dataset: Dataset, durations: Mapping[str, float], *, window_s: float) -> Dataset:
    """Cut each clip into windows; label, fold and source stay the clip's.

    A rest shorter than half a window is dropped and counted in the note; a clip shorter than a window stays one.

    Parameters
    ----------
    dataset : Dataset
        Split already.
    durations : mapping of str to float, in seconds
        Length of each clip's file, by its path.
    window_s : float > 0, in seconds

    Returns
    -------
    dataset : Dataset
        Windows in the order of their clips, then of time.

    Raises
    ------
    ParameterError
        If `window_s` is no length.

    Examples
    --------
    >>> from pathlib import Path
    >>> clip = Clip("a.wav", "a", 1, "a")
    >>> whole = Dataset("set", Path(), (clip,), ("a",))
    >>> [(clip.start_s, clip.end_s) for clip in cut_windows(whole, {"a.wav": 7.0}, window_s=2.0).clips]
    [(0.0, 2.0), (2.0, 4.0), (4.0, 6.0), (6.0, 7.0)]
    """
    if not 0 < window_s < math.inf:
        raise ParameterError(f"window_s={window_s} is no length; more than 0 s is needed")
    windows: list[Clip] = []
    n_dropped = 0
    for clip in dataset.clips:
        start = clip.start_s or 0.0
        end = durations[clip.path] if clip.end_s is None else min(clip.end_s, durations[clip.path])
        whole = int((end - start) / window_s + 1e-9)
        rest = end - start - whole * window_s
        edges = [min(end, start + k * window_s) for k in range(whole + 1)]  # rounding must not pass the end
        if whole == 0 or rest >= _LEAST * window_s:
            edges.append(end)
        elif rest > 1e-6:
            n_dropped += 1
        windows += [dataclasses.replace(clip, start_s=a, end_s=b) for a, b in itertools.pairwise(edges)]
    notes = [dataset.note, f"cut into {len(windows)} windows of {window_s:g} s"]
    if n_dropped:
        notes.append(f"{n_dropped} rests shorter than half a window were left out")
    return dataclasses.replace(dataset, clips=tuple(windows), note="; ".join(filter(None, notes)))
