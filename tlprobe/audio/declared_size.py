"""The size that a sound file's own header promises.

libsndfile decodes half a WAV file to half the samples without a word; the header still tells. Only the end
of the sound counts: a size of the whole that is wrong, as some recorders write, loses nothing.
References: RIFF and WAVE (Microsoft 1991), AIFF (Apple 1989), IFF 8SVX (EA 1985), RF64 (EBU Tech 3306),
Wave64 (Sonic Foundry), CAF (Apple), AU (Sun), SPHERE (NIST), VOC (Creative Labs).
"""

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["promised_size"]

_STREAMED = 0x7FFFF000  # lengths from here on say "not known": 0xFFFFFFFF (FFmpeg), a little over this (SoX)
_STREAMED_64 = 1 << 62  # the same in 64 bits: -1 (CAF), 2**63 - 1 (FFmpeg)
_IN_DS64 = 0xFFFFFFFF  # RF64: the length is the one in the ds64 chunk
_NIST_MAX = 1 << 20  # bytes; longer is no text header


@dataclass(frozen=True)
class _Chunks:
    """How a format made of chunks lays them out."""

    header: str  # struct of a chunk's name and length
    start: int  # byte of the first chunk
    sound: bytes  # first four bytes of the name of the chunk that holds the sound
    align: int  # chunks start at multiples of it
    streamed: int  # lengths from here on are not known
    counts_itself: bool = False  # the length includes the chunk's header


_RIFF = _Chunks("<4sI", start=12, sound=b"data", align=2, streamed=_STREAMED)
_CHUNKED = {
    b"RIFF": _RIFF,
    b"RF64": _RIFF,
    b"RIFX": _Chunks(">4sI", start=12, sound=b"data", align=2, streamed=_STREAMED),
    b"AIFF": _Chunks(">4sI", start=12, sound=b"SSND", align=2, streamed=_STREAMED),
    b"AIFC": _Chunks(">4sI", start=12, sound=b"SSND", align=2, streamed=_STREAMED),
    b"8SVX": _Chunks(">4sI", start=12, sound=b"BODY", align=2, streamed=_STREAMED),
    b"16SV": _Chunks(">4sI", start=12, sound=b"BODY", align=2, streamed=_STREAMED),
    b"riff": _Chunks("<16sQ", start=40, sound=b"data", align=8, streamed=_STREAMED_64, counts_itself=True),
    b"caff": _Chunks(">4sQ", start=8, sound=b"data", align=1, streamed=_STREAMED_64),
}


def promised_size(path: Path) -> int:
    """Return the size in bytes that the header of a recording implies.

    Parameters
    ----------
    path : Path

    Returns
    -------
    n_bytes : int >= 0
        Where the sound ends. 0 if the header does not say, or the file is none of WAV, RF64, W64, AIFF, SVX,
        AU, CAF, NIST and VOC.
    """
    with path.open("rb") as file:
        head = file.read(40)
        kind = head[8:12] if head[:4] == b"FORM" else head[:4]
        if layout := _CHUNKED.get(kind):
            return _end_of_sound(file, head, layout)
        if kind in (b".snd", b"dns."):
            return _end_of_au(head)
        if head[:8] == b"NIST_1A\n":
            return _end_of_nist(file, head)
        if head[:20] == b"Creative Voice File\x1a":
            return _end_of_voc(file, head)
    return 0


def _end_of_sound(file: BinaryIO, head: bytes, layout: _Chunks) -> int:
    n_header = struct.calcsize(layout.header)
    size = file.seek(0, 2)
    offset = layout.start
    while offset + n_header <= size:  # also keeps the seek within what a seek can do
        file.seek(offset)
        name, length = struct.unpack(layout.header, file.read(n_header))
        length -= n_header if layout.counts_itself else 0
        if length < 0:
            return 0  # damaged; libsndfile says how
        offset += n_header
        if name[:4] == layout.sound:
            streamed = layout.streamed
            if length == _IN_DS64 and head[:4] == b"RF64" and head[12:16] == b"ds64":
                length, streamed = int.from_bytes(head[28:36], "little"), _STREAMED_64
            return offset + int(length) if length < streamed else 0
        offset += length + -length % layout.align
    return 0


def _end_of_au(head: bytes) -> int:
    if len(head) < 12:
        return 0
    start, length = struct.unpack(">II" if head[:4] == b".snd" else "<II", head[4:12])
    return int(start + length) if length < _STREAMED else 0


def _end_of_nist(file: BinaryIO, head: bytes) -> int:
    n_header = head[8:16].strip()
    if not n_header.isdigit() or int(n_header) > _NIST_MAX:
        return 0
    file.seek(0)
    header = file.read(int(n_header))
    factors = [
        re.search(rb"^%s -\w+ (\d{1,18})\s*$" % name, header, re.MULTILINE)
        for name in (b"sample_count", b"sample_n_bytes", b"channel_count")
    ]
    if b"embedded-" in header:  # compressed, so its size is not that of the samples; libsndfile refuses it
        return 0
    count, n_bytes, channels = (int(factor[1]) if factor else 0 for factor in factors)
    return int(n_header) + count * n_bytes * channels


def _end_of_voc(file: BinaryIO, head: bytes) -> int:
    """Walk the blocks up to the one of type 0, a single byte that ends the file."""
    size = file.seek(0, 2)
    offset = int.from_bytes(head[20:22], "little")
    while offset < size:
        file.seek(offset)
        block = file.read(4)
        if block[0] == 0:
            break
        offset += 4 + int.from_bytes(block[1:], "little")
    return offset + 1
