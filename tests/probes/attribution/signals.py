"""Sounds, maps that lie on them, and how far a part is from a whole."""

import math

import numpy as np

from tlprobe.audio.image import row_hz
from tlprobe.audio.settings import ImageSettings

SR, LENGTH_S = 16_000, 1.0


def settings(**changes):
    return ImageSettings(**{"sr": SR, "clip_s": LENGTH_S, "width": 60, "n_mels": 64, **changes})


def noise(n, *, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, n).astype(np.float32)


def flat(value, image):
    return np.full((3, image.n_mels, image.width), value, np.float32)


def tone(hz, start_s, end_s, *, sr=SR, length_s=LENGTH_S):
    """A tone that fades in and out: a sudden one is at all frequencies."""
    time = np.arange(math.ceil(length_s * sr)) / sr
    place = np.clip((time - start_s) / (end_s - start_s), 0, 1)
    return (0.4 * np.sin(np.pi * place) ** 2 * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def map_around(hz, start_s, end_s, image, *, shown_from_s=0.0):
    """Ones on the rows within a third of `hz`, and on the columns from start to end."""
    rows = np.abs(row_hz(image) - hz) < hz / 3
    columns = (np.arange(image.width) + 0.5) * image.clip_s / image.width + shown_from_s
    inside = (columns > start_s - 0.03) & (columns < end_s + 0.03)
    return np.broadcast_to(np.outer(rows, inside), (3, image.n_mels, image.width)).astype(np.float32)


def decibels(part, whole):
    return 10 * math.log10(np.square(part, dtype=np.float64).sum() / np.square(whole, dtype=np.float64).sum())


def assert_told_apart(kept, removed, wanted, other):
    """Each half has one tone and less than a hundredth of the other's energy: what is left of it, and what it lacks."""
    assert decibels(kept - wanted, wanted) < -20
    assert decibels(kept - wanted, other) < -20
    assert decibels(removed - other, other) < -20
    assert decibels(removed - other, wanted) < -20
