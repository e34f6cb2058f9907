"""How many samples an MP3 holds, if it does not say so itself.

An MP3 is a chain of frames; a Xing (or Info) header, a first frame without sound, can give their number.
Without it libsndfile guesses the length from the file's size and the first frame, and reads no further than
that: of a file with a variable bitrate (VBR) most can be lost. So the frames are counted.
References: ISO/IEC 11172-3, 2.4.1.3 and 13818-3; Xing: http://gabriel.mp3-tech.org/mp3infotag.html.
"""

import re
from pathlib import Path

from tlprobe.errors import DataError

__all__ = ["exact_length"]

# By the two version bits, 3 = MPEG-1, 2 = MPEG-2, 0 = MPEG-2.5. Bitrates 0 (free) and 15 are not counted.
_KBPS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_KBPS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_KBPS = {3: _KBPS_1, 2: _KBPS_2, 0: _KBPS_2}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # Hz
_SAMPLES = {3: 1152, 2: 576, 0: 576}  # a frame's

_SYNC = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")  # 11 bits of sync, version, layer III, protection
_XING = re.compile(rb"(?:Xing|Info)...(.)", re.DOTALL)  # bit 0 of the flags: the number of frames follows


def exact_length(path: Path, *, told: int) -> int:
    """Return how many samples of each channel can be read from an MP3.

    Parameters
    ----------
    path : Path
    told : int > 0
        What libsndfile says. It is right if there is a Xing header, and believed if there is no frame of layer
        III to count (layers I and II, free bitrate).

    Returns
    -------
    n_samples : int > 0
        At most `told`; less than a frame is lost where libsndfile guesses a little short.

    Raises
    ------
    DataError
        If the file is cut within its last frame, damaged between frames, or libsndfile would stop a frame or
        more before its end.
    """
    data = path.read_bytes()
    end = _end_of_sound(data)
    at = _find_frame(data, _after_tags(data, 0), end)
    if at is None:
        return told
    frame_samples = _SAMPLES[data[at + 1] >> 3 & 3]
    if xing := _XING.search(data, at, at + 48):
        if xing[1][0] & 1:
            return told
        at += _frame_length(data, at)
    n_frames, bitrates = 0, set()
    while (at := _after_tags(data, at)) < end:
        length = _frame_length(data, at)
        if not length:
            if _find_frame(data, at, end) is not None:
                raise DataError(f"{path} is damaged: no MPEG frame at byte {at}, where one should start")
            break  # nothing but a tag of another kind, or padding
        if at + length > end:
            raise DataError(f"{path} is truncated: its last MPEG frame is cut off")
        bitrates.add(data[at + 2] >> 4)
        n_frames += 1
        at += length
    n_samples = n_frames * frame_samples
    if told <= n_samples - frame_samples:
        kind = "VBR" if len(bitrates) > 1 else "CBR"
        raise DataError(
            f"{path} is a {kind} MP3 without a Xing header; re-encode it: "
            f"libsndfile would stop after {told} of its {n_samples} samples"
        )
    return min(told, n_samples)


def _frame_length(data: bytes, at: int) -> int:
    """Return the bytes of the frame whose header is at `at`, 0 if there is none."""
    if not _SYNC.match(data, at) or len(data) < at + 4:
        return 0
    version, rate = data[at + 1] >> 3 & 3, data[at + 2] >> 2 & 3
    kbps, padding = _KBPS[version][data[at + 2] >> 4], data[at + 2] >> 1 & 1
    if rate == 3 or not kbps:
        return 0
    return _SAMPLES[version] * kbps * 125 // _RATES[version][rate] + padding


def _find_frame(data: bytes, start: int, end: int) -> int | None:
    """Return where the first frame from `start` on begins; one alone may be chance, so another has to follow."""
    for sync in _SYNC.finditer(data, start, end):
        length = _frame_length(data, sync.start())
        following = sync.start() + length
        alike = data[following : following + 2] == sync[0] and _frame_length(data, following)
        if length and (following == end or alike):
            return sync.start()
    return None


def _after_tags(data: bytes, at: int) -> int:
    """Skip ID3v2 tags; their size is in 4 x 7 bits, and a flag says that a footer of 10 bytes follows."""
    while data[at : at + 3] == b"ID3" and len(data) >= at + 10:
        size = sum(byte << shift for byte, shift in zip(data[at + 6 : at + 10], (21, 14, 7, 0), strict=True))
        at += 10 + size + (10 if data[at + 5] & 0x10 else 0)
    return at


def _end_of_sound(data: bytes) -> int:
    """Return where ID3v1 and APE tags at the end begin."""
    end = len(data)
    if data[max(0, end - 128) :][:3] == b"TAG":
        end -= 128
    footer = data[max(0, end - 32) : end]
    if footer[:8] == b"APETAGEX":
        end -= int.from_bytes(footer[12:16], "little") + (32 if footer[23] & 0x80 else 0)  # top flag: a header too
    return max(0, end)
