import dataclasses
import itertools

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st

from tlprobe.data import near_copies
from tlprobe.data.dataset import Clip, Dataset
from tlprobe.data.esc50 import read_esc50
from tlprobe.data.fingerprint import fingerprints
from tlprobe.data.leaks import Leak, check_leaks, find_leaks, leaked_clips
from tlprobe.errors import DataError, ParameterError

SR = 16_000


def sound(seed, *, seconds=3.0):
    """Return noise of changing colour and level."""
    rng = np.random.default_rng(seed)
    pieces = [
        soxr.resample(rng.normal(0, rng.uniform(0.02, 0.15), 400 + 1600 // step), 1, step)[:1600]
        for step in rng.integers(1, 5, round(10 * seconds))
    ]
    return np.concatenate(pieces).astype(np.float32)


def table(rows, **given_):
    """Return a data set of no files from (fold, group) pairs."""
    clips = tuple(Clip(f"{i}.wav", "x", fold, group) for i, (fold, group) in enumerate(rows))
    return Dataset(**{"name": "own", "root": None, "clips": clips, "classes": ("x",), "prescribed": False, **given_})


@pytest.fixture
def dataset_of(tmp_path):
    """Write sounds, `(name, fold, samples, soundfile's arguments)`; each is a group of its own."""

    def make(*sounds):
        clips = []
        for name, fold, samples, arguments in sounds:
            soundfile.write(tmp_path / name, samples, **{"samplerate": SR, **arguments})
            clips.append(Clip(name, "x", fold, name))
        return Dataset(name="own", root=tmp_path, clips=tuple(clips), classes=("x",), prescribed=False)

    return make


def found(dataset):
    return [(leak.kind, leak.clips, leak.folds) for leak in find_leaks(dataset, fingerprints=fingerprints(dataset))]


def test_sources_in_several_folds_are_told_once_a_group():
    dataset = table([(1, "a"), (2, "b"), (2, "a"), (3, "a"), (2, "b"), (1, "c"), (3, "d"), (1, "d")])
    assert find_leaks(dataset) == (Leak("source", (0, 2, 3), (1, 2, 3)), Leak("source", (6, 7), (1, 3)))
    assert find_leaks(table([])) == ()
    assert find_leaks(table([(1, ""), (2, "x" * 10_000), (2, "\0")])) == ()


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from("abcde")), max_size=30))
def test_sources_and_leaked_clips_are_those_of_the_definition(rows):
    dataset = table(rows)
    leaks = find_leaks(dataset)
    assert {leak.clips for leak in leaks} == {
        tuple(i for i, (_, g) in enumerate(rows) if g == group)
        for group in "abcde"
        if len({fold for fold, g in rows if g == group}) > 1
    }
    for fold in dataset.folds:
        wanted = [i for i, (f, g) in enumerate(rows) if f == fold and any(h == g and e != fold for e, h in rows)]
        np.testing.assert_array_equal(leaked_clips(dataset, leaks, fold), wanted)


def test_many_sources_and_huge_groups_do_not_multiply():
    n = 20_000
    dataset = table([(1 + i % 5, "all") for i in range(n)] + [(1 + i % 5, str(i // 2)) for i in range(n)])
    leaks = find_leaks(dataset)
    assert len(leaks) == 1 + n // 2
    assert len(leaks[0].clips) == n
    assert len(leaked_clips(dataset, leaks, 1)) == 2 * n // 5


def test_the_validation_fold_is_not_trained_on():
    dataset = table([(1, "a"), (2, "a"), (1, "b"), (3, "b"), (2, "c"), (3, "c")], scored_folds=(1,), validation_fold=2)
    leaks = find_leaks(dataset)
    np.testing.assert_array_equal(leaked_clips(dataset, leaks, 1), [2])
    assert leaked_clips(dataset, leaks, 1).dtype == np.int64
    with pytest.raises(ParameterError, match="fold=2 is no fold of own; choose from 1"):
        leaked_clips(dataset, leaks, 2)


COPIES = {
    "8bit.wav": lambda x: (x, {"subtype": "PCM_U8"}),
    "float.wav": lambda x: (0.3 * x, {"subtype": "FLOAT"}),
    "16.wav": lambda x: (0.3 * x, {"subtype": "PCM_16"}),
    "law.wav": lambda x: (x, {"subtype": "ULAW"}),
    "quiet.flac": lambda x: (0.1 * x, {"subtype": "PCM_16"}),
    "ogg.ogg": lambda x: (x, {}),
    "mp3.mp3": lambda x: (0.5 * x, {}),
    "rate.wav": lambda x: (soxr.resample(x, SR, 22_050), {"samplerate": 22_050}),
    "low.wav": lambda x: (soxr.resample(x, SR, 8000), {"samplerate": 8000}),
    "late.wav": lambda x: (np.concatenate([np.zeros(4801, np.float32), x[:-4801]]), {}),
    "padded.wav": lambda x: (0.5 * np.concatenate([np.zeros(3 * SR, np.float32), x]), {}),
    "cut.wav": lambda x: (0.5 * x[SR // 2 : -SR // 2], {}),
    "stereo.wav": lambda x: (np.stack([-x, -0.5 * x], axis=1), {}),
}


@pytest.mark.parametrize("name", COPIES)
def test_near_copies_are_found_and_nothing_else(dataset_of, name):
    others = [(f"other{i}.wav", 2, sound(i), {}) for i in range(1, 5)]
    dataset = dataset_of(("first.wav", 1, sound(0), {}), *others, (name, 2, *COPIES[name](sound(0))))
    assert found(dataset) == [("near", (0, 5), (1, 2))]
    backwards = dataclasses.replace(dataset, clips=dataset.clips[::-1])
    assert found(backwards) == [("near", (0, 5), (1, 2))]


def test_stationary_noises_of_one_colour_are_no_copies(dataset_of):
    rng = np.random.default_rng(0)
    assert found(dataset_of(*((f"{i}.wav", 1 + i % 2, rng.normal(0, 0.1, 3 * SR), {}) for i in range(12)))) == []


def test_steady_tones_are_copies_at_one_pitch_only(dataset_of):
    t = np.arange(3 * SR) / SR
    tones = [0.5 * np.sin(2 * np.pi * pitch * t + phase) for pitch, phase in ((440, 0), (441, 1), (880, 2), (440, 3))]
    dataset = dataset_of(*((f"{i}.wav", 1 + i % 2, tone, {}) for i, tone in enumerate(tones)))
    assert found(dataset) == [("near", (0, 3), (1, 2))]


def test_identical_clips_are_told_once_and_near_ones_with_all_their_copies(dataset_of):
    x, y = np.round(sound(0) * 30_000) / 32_768, sound(1)
    dataset = dataset_of(
        ("a.wav", 1, x, {}),
        ("b.flac", 2, x, {}),
        ("c.wav", 3, 0.5 * x, {}),
        ("d.wav", 2, y, {}),
        ("e.wav", 2, y, {}),  # in one fold: no leak
        ("f.wav", 2, 0.5 * y, {}),
    )
    assert found(dataset) == [("identical", (0, 1), (1, 2)), ("near", (0, 1, 2), (1, 2, 3))]
    leaks = find_leaks(dataset, fingerprints=fingerprints(dataset))
    assert [leaked_clips(dataset, leaks, fold).tolist() for fold in (1, 2, 3)] == [[0], [1], [2]]


def test_copies_within_one_source_are_told_as_the_source(dataset_of):
    dataset = dataset_of(("a.wav", 1, sound(0), {}), ("b.wav", 2, sound(0), {}), ("c.wav", 3, 0.5 * sound(0), {}))
    clips = tuple(dataclasses.replace(clip, group="one") for clip in dataset.clips)
    assert found(dataclasses.replace(dataset, clips=clips)) == [("source", (0, 1, 2), (1, 2, 3))]


def test_silent_and_constant_parts_match_nothing(dataset_of):
    half = np.concatenate([np.zeros(SR), np.full(SR, 0.25), sound(0)])
    dataset = dataset_of(("a.wav", 1, half, {}), ("b.wav", 2, half, {}))
    for start, end in ((0.0, 1.0), (1.0, 2.0), (0.0, 0.0)):
        clips = tuple(dataclasses.replace(clip, start_s=start, end_s=end) for clip in dataset.clips)
        assert found(dataclasses.replace(dataset, clips=clips)) == []
    assert found(dataset) == [("identical", (0, 1), (1, 2))]


def test_very_short_clips_are_compared_by_their_hash(dataset_of):
    x = np.round(sound(0)[:500] * 30_000) / 32_768
    dataset = dataset_of(("a.wav", 1, x, {}), ("b.wav", 2, x, {}), ("c.wav", 2, x / 2, {}), ("d.wav", 3, x[:1], {}))
    assert found(dataset) == [("identical", (0, 1), (1, 2))]


def test_blocks_of_any_size_find_the_same(dataset_of, monkeypatch):
    lengths = itertools.cycle((1.0, 2.5, 4.0))
    sounds = [sound(i, seconds=next(lengths)) for i in range(9)]
    dataset = dataset_of(
        *((f"{i}.wav", 1, x, {}) for i, x in enumerate(sounds)),
        *((f"copy{i}.ogg", 2, x, {}) for i, x in enumerate(sounds)),
    )
    wanted = [("near", (i, i + 9), (1, 2)) for i in range(9)]
    assert found(dataset) == wanted
    monkeypatch.setattr(near_copies, "_BLOCK", 2)
    assert found(dataset) == wanted
    monkeypatch.setattr(near_copies, "_BLOCK_FRAMES", 1)
    assert found(dataset) == wanted


def test_many_near_copies_take_few_looks(dataset_of, monkeypatch):
    looks = []
    compare = near_copies.waveform_similarity
    monkeypatch.setattr(near_copies, "waveform_similarity", lambda *a, **k: looks.append(1) or compare(*a, **k))
    x = sound(0)
    dataset = dataset_of(*((f"{i}.wav", 1 + i % 2, (1 - i / 20) * x, {}) for i in range(12)))
    assert found(dataset) == [("near", tuple(range(12)), (1, 2))]
    assert len(looks) == 11


def test_fingerprints_of_other_clips_are_refused(dataset_of):
    dataset = dataset_of(("a.wav", 1, sound(0), {}), ("b.wav", 2, sound(1), {}))
    with pytest.raises(ParameterError, match="2 fingerprints do not fit the 1 clips"):
        find_leaks(dataclasses.replace(dataset, clips=dataset.clips[:1]), fingerprints=fingerprints(dataset))


def test_leaks_between_own_folds_are_refused_with_the_list(dataset_of, caplog):
    dataset = dataset_of(("a.wav", 1, sound(0), {}), ("b.ogg", 2, sound(0), {}), ("c.wav", 2, sound(1), {}))
    prints = fingerprints(dataset)
    with pytest.raises(DataError) as error:
        check_leaks(dataset, 2, fingerprints=prints)
    assert str(error.value) == (
        "own: 1 of the 2 clips held out in fold 2 leak from the training part: near copies, 2 clips, such as "
        "'a.wav' (fold 1), 'b.ogg' (fold 2); put them into one fold "
        "(a column of groups, or --folds-file), remove copies, or pass --allow-leaks"
    )
    assert not caplog.records
    wanted = ["own: 1 of the 2 clips held out in fold 2 leak from the training part (leaks by kind: 1 near)"]
    assert check_leaks(dataset, 2, fingerprints=prints, allow=True) == 1
    assert caplog.messages == wanted
    prescribed = dataclasses.replace(dataset, prescribed=True)
    assert check_leaks(prescribed, 2, leaks=find_leaks(dataset, fingerprints=prints)) == 1
    assert caplog.messages == 2 * wanted
    assert check_leaks(dataset, 2) == 0  # no source leaks


def test_long_lists_and_names_stay_one_short_line():
    dataset = table([(fold, f"{name}\n" * 5000) for name in "abcde" for fold in (1, 2)])
    with pytest.raises(DataError, match=r"own: 5 of the 5 clips .*; and 2 more; put them into one fold") as error:
        check_leaks(dataset, 1)
    assert len(str(error.value)) < 800
    assert "\n" not in str(error.value)


def test_leaks_elsewhere_do_not_stop_a_fold(caplog):
    dataset = table([(1, "a"), (2, "a"), (3, "b")])
    assert check_leaks(dataset, 3) == 0
    assert not caplog.records


def test_esc50_s_own_leaks_are_counted(make_esc, esc_rows, caplog):
    esc_rows[2][5] = esc_rows[0][5]  # fold 2's dog is from the source of fold 1's dog
    dataset = read_esc50(make_esc(esc_rows))
    leaks = find_leaks(dataset, fingerprints=fingerprints(dataset))
    assert leaks == (Leak("source", (0, 1, 2), (1, 2)),)
    assert [check_leaks(dataset, fold, leaks=leaks) for fold in dataset.folds] == [2, 1, 0, 0, 0]
    assert "1 of the 2 clips held out in fold 2 leak from the training part (leaks by kind: 1 source)" in caplog.text
