"""What cannot be heard is refused, and pairs of sounds are files under safe names."""

import math

import numpy as np
import pytest
import soundfile

from tlprobe.errors import ParameterError, ResourceError
from tlprobe.probes.attribution.listen import kept_and_removed, listen, soft_mask, write_pair


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_maps_and_waveforms_that_are_not_finite_are_refused(signals, bad):
    image = signals.settings()
    attribution, waveform = signals.flat(1, image), signals.noise(signals.SR)
    attribution[2, 5, 7] = waveform[9] = bad
    with pytest.raises(ParameterError, match="the attribution holds NaN or infinity"):
        soft_mask(attribution, image)
    with pytest.raises(ParameterError, match="the attribution holds NaN or infinity"):
        listen(signals.noise(signals.SR), signals.SR, attribution, image)
    with pytest.raises(ParameterError, match="waveform holds samples that are NaN or infinite"):
        listen(waveform, signals.SR, signals.flat(1, image), image)


def test_coefficients_have_no_frequencies(signals):
    image = signals.settings(features="mfcc")
    with pytest.raises(
        ParameterError, match=r"features='mfcc' cannot be heard.*choose from log-mel3, log-mel, log-spec"
    ):
        soft_mask(signals.flat(1, image), image)
    with pytest.raises(ParameterError, match="features='mfcc'"):
        listen(signals.noise(signals.SR), signals.SR, signals.flat(1, image), image)


@pytest.mark.parametrize("short", ["repeat", "stretch"])
def test_images_with_a_time_of_their_own_are_refused(signals, short):
    with pytest.raises(ParameterError, match=f"short='{short}' cannot be heard"):
        listen(
            signals.noise(signals.SR), signals.SR, signals.flat(1, signals.settings()), signals.settings(short=short)
        )


@pytest.mark.parametrize("shape", [(2, 16_000), (16_000, 1), (0,)])
def test_one_channel_with_samples_is_wanted(signals, shape):
    image = signals.settings()
    waveform = np.zeros(shape, np.float32)
    with pytest.raises(ParameterError, match="is not one channel"):
        listen(waveform, signals.SR, signals.flat(1, image), image)
    with pytest.raises(ParameterError, match="is not one channel"):
        kept_and_removed(waveform, soft_mask(signals.flat(1, image), image), image)


def test_shapes_rates_and_masks_that_do_not_fit_are_named(signals):
    image = signals.settings()
    mask = soft_mask(signals.flat(1, image), image)
    with pytest.raises(ParameterError, match=r"shape \(64, 60\) does not fit the image's \(3, 64, 60\)"):
        soft_mask(signals.flat(1, image)[0], image)
    with pytest.raises(
        ParameterError, match=rf"shape \(801, 103\) does not fit {2 * signals.SR} samples at 16000 Hz: \(801, 203"
    ):
        kept_and_removed(signals.noise(2 * signals.SR), mask, image)
    for wrong in (mask + 1, -mask, mask * math.nan):
        with pytest.raises(ParameterError, match=r"the mask must be in \[0, 1\]"):
            kept_and_removed(signals.noise(signals.SR), wrong, image)
    with pytest.raises(ParameterError, match=r"sr_own=0 Hz is not in \[4000, 384000\]"):
        listen(signals.noise(signals.SR), 0, signals.flat(1, image), image)


def test_pairs_are_floats_under_safe_names(signals, tmp_path):
    kept, removed = 3 * signals.noise(500), signals.noise(500, seed=1)  # louder than full scale
    paths = write_pair(tmp_path / "new", "dog/1-100.flac", kept, removed, 22_050)
    assert [path.name for path in paths] == ["dog_1-100.flac_kept.wav", "dog_1-100.flac_removed.wav"]
    assert sorted((tmp_path / "new").iterdir()) == sorted(paths)  # no temporary file is left
    for path, sound in zip(paths, (kept, removed), strict=True):
        assert soundfile.info(path).subtype == "FLOAT"
        found, sr = soundfile.read(path, dtype="float32")
        assert sr == 22_050
        np.testing.assert_array_equal(found, sound)


@pytest.mark.parametrize(
    ("name", "safe"), [("../../a", "_._.._a"), ("/etc/a", "_etc_a"), ("a\\b\n\0", "a_b__"), ("été", "été"), (".", "_")]
)
def test_no_name_leaves_the_folder(signals, tmp_path, name, safe):
    kept, removed = write_pair(tmp_path, name, signals.noise(9), signals.noise(9), 8000)
    assert kept == tmp_path / f"{safe}_kept.wav"
    assert {kept, removed} == set(tmp_path.iterdir())


def test_pairs_that_are_none_write_nothing(signals, tmp_path):
    good, broken = signals.noise(9), np.full(9, math.nan, np.float32)
    for arguments, message in [
        (("", good, good, 8000), "name='' names no file"),
        (("a", good, signals.noise(8), 8000), "kept has 9 samples, removed has 8"),
        (("a", good, broken, 8000), "removed holds samples that are NaN"),
        (("a", good[None], good, 8000), "kept of shape"),
        (("a", good, good, 0), "sr=0 Hz"),
    ]:
        with pytest.raises(ParameterError, match=message):
            write_pair(tmp_path, *arguments)
    with pytest.raises(ResourceError, match="cannot write"):
        write_pair(tmp_path, "a" * 300, good, good, 8000)
    assert not list(tmp_path.iterdir())
