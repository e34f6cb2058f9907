"""What becomes of a recording on the way to its image: its channels, and its length."""

import numpy as np
import pytest
import soundfile

from tlprobe.audio.image import ImageMaker
from tlprobe.audio.settings import ImageSettings
from tlprobe.data.cache import load_images
from tlprobe.data.dataset import Clip, Dataset
from tlprobe.data.render import image_of
from tlprobe.errors import DataError

SR = 8000


def settings(**more):
    return ImageSettings(**{"sr": SR, "clip_s": 1.0, "width": 50, "features": "log-mel", **more})


def tone(hz, seconds, *, level=0.4):
    return (level * np.sin(2 * np.pi * hz * np.arange(int(SR * seconds)) / SR)).astype(np.float32)


@pytest.fixture
def write(tmp_path):
    def write(samples, name="a.wav"):
        soundfile.write(tmp_path / name, samples, SR, subtype="FLOAT")
        return tmp_path / name

    return write


def test_one_channel_of_two(write):
    low, high = tone(300, 1), tone(2000, 1)
    path = write(np.stack([low, high], axis=1))
    for channel, alone in ((1, low), (2, high), (None, (low + high) / 2)):
        own = settings(channel=channel)
        image, _ = image_of(path, ImageMaker(own))
        np.testing.assert_allclose(image, ImageMaker(own)(alone), atol=1e-4)
    with pytest.raises(DataError, match=r"a\.wav has no channel 3; it has 2"):
        image_of(path, ImageMaker(settings(channel=3)))


def test_clips_whose_channels_cancel_are_told_and_counted(write, tmp_path, caplog):
    one = tone(440, 1)
    write(np.stack([one, -one], axis=1), "opposite.wav")
    write(np.stack([one, one], axis=1), "equal.wav")
    write(np.stack([one, tone(700, 1)], axis=1), "unrelated.wav")  # half of the energy
    write(one, "mono.wav")
    names = ("equal.wav", "mono.wav", "opposite.wav", "unrelated.wav")
    dataset = Dataset("set", tmp_path, tuple(Clip(name, "x", 1, name) for name in names), ("x",))
    images = load_images(dataset, settings(), progress=False)
    assert images.n_cancelled == 2
    assert "of 2 clips the mean of the channels loses more than a fifth of their energy" in caplog.text
    assert load_images(dataset, settings(), progress=False).n_cancelled == 2  # as the cache remembers
    two = Dataset("set", tmp_path, tuple(Clip(name, "x", 1, name) for name in names if name != "mono.wav"), ("x",))
    assert load_images(two, settings(channel=1), progress=False).n_cancelled == 0


def test_short_clips_get_silence_or_are_repeated(write):
    short = tone(500, 0.25)
    path = write(short)
    for short_by, whole in (("silence", np.pad(short, (0, 6000))), ("repeat", np.tile(short, 4))):
        own = settings(short=short_by)
        image, rendered = image_of(path, ImageMaker(own))
        np.testing.assert_array_equal(image, ImageMaker(own)(whole))
        assert rendered.fit == "padded"


@pytest.mark.parametrize("features", ["log-mel3", "log-spec", "mfcc", "gammatone"])
def test_a_stretched_clip_is_what_its_own_length_would_show(write, features):
    short = np.random.default_rng(0).normal(0, 0.1, SR // 2).astype(np.float32)
    image, rendered = image_of(write(short), ImageMaker(settings(short="stretch", features=features)))
    assert rendered.fit == "padded"
    np.testing.assert_array_equal(image, ImageMaker(settings(clip_s=0.5, features=features))(short))
    long = np.random.default_rng(1).normal(0, 0.1, 2 * SR).astype(np.float32)
    cropped, rendered = image_of(write(long), ImageMaker(settings(short="stretch", features=features)))
    assert rendered.fit == "cropped"
    np.testing.assert_array_equal(cropped, ImageMaker(settings(features=features))(long[SR // 2 : 3 * SR // 2]))


def test_a_click_is_stretched_too(write):
    image, _ = image_of(write(np.full(5, 0.5, np.float32)), ImageMaker(settings(short="stretch")))
    assert image.shape == (3, 128, 50)
    assert np.isfinite(image).all()
