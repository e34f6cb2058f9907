"""MP3 files without a Xing header: whole ones are read whole, others are refused for what they are."""

import functools
import io

import numpy as np
import pytest
import soundfile

from tlprobe.audio.load import info, load
from tlprobe.audio.mpeg import _frame_length, exact_length
from tlprobe.errors import DataError

ID3V1 = b"TAG" + b"x" * 125
ID3V2 = b"ID3\3\0\0" + bytes([0, 0, 8, 0]) + bytes(1024)
APE = b"APETAGEX" + (2000).to_bytes(4, "little") + (32).to_bytes(4, "little") + (1).to_bytes(4, "little") + bytes(12)
SOUND = 8  # seconds


@functools.cache
def frames(sr, mode, *, level=0.5):
    """The frames of a recording whose loudness varies, the Xing frame first."""
    rng = np.random.default_rng(0)
    sound = np.concatenate([rng.normal(0, 0.2, 2 * sr), np.zeros(3 * sr), rng.normal(0, 1e-3, 3 * sr)])
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, sr, format="MP3", bitrate_mode=mode, compression_level=level)
    content, at, found = buffer.getvalue(), 0, []
    while at < len(content):
        found.append(content[at : at + _frame_length(content, at)])
        at += len(found[-1])
    assert b"".join(found) == content
    return found


@pytest.fixture
def mp3(tmp_path):
    return tmp_path / "a.mp3"


@pytest.mark.parametrize(("sr", "n_frame"), [(8_000, 576), (16_000, 576), (22_050, 576), (44_100, 1152)])
@pytest.mark.parametrize(
    ("before", "after"),
    [(b"", b""), (b"", ID3V1), (ID3V2, b""), (ID3V2 * 2, bytes(1968) + APE + ID3V1), (b"", bytes(99))],
)
def test_whole_cbr_file_is_read(mp3, sr, n_frame, before, after):
    sound = frames(sr, "CONSTANT")[1:]
    mp3.write_bytes(before + b"".join(sound) + after)
    assert info(mp3).n_samples == n_frame * len(sound)
    assert len(load(mp3, sr=sr)) == n_frame * len(sound)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE", "AVERAGE"])
def test_xing_header_is_believed(mp3, mode):
    mp3.write_bytes(b"".join(frames(16_000, mode)))
    assert info(mp3).n_samples == len(load(mp3, sr=16_000)) == SOUND * 16_000


def test_bitrates_read_the_same_with_and_without_padding_first(mp3):
    """libsndfile's guess goes by the first frame: a padded one makes it stop up to a frame early, no more."""
    sound = frames(44_100, "CONSTANT")[1:]
    assert {len(frame) for frame in sound} == {522, 523}
    for start in range(4):
        mp3.write_bytes(b"".join(sound[start:]))
        exact = 1152 * (len(sound) - start)
        assert exact - 1152 < info(mp3).n_samples <= exact
        assert len(load(mp3, sr=44_100)) == info(mp3).n_samples


@pytest.mark.parametrize("mode", ["VARIABLE", "AVERAGE"])
@pytest.mark.parametrize("sr", [16_000, 44_100])
def test_vbr_file_that_would_be_cut_short_is_refused(mp3, mode, sr):
    mp3.write_bytes(b"".join(frames(sr, mode)[1:]))
    for read in (info, lambda path: load(path, sr=sr)):
        with pytest.raises(
            DataError, match=r"a\.mp3 is a VBR MP3 without a Xing header; re-encode it: libsndfile would"
        ):
            read(mp3)


def test_cbr_file_that_would_be_cut_short_is_not_called_vbr(mp3):
    """At 8 kbit/s one byte of padding is a 27th of a frame."""
    sound = frames(22_050, "CONSTANT", level=0.99)[1:]
    first = next(i for i, frame in enumerate(sound) if len(frame) == 27)
    mp3.write_bytes(b"".join(sound[first:]))
    with pytest.raises(DataError, match="is a CBR MP3 without a Xing header; re-encode it"):
        info(mp3)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("after", [b"", ID3V1])
def test_cut_in_the_last_frame_is_refused(mp3, mode, after):
    mp3.write_bytes(b"".join(frames(16_000, mode)[1:])[:-10] + after)
    for read in (info, lambda path: load(path, sr=16_000)):
        with pytest.raises(DataError, match=r"a\.mp3 is truncated: its last MPEG frame is cut off"):
            read(mp3)


def test_damage_between_frames_is_refused(mp3):
    sound = frames(16_000, "CONSTANT")[1:]
    mp3.write_bytes(b"".join(sound[:50]) + bytes(400) + b"".join(sound[51:]))
    with pytest.raises(DataError, match=f"damaged: no MPEG frame at byte {50 * 360}, where one should start"):
        info(mp3)


def test_where_no_frame_is_to_count_libsndfile_is_believed(mp3):
    for content in (b"", b"\xff", b"ID3\4", b"\xff\xfb\xff", ID3V2, b"\xff\xfd\x90\0" * 100, ID3V1, APE):
        mp3.write_bytes(content)
        assert exact_length(mp3, told=7) == 7
