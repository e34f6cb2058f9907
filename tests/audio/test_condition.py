"""The condition of recordings, by hand."""

import numpy as np
import pytest
import soundfile

from tlprobe.audio.condition import cancelled_share, condition_of
from tlprobe.errors import DataError

SR = 8000
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(SR) / SR)).astype(np.float32)


@pytest.fixture
def condition(tmp_path):
    def make(samples, name="a.wav", **how):
        soundfile.write(tmp_path / name, samples, SR, **how)
        return condition_of(tmp_path / name)

    return make


def test_a_sound_recording(condition):
    found = condition(TONE)
    assert found.notes() == ()
    assert (found.format, found.subtype, found.header.n_samples) == ("WAV", "PCM_16", SR)
    assert found.peak == pytest.approx(0.5, abs=1e-3)
    assert found.clipped_share == found.cancelled_share == 0
    assert found.padded_share == pytest.approx(1 / SR)  # the sine's first sample is 0


def test_silence(condition):
    found = condition(np.zeros(100))
    assert found.notes() == ("silent",)
    assert (found.silent, found.padded_share, found.peak) == (True, 1, 0)


@pytest.mark.parametrize(("subtype", "level"), [("PCM_U8", 1), ("PCM_16", 1), ("PCM_24", 1), ("FLOAT", 1)])
def test_clipping_is_runs_at_full_scale(condition, subtype, level):
    samples = np.tile(np.array([0.1, 0.2, -0.1, 0.3]), 100)
    samples[40:50] = level  # ten of 400
    samples[60] = level  # a peak
    found = condition(samples, subtype=subtype)
    assert found.clipped_share == 10 / 400
    assert found.notes() == ("clipped",)


def test_padding(condition):
    samples = np.zeros(1000)
    samples[100:500] = TONE[1:401]
    found = condition(samples)
    assert found.padded_share == pytest.approx(0.6, abs=0.01)
    assert found.notes() == ("mostly padding",)


def test_channels_that_cancel(condition):
    rng = np.random.default_rng(0)
    left, right = rng.normal(0, 0.1, (2, 20_000)).astype(np.float32)
    assert cancelled_share(np.stack([left, right], 1)) == pytest.approx(0.5, abs=0.02)
    assert cancelled_share(np.stack([left, -left], 1)) == 1
    assert cancelled_share(np.stack([left, 0 * left], 1)) == pytest.approx(0.5)  # (l/2)^2 of l^2/2
    assert condition(np.stack([TONE, 0.9 * TONE], 1)).notes() == ()
    assert condition(np.stack([TONE, -0.5 * TONE], 1)).notes() == ("channels cancel",)


def test_a_name_of_another_format(condition, tmp_path):
    soundfile.write(tmp_path / "b.flac", TONE, SR)
    (tmp_path / "b.flac").rename(tmp_path / "b.wav")
    assert condition_of(tmp_path / "b.wav").notes() == ("wrong suffix",)
    assert condition(TONE, "c.WAV").notes() == ()


def test_what_cannot_be_used_is_an_error(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.wav is empty"):
        condition_of(tmp_path / "a.wav")
