"""What is known of files: read once, read again when they change, and never trusted when it cannot be."""

import hashlib
import json
import os

import numpy as np
import pytest
import soundfile

from tlprobe.audio.load import AudioInfo
from tlprobe.data import facts
from tlprobe.errors import DataError


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Two recordings, written long ago."""
    monkeypatch.setenv("TLPROBE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    for name, n in (("a.wav", 100), ("b.wav", 200)):
        soundfile.write(folder / name, np.full(n, 0.1), 8000)
        old(folder / name)
    return folder


def old(path, *, age_s=60):
    stamp = path.stat().st_mtime - age_s
    os.utime(path, (stamp, stamp))


@pytest.fixture
def reads(monkeypatch):
    """Names of files that are hashed, as it happens."""
    seen = []
    real = facts.sha256_file
    monkeypatch.setattr(facts, "sha256_file", lambda path: seen.append(path.name) or real(path))
    return seen


def stores(root):
    return list((root.parent / "cache" / "facts").glob("*.json"))


def test_a_second_look_reads_nothing(root, reads):
    expected = tuple(hashlib.sha256((root / name).read_bytes()).hexdigest() for name in ("b.wav", "a.wav", "b.wav"))
    assert facts.file_hashes(root, ["b.wav", "a.wav", "b.wav"]) == expected
    assert reads == ["b.wav", "a.wav"]
    assert facts.file_hashes(root, ["b.wav", "a.wav", "b.wav"]) == expected
    assert reads == ["b.wav", "a.wav"]


def test_headers_are_kept_beside_hashes(root, monkeypatch):
    facts.file_hashes(root, ["a.wav"])
    assert facts.headers(root, ["a.wav", "b.wav"]) == (AudioInfo(8000, 100, 1), AudioInfo(8000, 200, 1))
    monkeypatch.setattr(facts, "info", None)
    monkeypatch.setattr(facts, "sha256_file", None)
    assert facts.headers(root, ["b.wav"])[0].n_samples == 200
    assert len(facts.file_hashes(root, ["a.wav"])[0]) == 64


def test_a_file_that_changed_is_read_again_and_only_it(root, reads):
    first = facts.file_hashes(root, ["a.wav", "b.wav"])
    soundfile.write(root / "a.wav", np.full(100, 0.2), 8000)  # of the same size
    old(root / "a.wav", age_s=30)
    second = facts.file_hashes(root, ["a.wav", "b.wav"])
    assert second[0] != first[0]
    assert second[1] == first[1]
    assert reads == ["a.wav", "b.wav", "a.wav"]


def test_what_was_just_written_is_not_kept(root, reads):
    soundfile.write(root / "a.wav", np.full(100, 0.3), 8000)  # could be written again within the same tick
    for _ in range(2):
        facts.file_hashes(root, ["a.wav"])
    assert reads == ["a.wav", "a.wav"]


def test_forgotten_is_read_again(root, reads):
    facts.file_hashes(root, ["a.wav"])
    facts.forget(root)
    facts.forget(root)  # nothing there is no error
    facts.file_hashes(root, ["a.wav"])
    assert reads == ["a.wav", "a.wav"]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"[]",
        b'{"schema": 0, "files": {}}',
        b'{"schema": 1, "files": {"a.wav": {}}}',
        b"\xff\x00",
        b'{"schema": 1}',
    ],
)
def test_a_damaged_store_counts_for_nothing(root, reads, damage):
    facts.file_hashes(root, ["a.wav"])
    (store,) = stores(root)
    store.write_bytes(damage)
    facts.file_hashes(root, ["a.wav"])
    assert reads == ["a.wav", "a.wav"]
    assert json.loads(store.read_text())["files"].keys() == {"a.wav"}


def test_errors_are_told_at_once_and_the_rest_is_kept(root, reads):
    (root / "bad.wav").write_bytes(b"no sound")
    with pytest.raises(DataError, match=r"2 recordings cannot be used: .*gone\.wav cannot be read.*worse\.wav"):
        facts.file_hashes(root, ["a.wav", "gone.wav", "worse.wav"])
    with pytest.raises(DataError, match=r"bad\.wav is no recording"):
        facts.headers(root, ["a.wav", "bad.wav"])
    facts.file_hashes(root, ["a.wav"])
    assert reads == ["a.wav", "gone.wav", "worse.wav"]


def test_a_link_out_of_the_folder_is_refused_and_one_within_is_read(root, tmp_path):
    soundfile.write(tmp_path / "out.wav", np.full(10, 0.1), 8000)
    (root / "out.wav").symlink_to(tmp_path / "out.wav")
    (root / "within.wav").symlink_to("a.wav")
    assert facts.file_hashes(root, ["within.wav"]) == facts.file_hashes(root, ["a.wav"])
    for look in (facts.file_hashes, facts.headers, facts.unusable):
        with pytest.raises(DataError, match=r"out\.wav leads out of the data folder"):
            look(root, ["a.wav", "out.wav"])
