"""Headers and bodies with bytes that are not as they should be: a waveform or a DataError, and nothing else."""

import io
import time

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tlprobe.audio.condition import condition_of
from tlprobe.audio.load import DECODED_S_MAX, SR_MAX, SR_MIN, decode, info
from tlprobe.errors import DataError

SR = 8_000
N = 600


def encoded(format_, subtype, channels=1):
    samples = np.random.default_rng(0).normal(0, 0.2, (N, channels)).clip(-1, 1)
    content = io.BytesIO()
    soundfile.write(content, samples, SR, subtype, format=format_)
    return content.getvalue()


WHOLE = {
    "wav": encoded("WAV", "PCM_16"),
    "wav_float": encoded("WAV", "FLOAT", 2),
    "wav_mulaw": encoded("WAV", "ULAW"),
    "flac": encoded("FLAC", "PCM_16"),
    "flac_stereo": encoded("FLAC", "PCM_24", 2),
}


def damages(whole):
    """Draw a damaged copy: bytes changed, cut out or put in, most of them in the header; or its end cut off."""
    place = st.one_of(st.integers(0, min(120, len(whole) - 1)), st.integers(0, len(whole) - 1))
    change = st.tuples(st.just("set"), place, st.binary(min_size=1, max_size=4))
    extreme = st.tuples(st.just("set"), place, st.sampled_from([b"\xff" * 4, b"\x00" * 4, b"\xff\xff\xff\x7f"]))
    insertion = st.tuples(st.just("insert"), place, st.binary(min_size=1, max_size=40))
    removal = st.tuples(st.just("remove"), place, st.binary(min_size=1, max_size=40))
    cut = st.tuples(st.just("cut"), place, st.just(b""))
    return st.lists(st.one_of(change, extreme, insertion, removal, cut), min_size=1, max_size=6)


def damaged(whole, steps):
    content = bytearray(whole)
    for what, at, data in steps:
        if what == "set":
            content[at : at + len(data)] = data
        elif what == "insert":
            content[at:at] = data
        elif what == "remove":
            del content[at : at + len(data)]
        else:
            del content[at:]
    return bytes(content)


def check(path):
    """Decode a file, whatever it is."""
    began = time.monotonic()
    try:
        samples, header = decode(path)
    except DataError as error:
        refused = str(error)
    else:
        refused = None
        assert samples.dtype == np.float32
        assert np.isfinite(samples).all()
        assert samples.shape == (header.n_samples, header.n_channels)
        assert SR_MIN <= header.sr <= SR_MAX
        assert 0 < header.n_samples <= DECODED_S_MAX * header.sr
        assert samples.nbytes <= 64 * path.stat().st_size + 10_000  # no header makes a small file a large waveform
        assert info(path) == header
        assert condition_of(path).header == header
    if refused is not None:
        assert str(path) in refused
        assert "\n" not in refused
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("kind", WHOLE)
@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_gives_a_waveform_or_an_error(kind, tmp_path, data):
    path = tmp_path / f"damaged.{kind[:4].rstrip('_')}"
    path.write_bytes(damaged(WHOLE[kind], data.draw(damages(WHOLE[kind]))))
    check(path)


@given(content=st.one_of(st.binary(max_size=200), st.binary(max_size=100).map(lambda rest: b"RIFF" + rest)))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_an_error_or_a_waveform(tmp_path, content):
    path = tmp_path / "any.wav"
    path.write_bytes(content)
    check(path)
