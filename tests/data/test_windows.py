"""Windows cover their clips, stay in their folds, and are counted."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlprobe.data.dataset import Clip, Dataset
from tlprobe.data.windows import cut_windows
from tlprobe.errors import ParameterError


def dataset_of(*clips):
    return Dataset("set", Path(), clips, tuple(sorted({clip.label for clip in clips})))


def ends(dataset):
    return [(clip.start_s, clip.end_s) for clip in dataset.clips]


@pytest.mark.parametrize(
    ("length", "expected", "dropped"),
    [
        (10.0, [(0, 4), (4, 8), (8, 10)], 0),
        (9.9, [(0, 4), (4, 8)], 1),
        (8.0, [(0, 4), (4, 8)], 0),
        (4.0, [(0, 4)], 0),
        (1.0, [(0, 1)], 0),
    ],
)
def test_counts_by_hand(length, expected, dropped):
    cut = cut_windows(dataset_of(Clip("a.wav", "a", 1, "g")), {"a.wav": length}, window_s=4)
    assert ends(cut) == expected
    assert ("1 rests shorter than half a window" in cut.note) == bool(dropped)
    assert f"cut into {len(expected)} windows of 4 s" in cut.note


def test_parts_are_cut_within_themselves():
    clips = (Clip("a.wav", "a", 1, "g", 3.0, 7.5), Clip("a.wav", "b", 2, "h", 8.0, None))
    cut = cut_windows(dataset_of(*clips), {"a.wav": 10.0}, window_s=2)
    assert ends(cut) == [(3, 5), (5, 7), (8, 10)]
    assert [(clip.label, clip.fold, clip.group) for clip in cut.clips] == [("a", 1, "g")] * 2 + [("b", 2, "h")]


@settings(deadline=None)
@given(lengths=st.lists(st.floats(0.1, 100), min_size=1, max_size=5), window_s=st.floats(0.1, 20))
def test_windows_are_disjoint_in_order_and_lose_less_than_half_of_one(lengths, window_s):
    clips = [Clip(f"{k}.wav", "a", k + 1, str(k)) for k in range(len(lengths))]
    durations = {clip.path: length for clip, length in zip(clips, lengths, strict=True)}
    cut = cut_windows(dataset_of(*clips), durations, window_s=window_s)
    for clip, length in zip(clips, lengths, strict=True):
        own = [(w.start_s, w.end_s) for w in cut.clips if w.path == clip.path]
        assert own[0][0] == 0
        assert all(a[1] == b[0] for a, b in itertools.pairwise(own))
        assert all(0 < end - start <= window_s * (1 + 1e-9) for start, end in own)
        assert 0 <= length - own[-1][1] < window_s / 2 + 1e-6 or len(own) == 1
        assert {w.fold for w in cut.clips if w.path == clip.path} == {clip.fold}


@pytest.mark.parametrize("window_s", [0, -1, float("nan"), float("inf")])
def test_impossible_lengths(window_s):
    with pytest.raises(ParameterError, match=f"window_s={window_s}"):
        cut_windows(dataset_of(Clip("a.wav", "a", 1, "g")), {"a.wav": 1.0}, window_s=window_s)
