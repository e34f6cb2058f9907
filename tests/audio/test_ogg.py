"""Pages of an Ogg file: all there, in order, undamaged, or an error."""

import functools
import io
import struct

import numpy as np
import pytest
import soundfile

from tlprobe.audio.load import info, load
from tlprobe.audio.ogg import _checksum, check_pages
from tlprobe.errors import DataError

SR = 16_000


@functools.cache
def encoded(subtype):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(0).normal(0, 0.1, 10 * SR), SR, format="OGG", subtype=subtype)
    return buffer.getvalue()


@pytest.fixture(params=["VORBIS", "OPUS"])
def ogg(tmp_path, request):
    path = tmp_path / "a.ogg"
    path.write_bytes(encoded(request.param))
    return path


def pages(path):
    """Split a whole file at its pages."""
    content, found = path.read_bytes(), []
    while content:
        assert content[:4] == b"OggS"
        n = 27 + content[26] + sum(content[27 : 27 + content[26]])
        found.append(content[:n])
        content = content[n:]
    return found


def slow_checksum(page):
    """Bit by bit, as in RFC 3533: polynomial 0x04c11db7, nothing inverted."""
    crc = 0
    for byte in page[:22] + bytes(4) + page[26:]:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


def test_checksum_equals_slow_twin_and_the_file(ogg):
    for page in pages(ogg)[:3]:
        assert _checksum(page) == slow_checksum(page) == struct.unpack("<I", page[22:26])[0]


def test_whole_file_is_read_whatever_follows(ogg):
    assert len(load(ogg, sr=SR)) == 10 * SR
    ogg.write_bytes(ogg.read_bytes() + b"TAG" + bytes(125))
    assert len(load(ogg, sr=SR)) == 10 * SR


def test_hole_is_refused(ogg):
    parts = pages(ogg)
    assert len(parts) > 6
    ogg.write_bytes(b"".join(parts[:4] + parts[5:]))
    hole = sum(map(len, parts[:4]))
    for read in (info, lambda path: load(path, sr=SR)):
        with pytest.raises(DataError, match=f"a.ogg is damaged: Ogg pages are missing before byte {hole}"):
            read(ogg)


def test_flipped_bit_is_refused(ogg):
    content = bytearray(ogg.read_bytes())
    content[len(content) // 2] ^= 1
    ogg.write_bytes(content)
    with pytest.raises(DataError, match="does not match its checksum"):
        load(ogg, sr=SR)


def test_lost_and_strange_bytes_are_refused(ogg):
    content, parts = ogg.read_bytes(), pages(ogg)
    ogg.write_bytes(b"".join(parts[:4]) + b"junk" + b"".join(parts[4:]))
    with pytest.raises(DataError, match=f"no whole Ogg page at byte {sum(map(len, parts[:4]))}, where one should"):
        check_pages(ogg)
    ogg.write_bytes(content[: len(content) // 2] + content[len(content) // 2 + 10_000 :])
    with pytest.raises(DataError, match="is damaged"):
        check_pages(ogg)


@pytest.mark.parametrize("missing", [1, 20, 100])
def test_cut_in_the_last_page_is_refused(ogg, missing):
    ogg.write_bytes(ogg.read_bytes()[:-missing])
    with pytest.raises(DataError, match="last Ogg page is cut off or not marked as the last"):
        check_pages(ogg)


def test_cut_between_pages_or_in_a_page_header_is_refused(ogg):
    parts = pages(ogg)
    for rest in (b"", parts[-1][:4], parts[-1][:26], parts[-1][:28]):
        ogg.write_bytes(b"".join(parts[:-1]) + rest)
        with pytest.raises(DataError, match="not marked as the last"):
            check_pages(ogg)


def test_two_files_in_a_row_are_no_hole(ogg):
    ogg.write_bytes(ogg.read_bytes() * 2)
    check_pages(ogg)
