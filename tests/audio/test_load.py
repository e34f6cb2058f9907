"""Reading: every encoding gives the same signal, and a damaged file is never half a recording."""

import struct

import numpy as np
import pytest
import soundfile

from tlprobe.audio.load import UNCHECKED_FORMATS, AudioInfo, info, load
from tlprobe.errors import DataError

SR = 16_000


def tone(n=SR, sr=SR, hz=440.0):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(n) / sr)).astype(np.float32)


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(), SR, "PCM_16")
    return path


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.wav", "PCM_U8", 1e-2),
        ("a.wav", "PCM_16", 1e-4),
        ("a.wav", "PCM_24", 1e-6),
        ("a.wav", "FLOAT", 1e-7),
        ("a.wav", "DOUBLE", 1e-7),
        ("a.wav", "ULAW", 2e-2),
        ("a.flac", "PCM_16", 1e-4),
        ("a.aiff", "PCM_16", 1e-4),
        ("a.ogg", "VORBIS", 5e-2),
    ],
)
def test_every_encoding_gives_the_same_signal(tmp_path, name, subtype, tolerance):
    path = tmp_path / name
    soundfile.write(path, tone(), SR, subtype)
    waveform = load(path, sr=SR)
    assert waveform.dtype == np.float32
    assert waveform.shape == (SR,)
    assert np.abs(waveform - tone()).max() < tolerance


def test_mp3_is_read_whole(tmp_path):
    path = tmp_path / "a.mp3"
    soundfile.write(path, tone(), SR, format="MP3")
    waveform = load(path, sr=SR)
    assert len(waveform) >= SR  # the encoder adds a delay
    assert np.std(waveform[4000:12000]) == pytest.approx(np.std(tone()), rel=0.05)


def test_info_reads_the_header(tmp_path):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([tone(8000)] * 2, axis=1), 8000)
    assert info(path) == AudioInfo(sr=8000, n_samples=8000, n_channels=2)
    assert info(path).duration_s == 1.0


def test_stereo_is_the_mean_of_the_channels(tmp_path):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([tone(), np.zeros(SR, np.float32)], axis=1), SR, "FLOAT")
    np.testing.assert_allclose(load(path, sr=SR), tone() / 2, atol=1e-7)


@pytest.mark.parametrize(
    ("sr_from", "n", "expected"), [(44_100, 44_101, 16_001), (8_000, 8_000, 16_000), (22_050, 1, 1)]
)
def test_resampled_length_is_rounded_up_and_the_tone_kept(tmp_path, sr_from, n, expected):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(n, sr_from) + 0.1, sr_from, "FLOAT")
    waveform = load(path, sr=SR)
    assert waveform.shape == (expected,)
    assert waveform.dtype == np.float32
    if n > 1:
        np.testing.assert_allclose(waveform[2000:14000], tone()[2000:14000] + 0.1, atol=2e-3)


def test_a_wrong_name_is_no_hindrance(tmp_path, wav):
    path = tmp_path / "tone.flac"
    path.write_bytes(wav.read_bytes())
    np.testing.assert_array_equal(load(path, sr=SR), load(wav, sr=SR))


@pytest.mark.parametrize(
    "name",
    [
        f"a.{format_.lower()}"
        for format_ in soundfile.available_formats()
        if format_ not in UNCHECKED_FORMATS | {"RAW", "SD2"}
    ],
)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.95, 0.99])
def test_truncated_file_is_refused(tmp_path, name, share):
    whole, path = tmp_path / f"whole-{name}", tmp_path / name
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * SR).astype(np.float32)
    soundfile.write(whole, noise, SR)
    content = whole.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=name) as caught:
        load(path, sr=SR)
    assert "\n" not in str(caught.value)


def test_wav_cut_by_two_bytes_is_refused_and_header_too(wav):
    wav.write_bytes(wav.read_bytes()[:-2])
    for read in (info, lambda path: load(path, sr=SR)):
        with pytest.raises(DataError, match="truncated"):
            read(wav)


@pytest.mark.parametrize("format_", sorted(UNCHECKED_FORMATS))
def test_rare_formats_are_read(tmp_path, format_):
    """By content: the name says WAV."""
    sr = 8_000 if format_ == "WVE" else SR
    soundfile.write(tmp_path / "a.wav", tone(), sr, format=format_)
    assert len(load(tmp_path / "a.wav", sr=info(tmp_path / "a.wav").sr)) == len(tone())


def test_size_of_the_whole_may_be_wrong_if_the_sound_is_there(wav):
    content = bytearray(wav.read_bytes())
    content[4:8] = struct.pack("<I", len(content) + 1000)
    wav.write_bytes(content)
    assert len(load(wav, sr=SR)) == SR
    wav.write_bytes(content[:-2])
    with pytest.raises(DataError, match="truncated"):
        info(wav)


def test_name_that_is_no_text_is_refused(wav):
    path = wav.rename(wav.with_name("caf\udce9.wav"))
    for read in (info, lambda path: load(path, sr=SR)):
        with pytest.raises(DataError, match=r"caf\\udce9\.wav' is no name in UTF-8; rename it"):
            read(path)


@pytest.mark.parametrize("declared", [0xFFFFFFFF, 0x7FFFF024])
def test_stream_of_undeclared_length_is_read_to_its_end(wav, declared):
    content = bytearray(wav.read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", declared)
    wav.write_bytes(content)
    assert len(load(wav, sr=SR)) == SR


@pytest.mark.parametrize("sr", [0, 1, 3_999, 384_001])
def test_impossible_rate_is_refused(wav, sr):
    content = bytearray(wav.read_bytes())
    content[24:28] = struct.pack("<I", sr)
    wav.write_bytes(content)
    with pytest.raises(DataError, match=r"tone\.wav"):
        info(wav)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path, bad):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.array([0.1, bad, 0.2]), SR, "FLOAT")
    with pytest.raises(DataError, match="NaN or infinite"):
        load(path, sr=SR)


def test_silence_and_cancelling_channels_are_zeros(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(100), SR)
    np.testing.assert_array_equal(load(path, sr=SR), np.zeros(100, np.float32))
    soundfile.write(path, np.stack([tone(), -tone()], axis=1), SR, "FLOAT")
    np.testing.assert_array_equal(load(path, sr=SR), np.zeros(len(tone()), np.float32))


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_a_part_is_what_the_whole_has_there(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * SR).astype(np.float32)
    soundfile.write(path, noise, SR)
    whole = load(path, sr=SR)
    np.testing.assert_allclose(load(path, sr=SR, start_s=1.5, end_s=2.25), whole[SR * 3 // 2 : SR * 9 // 4], atol=1e-6)
    np.testing.assert_allclose(load(path, sr=SR, end_s=0.5), whole[: SR // 2], atol=1e-6)
    np.testing.assert_allclose(load(path, sr=SR, start_s=3.0, end_s=99.0), whole[3 * SR :], atol=1e-6)
    with pytest.raises(DataError, match="nothing is left of 50 to 60 s"):
        load(path, sr=SR, start_s=50, end_s=60)


def test_what_is_too_long_to_decode_at_once_is_refused_but_its_parts_are_not(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(), SR)
    monkeypatch.setattr("tlprobe.audio.load.DECODED_S_MAX", 0.5 * len(tone()) / SR)
    with pytest.raises(DataError, match=r"are decoded at once: cut it into windows"):
        load(path, sr=SR)
    assert len(load(path, sr=SR, end_s=0.25 * len(tone()) / SR)) == round(0.25 * len(tone()))


def test_what_is_no_recording_is_refused(tmp_path):
    with pytest.raises(DataError, match="missing"):
        load(tmp_path / "none.wav", sr=SR)
    with pytest.raises(DataError, match="no regular file"):
        load(tmp_path, sr=SR)
    page = tmp_path / "page.wav"
    page.write_text("<html>not found</html>")
    with pytest.raises(DataError, match="no recording that libsndfile can read"):
        load(page, sr=SR)
    empty = tmp_path / "none.wav"
    soundfile.write(empty, np.zeros(0), SR)
    with pytest.raises(DataError, match="holds no samples"):
        load(empty, sr=SR)
    raw = tmp_path / "a.raw"
    raw.write_bytes(b"\1" * 100)
    with pytest.raises(DataError, match=r"a\.raw"):
        load(raw, sr=SR)
