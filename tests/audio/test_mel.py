"""Mel filters against librosa."""

import librosa
import numpy as np
import pytest

from tlprobe.audio.mel import mel_edges_hz, mel_filters
from tlprobe.audio.settings import ImageSettings
from tlprobe.errors import ParameterError


def settings(**changes):
    return ImageSettings(**{"sr": 16_000, "clip_s": 1.0, "width": 50} | changes)


@pytest.mark.parametrize("sr", [4_000, 8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000])
def test_no_filter_is_empty_at_usual_rates(sr):
    wanted = settings(sr=sr)
    assert (mel_filters(wanted).sum(axis=1) > 0).all()
    np.testing.assert_allclose(mel_edges_hz(wanted), librosa.mel_frequencies(130, fmin=0, fmax=sr / 2, htk=True))


def test_empty_filters_are_refused():
    with pytest.raises(ParameterError, match=r"n_mels=512 leaves .* mel filters empty at sr=16000"):
        mel_filters(settings(n_mels=512))


@pytest.mark.parametrize("sr", [8_000, 22_050, 44_100])
def test_the_mel_filters_are_librosas(sr):
    wanted = settings(sr=sr)
    expected = librosa.filters.mel(sr=sr, n_fft=wanted.n_fft, n_mels=128, fmin=0.0, fmax=sr / 2, htk=True, norm=None)
    np.testing.assert_allclose(mel_filters(wanted), expected, atol=1e-6)
