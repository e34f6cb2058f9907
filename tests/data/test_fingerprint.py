import dataclasses
import hashlib

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st

from tlprobe.data.dataset import Clip, Dataset
from tlprobe.data.fingerprint import (
    N_BANDS,
    NEAR_FINGERPRINT,
    NEAR_WAVEFORM,
    Fingerprints,
    fingerprint_of,
    fingerprints,
    hash_of,
    narrow_waveform,
    overlap_correlation,
    waveform_similarity,
)
from tlprobe.errors import DataError, ParameterError

SR = 16_000


def noise(seed, *, seconds=3.0):
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * SR)).astype(np.float32)


@pytest.fixture
def dataset_of(tmp_path):
    """Write sounds, `{name: (samples, soundfile's arguments)}`, as a data set of two folds."""

    def make(sounds, **clip):
        for name, (samples, given_) in sounds.items():
            soundfile.write(tmp_path / name, samples, **{"samplerate": SR, **given_})
        clips = tuple(Clip(name, "x", 1 + i % 2, name, **clip) for i, name in enumerate(sounds))
        return Dataset(name="own", root=tmp_path, clips=clips, classes=("x",))

    return make


def test_one_sound_in_lossless_files_has_one_hash(dataset_of):
    sound = np.round(noise(0) * 100) / 128  # fits 8 bit
    silence = np.zeros(700, np.float32)
    prints = fingerprints(
        dataset_of(
            {
                "16.wav": (sound, {"subtype": "PCM_16"}),
                "8.wav": (sound, {"subtype": "PCM_U8"}),
                "float.wav": (sound, {"subtype": "FLOAT"}),
                "24.flac": (sound, {"subtype": "PCM_24"}),
                "padded.aiff": (np.concatenate([silence, sound, silence]), {}),
                "stereo.wav": (np.stack([sound, sound], axis=1), {"subtype": "PCM_16"}),
                "rate.wav": (sound, {"samplerate": 8000}),
                "quiet.wav": (sound / 2, {}),
                "other.wav": (noise(1), {}),
            }
        )
    )
    hashes = [row.tobytes() for row in prints.hashes]
    assert len(set(hashes[:6])) == 1
    assert len(set(hashes)) == 4


def test_hash_is_of_rate_and_samples_without_the_silence_around():
    samples = np.array([0, 0, 0.5, -0.0, 0.25, 0], np.float32)
    wanted = hashlib.sha256(b"8000\n" + np.array([0.5, 0.0, 0.25], "<f4").tobytes()).digest()
    assert hash_of(samples, 8000) == wanted


@pytest.mark.parametrize("value", [0.0, 0.25])
@pytest.mark.parametrize("n", [0, 1, 5, 3 * SR])
def test_silent_and_constant_clips_have_neither(value, n):
    constant = np.full(n, value, np.float32)
    assert hash_of(constant, SR) == bytes(32)
    assert not len(fingerprint_of(narrow_waveform(constant, SR))[0])


def test_very_short_clips_have_a_hash_only():
    for sound in (noise(0, seconds=0.15), noise(0)[:1], noise(0)[:2]):
        assert len(fingerprint_of(narrow_waveform(sound, SR))[0]) == 0
    assert hash_of(noise(0)[:2], SR) != bytes(32)
    assert len(fingerprint_of(narrow_waveform(noise(0, seconds=0.4), SR))[0]) >= 4


@given(gain=st.floats(1e-30, 1e30))
def test_gain_does_not_count(gain):
    sound = noise(3, seconds=1)
    frames, anchors = fingerprint_of(narrow_waveform(sound, SR))
    louder, same = fingerprint_of(narrow_waveform(sound * np.float32(gain), SR))
    np.testing.assert_allclose(louder, frames, atol=1e-3)
    assert same == anchors


def test_frames_are_free_of_level_colour_and_the_silence_around():
    sound = np.concatenate([np.zeros(2 * SR, np.float32), noise(0), np.zeros(SR, np.float32)])
    frames, (lead, loudest) = fingerprint_of(narrow_waveform(sound, SR))
    assert frames.shape[1] == N_BANDS
    assert abs(len(frames) - 31) <= 2
    assert abs(lead - 20) <= 1
    assert lead < loudest < lead + len(frames)
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(frames.mean(axis=1), 0, atol=1e-5)


def test_parts_of_a_file_are_clips_of_their_own(dataset_of):
    sound = noise(0)
    whole = dataset_of({"a.wav": (sound, {"subtype": "FLOAT"}), "b.wav": (sound[SR : 2 * SR], {"subtype": "FLOAT"})})
    part = dataclasses.replace(whole.clips[0], start_s=1.0, end_s=2.0)
    rest = dataclasses.replace(whole.clips[0], start_s=1.0)
    prints = fingerprints(dataclasses.replace(whole, clips=(part, whole.clips[1], rest)))
    assert prints.hashes[0].tobytes() == prints.hashes[1].tobytes() == hash_of(sound[SR : 2 * SR], SR)
    assert prints.hashes[2].tobytes() == hash_of(sound[SR:], SR)
    first, second, third = (prints.frames[a:b] for a, b in zip(prints.starts, prints.starts[1:], strict=False))
    np.testing.assert_array_equal(first, second)
    assert len(third) > len(first)


@pytest.mark.parametrize("jobs", [1, 3])
def test_order_is_that_of_the_clips_whatever_the_threads(dataset_of, jobs):
    sounds = {f"{i}.wav": (noise(i, seconds=1 + i % 3), {"subtype": "FLOAT"}) for i in range(7)}
    prints = fingerprints(dataset_of(sounds), jobs=jobs, progress=False)
    assert len(prints) == 7
    for i, (sound, _) in enumerate(sounds.values()):
        frames, anchors = fingerprint_of(narrow_waveform(sound, SR))
        assert prints.hashes[i].tobytes() == hash_of(sound, SR)
        np.testing.assert_array_equal(prints.frames[prints.starts[i] : prints.starts[i + 1]], frames.astype(np.float16))
        assert tuple(prints.anchors[i]) == anchors


def test_bad_files_are_named_at_once_and_jobs_checked(dataset_of, tmp_path):
    dataset = dataset_of({f"{i}.wav": (noise(i, seconds=0.5), {}) for i in range(3)})
    (tmp_path / "0.wav").unlink()
    (tmp_path / "2.wav").write_bytes(b"no sound")
    with pytest.raises(DataError, match=r"2 recordings cannot be used: .*0\.wav is missing; .*2\.wav"):
        fingerprints(dataset)
    with pytest.raises(ParameterError, match="jobs=0 is too few"):
        fingerprints(dataset, jobs=0)


def test_bytes_give_the_same_back_and_others_are_refused(dataset_of):
    for sounds in ({}, {"a.wav": (noise(0), {}), "b.wav": (noise(1)[:100], {})}):
        prints = fingerprints(dataset_of(sounds))
        again = Fingerprints.from_bytes(prints.to_bytes())
        for field in dataclasses.fields(Fingerprints):
            before, after = getattr(prints, field.name), getattr(again, field.name)
            if field.name == "channel":
                assert before is after is None
                continue
            assert before.dtype == after.dtype
            np.testing.assert_array_equal(before, after)
        assert Fingerprints.from_bytes(dataclasses.replace(prints, channel=2).to_bytes()).channel == 2
    data = prints.to_bytes()
    for damaged in (b"", b"x" * 100, data[: len(data) // 2], data.replace(b"schema", b"schemb")):
        with pytest.raises(DataError, match=f"these {len(damaged)} bytes are no fingerprints"):
            Fingerprints.from_bytes(damaged)


def test_correlation_is_of_the_overlap_and_wants_enough_of_both():
    def of(shared, whole=(4.0, 9.0)):
        return float(overlap_correlation(np.array(3.0), shared, whole))

    assert of((4.0, 9.0)) == 0.5  # 3 / sqrt(4 * 9)
    assert of((2.0, 4.5)) == 1.0
    assert of((4.0, 1.8)) == pytest.approx(3 / np.sqrt(7.2))  # all of one, a fifth of the other
    assert of((4.0, 1.7)) == -1
    assert of((1.9, 4.4)) == -1
    assert of((0.0, 0.0), whole=(0.0, 0.0)) == -1


def test_waveforms_are_compared_over_shifts_and_parts_of_samples():
    a = narrow_waveform(noise(0), SR)
    assert waveform_similarity(a, a) == pytest.approx(1, abs=1e-4)
    assert waveform_similarity(a, -0.3 * a) == pytest.approx(1, abs=1e-4)  # polarity
    assert waveform_similarity(a, a[7000:]) == pytest.approx(1, abs=1e-4)
    odd = narrow_waveform(noise(0)[101:], SR)  # half a sample at 8 kHz
    assert NEAR_WAVEFORM < waveform_similarity(a, odd) <= 1
    assert waveform_similarity(a, narrow_waveform(noise(1), SR)) < 0.1
    late = np.concatenate([np.zeros(16_000, np.float32), a])  # 20 frames: further than shifts go without an anchor
    assert waveform_similarity(late, a) < 0.1
    assert waveform_similarity(late, a, apart=[20]) == pytest.approx(1, abs=1e-4)


@given(seeds=st.tuples(st.integers(0, 5), st.integers(0, 5)), cut=st.integers(0, 8000), apart=st.integers(-9, 9))
def test_waveform_similarity_is_symmetric(seeds, cut, apart):
    a, b = noise(seeds[0], seconds=1), noise(seeds[1], seconds=1)[cut:]
    there, back = waveform_similarity(a, b, apart=[apart]), waveform_similarity(b, a, apart=[-apart])
    assert there == pytest.approx(back, abs=0.01)
    assert 0 <= there <= 1


def test_a_resampled_copy_has_nearly_the_same_frames():
    sound = noise(0)
    frames = fingerprint_of(narrow_waveform(sound, SR))[0]
    again = fingerprint_of(narrow_waveform(soxr.resample(sound, SR, 22_050), 22_050))[0]
    assert np.corrcoef(frames.ravel(), again.ravel())[0, 1] > 0.99 > NEAR_FINGERPRINT
