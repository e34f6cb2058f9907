"""What a map keeps and removes of a sound, classified again."""

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from tlprobe.audio.image import row_hz, silence_image
from tlprobe.errors import DataError, ParameterError
from tlprobe.probes.attribute import attribute
from tlprobe.probes.attribution.closed_loop import hear, sound_name


class High(nn.Module):
    """Class 0 where the upper half of the image is louder than the lower, class 1 where it is not."""

    def forward(self, x):
        difference = x[:, :, 64:].mean((1, 2, 3)) - x[:, :, :64].mean((1, 2, 3))
        return torch.stack([4 * difference, -4 * difference, torch.full_like(difference, -20)], dim=1)


@pytest.fixture
def two_tones(tmp_path, tiny_checkpoint):
    """A low and a high tone, at the rate and length of the tiny run's clips."""
    settings = tiny_checkpoint.material.settings
    time = np.arange(settings.n_samples) / settings.sr
    sound = 0.3 * np.sin(2 * np.pi * 300 * time) + 0.3 * np.sin(2 * np.pi * 3000 * time)
    soundfile.write(tmp_path / "two.wav", sound, settings.sr, "FLOAT")
    return tmp_path / "two.wav"


def map_on(checkpoint, high):
    """A map on the rows of one half."""
    settings = checkpoint.material.settings
    attribution = np.zeros(checkpoint.material.image_shape, np.float32)
    attribution[:, (row_hz(settings) > 1200) == high] = 1
    return attribution


def level(samples, hz, sr):
    """Power of a tone, away from the ends."""
    inner = samples[len(samples) // 4 : -len(samples) // 4]
    time = np.arange(len(inner)) / sr
    return abs(np.mean(inner * np.exp(-2j * np.pi * hz * time))) ** 2


@pytest.mark.parametrize("high", [True, False])
def test_the_kept_half_is_heard_and_classified_as_it_should(tiny_checkpoint, two_tones, tmp_path, high):
    found = hear(
        tiny_checkpoint,
        High(),
        two_tones,
        (None, None),
        map_on(tiny_checkpoint, high),
        column=0 if high else 1,
        folder=tmp_path / "sounds",
        name="a/two.wav",
        device=torch.device("cpu"),
    )
    classes = tiny_checkpoint.classes
    assert (found["kept_predicted"], found["removed_predicted"]) == (classes[1 - high], classes[int(high)])
    assert found["kept_probability"] > 0.5 > found["removed_probability"]
    kept, sr = soundfile.read(tmp_path / "sounds" / found["kept_wav"])
    removed, _ = soundfile.read(tmp_path / "sounds" / found["removed_wav"])
    whole, _ = soundfile.read(two_tones)
    np.testing.assert_allclose(kept + removed, whole, atol=1e-4)
    own, other = (3000, 300) if high else (300, 3000)
    assert level(kept, own, sr) > 100 * level(kept, other, sr)
    assert level(removed, other, sr) > 100 * level(removed, own, sr)


def test_the_verb_writes_a_pair_a_clip_and_scores_both(tiny_run, tmp_path):
    record = attribute(tiny_run, n_clips=2, n_steps=4, sounds=tmp_path / "s", device="cpu", progress=False)
    for row in record.rows:
        for what in ("kept", "removed"):
            assert 0 <= row[f"{what}_probability"] <= 1
            assert row[f"{what}_predicted"] in {"high", "low", "noise"}
            assert (tmp_path / "s" / row[f"{what}_wav"]).is_file()
        assert 0 < row["target_probability"] <= 1
        for place in ("padding", "above", "ends"):
            assert 0 <= row[f"on_{place}_area"] <= 1
        for place in ("above", "ends"):
            assert 0 <= row[f"on_{place}"] <= 1
        assert row["on_padding"] is None  # from silence it is 0, whatever the network does
    assert record.params["above_hz"] == record.params["image"]["sr"] / 4
    assert len(list((tmp_path / "s").iterdir())) == 4
    plain = attribute(tiny_run, n_clips=1, n_steps=1, above_hz=3990, device="cpu", progress=False)
    assert "kept_wav" not in plain.rows[0]
    assert 0 <= plain.rows[0]["on_above_area"] < 0.02
    for above_hz in (0, 4000, float("nan")):
        with pytest.raises(ParameterError, match=f"above_hz={above_hz:g} is not between 0 and the images' 4000 Hz"):
            attribute(tiny_run, n_clips=1, above_hz=above_hz, device="cpu", progress=False)


def test_a_recording_that_is_gone_is_named(tiny_checkpoint, tmp_path):
    nothing = np.zeros_like(silence_image(tiny_checkpoint.material.settings))
    with pytest.raises(DataError, match=r"gone\.wav is missing"):
        hear(
            tiny_checkpoint,
            High(),
            tmp_path / "gone.wav",
            (None, None),
            nothing,
            column=0,
            folder=tmp_path,
            name="gone",
            device=torch.device("cpu"),
        )


def test_no_two_sounds_have_one_name():
    row = {"clip": "c.wav", "start_s": None, "run": "a", "method": "occlusion", "block": None, "baseline": "silence"}
    used = set()
    assert [sound_name(row, runs=1, ways=1, used=used) for _ in range(3)] == ["c.wav", "c.wav_2", "c.wav_3"]
    part = {**row, "start_s": 1.5}
    assert sound_name(part, runs=2, ways=2, used=used) == "c.wav_1.5s_a_occlusion_silence"
    assert sound_name({**row, "clip": "x/c.wav"}, runs=1, ways=1, used={"x_c.wav"}) == "x_c.wav_2"
