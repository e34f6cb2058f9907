"""Recordings that cannot be used, one after the other, and what is said of each."""

import io
import struct

import numpy as np
import pytest
import soundfile

from tlprobe.audio.load import decode, info
from tlprobe.errors import DataError

SR = 16_000


def encoded(format_="WAV", subtype="PCM_16", *, n=SR // 4, channels=1, sr=SR, fill=None):
    samples = np.random.default_rng(0).normal(0, 0.1, (n, channels)) if fill is None else np.full((n, channels), fill)
    content = io.BytesIO()
    soundfile.write(content, samples, sr, subtype, format=format_)
    return content.getvalue()


WAV, FLAC, OGG, AIFF = encoded(), encoded("FLAC"), encoded("OGG", "VORBIS"), encoded("AIFF")


def patched(whole, at, data):
    return whole[:at] + data + whole[at + len(data) :]


def wav_of(channels, rate, bits, *, kind=1, body=b"\0" * 64):
    block = max(1, channels * bits // 8)
    head = struct.pack("<HHIIHH", kind, channels, rate, (rate * block) & 0xFFFFFFFF, block & 0xFFFF, bits)
    chunks = b"fmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


REFUSED = {
    "nothing in it": (b"", "is empty: it has 0 bytes"),
    "zeros": (b"\0" * 1000, "is no recording"),
    "text": (b"path,label\na.wav,dog\n", "is no recording"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "is no recording"),
    "a page instead of a download": (b"<!DOCTYPE html><html>404</html>", "is no recording"),
    "four letters": (b"RIFF", "is no recording|is truncated"),
    "RIFF that is no WAVE": (b"RIFF" + struct.pack("<I", 100) + b"AVI " + b"\0" * 96, "is no recording"),
    "a WAV header alone": (WAV[:44], "is truncated: its header promises"),
    "half a WAV": (WAV[: len(WAV) // 2], "is truncated: its header promises"),
    "a WAV without its last byte": (WAV[:-1], "is truncated: its header promises"),
    "a WAV with a header cut through": (WAV[:30], "is no recording|is truncated"),
    "a WAV without samples": (wav_of(1, SR, 16, body=b""), "is empty: it holds no samples"),
    "a WAV with no channels": (wav_of(0, SR, 16), "is no recording"),
    "a WAV with no bits": (wav_of(1, SR, 0), "is no recording"),
    "a WAV in an unknown coding": (wav_of(1, SR, 16, kind=0x1234), "is no recording"),
    "a rate of 0": (wav_of(1, 0, 16), "is no recording|claims a rate"),
    "a rate of 1": (wav_of(1, 1, 16), "claims a rate of 1 Hz"),
    "a rate of a million": (wav_of(1, 1_000_000, 16), "claims a rate of 1000000 Hz; rates from 4000 to 384000 Hz"),
    "NaN": (encoded(subtype="FLOAT", fill=np.nan), "NaN or infinite"),
    "infinity": (encoded(subtype="FLOAT", fill=np.inf), "NaN or infinite"),
    "a FLAC marker alone": (b"fLaC", "is no recording|is truncated"),
    "half a FLAC": (FLAC[: len(FLAC) // 2], "truncated|cannot be decoded"),
    "a FLAC without its last 100 bytes": (FLAC[:-100], "truncated|cannot be decoded"),
    "a FLAC that is noise inside": (
        patched(FLAC, 300, np.random.default_rng(0).bytes(len(FLAC) - 300)),
        "truncated|cannot be decoded",
    ),
    "half an OGG": (OGG[: len(OGG) // 2], "truncated|damaged|ends"),
    "an OGG page of noise": (patched(OGG, len(OGG) // 2, b"\xaa" * 200), "truncated|damaged|cannot be"),
    "half an AIFF": (AIFF[: len(AIFF) // 2], "is truncated: its header promises"),
    "a FORM that is no AIFF": (b"FORM" + struct.pack(">I", 100) + b"ILBM" + b"\0" * 96, "is no recording"),
    "an MP3 tag alone": (b"ID3\x04\x00\x00\x00\x00\x00\x00", "is no recording"),
    "an archive": (b"PK\x03\x04" + b"\0" * 200, "is no recording"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_used_is_refused_by_name_and_reason(tmp_path, kind):
    content, said = REFUSED[kind]
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        decode(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("whole", [WAV, FLAC, OGG, AIFF, encoded(channels=8), encoded(subtype="PCM_U8", n=3)])
def test_whole_ones_are_read(tmp_path, whole):
    path = tmp_path / "clip.wav"  # by content, not by name
    path.write_bytes(whole)
    samples, header = decode(path)
    assert len(samples) == header.n_samples == info(path).n_samples


def test_what_is_no_file(tmp_path):
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    for name, said in (("none.wav", "is missing"), ("folder.wav", "is no regular file"), ("loop.wav", "is missing")):
        with pytest.raises(DataError, match=rf"{name} {said}"):
            decode(tmp_path / name)
