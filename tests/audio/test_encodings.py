"""One sound in many encodings: what a network is shown is the same, within what each encoding keeps."""

import numpy as np
import pytest
import soundfile

from tlprobe.audio.image import ImageMaker
from tlprobe.audio.settings import FEATURES, ImageSettings
from tlprobe.data.render import image_of

SR = 16_000
# Natural log of power, root mean square over the image; bins that happen to be near zero count most. 16 bits are off by
# 3e-5 beside noise of 0.01, 8 bits by 256 times that. Of the lossy encodings: what is heard, see below.
TOLERANCE = {
    ("a.wav", "PCM_U8"): 0.6,
    ("a.wav", "PCM_16"): 8e-3,
    ("a.wav", "PCM_24"): 2e-5,
    ("a.wav", "PCM_32"): 2e-5,
    ("a.wav", "FLOAT"): 1e-6,
    ("a.wav", "ULAW"): 0.6,
    ("a.flac", "PCM_16"): 8e-3,
    ("a.flac", "PCM_24"): 2e-5,
    ("a.aiff", "PCM_16"): 8e-3,
    ("a.ogg", "VORBIS"): 0.1,
    ("a.mp3", None): 0.1,
}


def tone(seconds=1.0):
    """A chord with 30 dB of noise below it: in digital silence between partials an encoder's noise would be all."""
    time = np.arange(int(SR * seconds)) / SR
    noise = np.random.default_rng(0).normal(0, 0.01, len(time))
    return (0.17 * sum(np.sin(2 * np.pi * hz * time) for hz in (440, 1000, 2500)) + noise).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "subtype", "features"),
    [  # of mfcc, a coefficient sums over all bands, heard or not
        (*encoding, features)
        for encoding in TOLERANCE
        for features in FEATURES
        if features != "mfcc" or encoding[1] not in ("VORBIS", None)
    ],
)
def test_images_agree_within_the_encodings_tolerance(tmp_path, name, subtype, features):
    settings = ImageSettings(sr=SR, clip_s=1.0, width=50, features=features)
    maker = ImageMaker(settings)
    path = tmp_path / name
    soundfile.write(path, tone(), SR, subtype, format=None if subtype else "MP3")
    image, _ = image_of(path, maker)
    assert (image.dtype, image.shape) == (np.float32, (3, 128, 50))
    whole = maker(tone())
    difference = np.abs(image - whole)
    if subtype in ("VORBIS", None):  # they leave out what is masked; what is heard is as loud as before
        heard = whole[0].mean(axis=1).argsort()[-3:]
        assert np.median(difference[:, heard]) < TOLERANCE[name, subtype]
    else:
        assert np.sqrt(np.mean(difference**2)) < TOLERANCE[name, subtype]
