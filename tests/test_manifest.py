"""A folder is what was written, or an error says which file is not."""

import random

import pytest

from tlprobe.errors import CheckpointError
from tlprobe.manifest import MANIFEST, entry_of, read_manifest, read_verified, write_manifest

FILES = {"a.bin": b"abc", "epochs/0001.bin": b"", "table.csv": b"x,y\n1,2\n"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "epochs").mkdir()
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    write_manifest(tmp_path, {name: entry_of(data) for name, data in FILES.items()})
    return tmp_path


def test_files_are_read_back(folder):
    assert {name: read_verified(folder, name) for name in FILES} == FILES
    # SHA-256 of "abc": FIPS 180-2, appendix B.1.
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert read_manifest(folder)["a.bin"] == {"bytes": 3, "sha256": digest}


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"abd", "SHA-256 is not the one"), (b"ab", "it has 2 bytes, 3 were written"), (b"", "it has 0 bytes")],
)
def test_another_content_is_refused(folder, data, words):
    (folder / "a.bin").write_bytes(data)
    with pytest.raises(CheckpointError, match=rf"a\.bin is damaged: .*{words}"):
        read_verified(folder, "a.bin")
    assert read_verified(folder, "table.csv") == FILES["table.csv"]


def test_what_is_missing_or_not_listed_is_refused(folder):
    (folder / "a.bin").unlink()
    (folder / "new.bin").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"a\.bin is missing"):
        read_verified(folder, "a.bin")
    with pytest.raises(CheckpointError, match=r"new\.bin is not listed in .*manifest\.json"):
        read_verified(folder, "new.bin")
    (folder / MANIFEST).unlink()
    with pytest.raises(CheckpointError, match=r"manifest\.json is missing"):
        read_verified(folder, "table.csv")


def test_every_bit_of_the_manifest_itself_counts(folder):
    """Its white space too: one spelling, so that nothing in it can change unseen."""
    file = folder / MANIFEST
    whole = file.read_bytes()
    for bit in random.Random(0).sample(range(8 * len(whole)), 200):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << (bit % 8)
        file.write_bytes(bytes(data))
        with pytest.raises(CheckpointError, match=r"manifest\.json (is damaged|has schema)"):
            read_manifest(folder)
    for more in (b" ", b"\n"):
        file.write_bytes(whole + more)
        with pytest.raises(CheckpointError, match="it is not as it was written"):
            read_manifest(folder)


def test_another_schema_is_named(folder):
    (folder / MANIFEST).write_text('{"schema": 7, "files": {}}')
    with pytest.raises(CheckpointError, match=r"has schema 7; this tlprobe reads 1"):
        read_manifest(folder)
