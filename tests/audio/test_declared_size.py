"""Where each header says that the sound ends: at the file's end, as written; elsewhere, when it is changed."""

import io
import struct

import numpy as np
import pytest
import soundfile

from tlprobe.audio.declared_size import promised_size
from tlprobe.audio.load import load
from tlprobe.errors import DataError

SR = 16_000
N = 1001  # odd, so that chunks of 8-bit samples are padded


def encoded(format_, *, subtype=None, endian=None, channels=1):
    """A recording in memory."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.1, (N, channels))
    soundfile.write(buffer, noise, SR, format=format_, subtype=subtype, endian=endian)
    return buffer.getvalue()


@pytest.fixture
def size_of(tmp_path):
    def promised(content):
        path = tmp_path / "a"
        path.write_bytes(content)
        return promised_size(path)

    return promised


@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("WAV", {}),
        ("WAV", {"endian": "BIG"}),  # RIFX
        ("WAV", {"subtype": "MS_ADPCM"}),
        ("WAVEX", {"channels": 2}),
        ("RF64", {}),
        ("W64", {}),
        ("AIFF", {}),
        ("AIFF", {"subtype": "FLOAT"}),  # AIFC
        ("AU", {}),
        ("AU", {"endian": "LITTLE"}),
        ("CAF", {}),
        ("CAF", {"subtype": "ALAC_16"}),
        ("SVX", {}),
        ("NIST", {"channels": 2}),
        ("NIST", {"subtype": "ULAW"}),
        ("VOC", {"subtype": "PCM_U8", "channels": 2}),
        ("VOC", {"channels": 2}),
    ],
)
def test_whole_file_is_as_long_as_promised_and_a_cut_one_refused(tmp_path, size_of, format_, options):
    content = encoded(format_, **options)
    assert size_of(content) in (len(content), len(content) - 1)  # - 1: the padding is no sound
    (tmp_path / "a").write_bytes(content)
    assert len(load(tmp_path / "a", sr=SR)) >= N
    (tmp_path / "a").write_bytes(content[:-2])
    with pytest.raises(DataError, match=f"truncated: its header promises .* it has {len(content) - 2}"):
        load(tmp_path / "a", sr=SR)


def test_padding_is_no_sound(size_of):
    assert size_of(encoded("WAV", subtype="PCM_U8")) == 44 + N


@pytest.mark.parametrize(
    ("format_", "mark", "length", "streamed"),
    [
        ("WAV", b"data", "<I", 0xFFFFFFFF),
        ("WAV", b"data", "<I", 0x7FFFF000),
        ("AIFF", b"SSND", ">I", 0xFFFFFFFF),
        ("CAF", b"data", ">q", -1),
    ],
)
def test_streamed_length_promises_nothing(size_of, format_, mark, length, streamed):
    content = bytearray(encoded(format_))
    struct.pack_into(length, content, content.index(mark) + 4, streamed)
    assert size_of(content) == 0


def test_streamed_64_bit_lengths_promise_nothing(size_of):
    wave64 = bytearray(encoded("W64"))
    struct.pack_into("<Q", wave64, wave64.index(b"data") + 16, 2**63 - 1)
    rf64 = bytearray(encoded("RF64"))
    struct.pack_into("<Q", rf64, 28, 2**64 - 1)
    assert size_of(wave64) == size_of(rf64) == 0


def test_voc_has_to_end_in_a_terminator(size_of):
    content = encoded("VOC")
    assert content[-1] == 0
    assert size_of(content[:-1]) == len(content)
    more = content[:-1] + b"\5\4\0\0text" + b"\0"  # a block after the sound
    assert size_of(more) == len(more)


def test_compressed_sphere_is_not_measured(size_of):
    content = encoded("NIST")
    assert size_of(content.replace(b"sample_coding -s3 pcm", b"sample_coding -s26 pcm,embedded-shorten-v2.00")) == 0


@pytest.mark.parametrize("format_", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF", "SVX", "NIST", "VOC"])
def test_any_header_is_survived(size_of, format_):
    content = encoded(format_)
    for end in range(0, 200, 3):
        size_of(content[:end])
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(content)
        for at in rng.integers(4, 120, 8):
            damaged[at] = rng.choice((0, 0xFF, rng.integers(256)))
        size_of(damaged)


def test_other_formats_promise_nothing(size_of):
    assert [size_of(encoded(format_)) for format_ in ("FLAC", "OGG")] == [0, 0]
