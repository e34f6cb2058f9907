"""Whether an Ogg file holds all its pages.

libsndfile skips what is missing or damaged in the middle and stops where the file does, without a word. A
page says which stream it belongs to, its own number, a checksum and whether it is the first or last of its
stream. It is 27 bytes, the last of them the number of segments; their sizes, a byte each; the segments.
Reference: RFC 3533, https://www.rfc-editor.org/rfc/rfc3533, section 6.
"""

import struct
import zlib
from pathlib import Path

from tlprobe.errors import DataError

__all__ = ["check_pages"]

_FIRST, _LAST = 2, 4  # flags: first, last page of its stream
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def check_pages(path: Path) -> None:
    """Raise DataError if a page is missing, damaged or cut off.

    Parameters
    ----------
    path : Path
        Starts with an Ogg page. What follows the last page, such as a tag, is no matter.
    """
    data = path.read_bytes()
    numbers: dict[int, int] = {}  # of the last page, by stream
    at, flags = 0, 0
    while page := _page(data, at):
        flags = page[5]
        stream, number, checksum = struct.unpack("<III", page[14:26])
        if _checksum(page) != checksum:
            raise DataError(f"{path} is damaged: the Ogg page at byte {at} does not match its checksum")
        if not flags & _FIRST and number != numbers.get(stream, -1) + 1:
            raise DataError(f"{path} is damaged: Ogg pages are missing before byte {at}")
        numbers[stream] = number
        at += len(page)
    if data.find(b"OggS", at + 1) >= 0:
        raise DataError(f"{path} is damaged: no whole Ogg page at byte {at}, where one should start")
    if data[at : at + 4] == b"OggS" or not flags & _LAST:
        raise DataError(f"{path} is truncated: its last Ogg page is cut off or not marked as the last")


def _page(data: bytes, at: int) -> bytes:
    """Return the page that starts at `at`; nothing if there is none, or not the whole of it."""
    n_segments = data[at + 26] if len(data) > at + 26 else 0
    table = data[at + 27 : at + 27 + n_segments]
    page = data[at : at + 27 + n_segments + sum(table)]
    whole = len(page) >= 27 and len(page) == 27 + n_segments + sum(table)
    return page if whole and page[:4] == b"OggS" else b""


def _checksum(page: bytes) -> int:
    """Return the CRC-32 of a page with its checksum field zeroed.

    Ogg's is that of `zlib` with the bits of each byte in the other order, and without the two inversions.
    """
    crc = zlib.crc32((page[:22] + bytes(4) + page[26:]).translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)
