import numpy as np
import pytest
import soundfile

from tlprobe.audio.load import load
from tlprobe.data.sounds import SOUNDS
from tlprobe.data.synthetic import synthetic_clip, synthetic_dataset
from tlprobe.errors import ParameterError


def test_set_is_written_once_and_reads_back():
    dataset = synthetic_dataset(n_per_class=5)
    assert len(dataset.clips) == 50
    assert dataset.classes == tuple(sorted(SOUNDS))
    assert dataset.folds == (1, 2, 3, 4, 5)
    assert np.bincount(dataset.labels).tolist() == [5] * 10
    times = [path.stat().st_mtime_ns for path in dataset.paths]
    again = synthetic_dataset(n_per_class=5)
    assert [path.stat().st_mtime_ns for path in again.paths] == times
    assert again.content_hash == dataset.content_hash
    clip = load(dataset.paths[7], sr=16_000)
    assert clip.shape == (32_000,)
    np.testing.assert_allclose(clip, synthetic_clip("bell", 2), atol=1 / 32_000)


def test_damaged_file_is_made_again():
    dataset = synthetic_dataset(n_per_class=5)
    before = dataset.content_hash
    dataset.paths[3].write_bytes(dataset.paths[3].read_bytes()[:1000])
    dataset.paths[4].unlink()
    assert synthetic_dataset(n_per_class=5).content_hash == before


def test_seed_and_index_decide_and_nothing_else():
    np.testing.assert_array_equal(synthetic_clip("rain", 3), synthetic_clip("rain", 3))
    assert (synthetic_clip("rain", 3) != synthetic_clip("rain", 4)).any()
    assert (synthetic_clip("rain", 3) != synthetic_clip("rain", 3, seed=1)).any()


@pytest.mark.parametrize("label", sorted(SOUNDS))
def test_every_sound_is_finite_audible_and_in_range(label):
    for index in range(20):
        clip = synthetic_clip(label, index)
        assert clip.dtype == np.float32
        assert np.isfinite(clip).all()
        assert 0.05 < np.abs(clip).max() <= 1.0


def test_files_are_16_bit_mono():
    info = soundfile.info(synthetic_dataset(n_per_class=5).paths[0])
    assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")


def test_wrong_arguments_are_refused():
    with pytest.raises(ParameterError, match="label='cow' is no synthetic sound; choose from bark"):
        synthetic_clip("cow", 0)
    with pytest.raises(ParameterError, match="n_per_class=4 is too few"):
        synthetic_dataset(n_per_class=4)
