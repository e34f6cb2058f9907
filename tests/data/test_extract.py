"""An archive is unpacked whole and within limits, or refused without a trace, however damaged it is."""

import gzip
import io
import logging
import os
import stat
import struct
import tarfile
import zipfile
from collections import namedtuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tlprobe.data import archive as archive_module
from tlprobe.data import extract as extract_module
from tlprobe.data.extract import extract
from tlprobe.errors import DataError, ResourceError

FILES = {"top/a.wav": b"a" * 1000, "top/deep/b.csv": b"b", "top/empty": b""}
FORMATS = ["zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"]


@pytest.mark.parametrize("kind", FORMATS)
def test_files_are_unpacked(archives, place, kind):
    path = place(kind, archives.pack(kind, FILES.items()))
    to = path.parent / "to"
    assert extract(path, to, **archives.LIMITS) == tuple(to / name for name in FILES)
    assert {found.relative_to(to).as_posix() for found in to.rglob("*") if found.is_file()} == FILES.keys()
    for name, data in FILES.items():
        assert (to / name).read_bytes() == data
    assert sorted(found.name for found in path.parent.iterdir()) == ["to", path.name]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_modes_are_those_of_the_umask(archives, place, kind):
    info = archives.zip_entry("a", 0o104777) if kind == "zip" else archives.tar_entry("a", mode=0o4777)
    path = place(kind, archives.pack(kind, [(info, b"x")]))
    old = os.umask(0o022)
    try:
        (file,) = extract(path, path.parent / "to", **archives.LIMITS)
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o755


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_folders_dots_and_long_names_are_fine(archives, place, kind):
    long = "/".join(["x" * 200, "ä" * 100, "b.wav"])
    folder = zipfile.ZipInfo("./f/") if kind == "zip" else archives.tar_entry("./f/", type=tarfile.DIRTYPE)
    path = place(kind, archives.pack(kind, [(folder, b""), (folder, b""), ("./f/a", b"1"), (long, b"2")]))
    to = path.parent / "to"
    assert extract(path, to, **archives.LIMITS) == (to / "f" / "a", to / long)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_resource_forks_are_left_out_and_counted(archives, place, kind, caplog):
    entries = [("a", b"1"), ("__MACOSX/._a", b"2"), ("d/._b", b"3"), ("d/.hidden", b"4")]
    path = place(kind, archives.pack(kind, entries))
    with caplog.at_level(logging.INFO):
        files = extract(path, path.parent / "to", **archives.LIMITS)
    assert [file.name for file in files] == ["a", ".hidden"]
    assert not list((path.parent / "to").rglob("._*"))
    assert "left out 2 resource forks" in caplog.text


@pytest.mark.parametrize("kind", FORMATS)
def test_too_much_is_refused(archives, refused, kind):
    noise = os.urandom(600)
    data = archives.pack(kind, [(f"{i}", noise) for i in range(3)])
    refused(kind, data, "'1' makes more than 1000 bytes", max_bytes=1000)
    data = archives.pack(kind, [(f"{i}", b"") for i in range(4)])
    refused(kind, data, "'3' is one entry too many; at most 3", max_files=3)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_limits_themselves_are_fine(archives, place, kind):
    path = place(kind, archives.pack(kind, [("a", b"x" * 60), ("b", b"x" * 40)]))
    assert len(extract(path, path.parent / "to", max_bytes=100, max_files=2)) == 2


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_bombs_are_refused_early(archives, refused, kind, monkeypatch):
    if kind == "tar.gz":  # deflate gets to 1032 in the end, headers and all to a little less
        monkeypatch.setattr(archive_module, "RATIO_MAX", 900)
    refused(kind, archives.pack(kind, [("bomb", bytes(30_000_000))]), "as in a bomb", max_bytes=1 << 40)


def test_bombs_in_what_is_left_out_are_refused(archives, refused):
    for name in ("._bomb", "__MACOSX/bomb"):
        refused("tar", archives.pack("tar", [(name, bytes(20_000))]), "makes more than 10000 bytes")


def test_a_header_of_any_size_is_not_taken_into_memory(archives, refused):
    info = archives.tar_entry("a", pax_headers={"comment": "x" * 300_000})
    refused("tar", archives.tar_bytes([(info, b"")]), "a header of")


def test_headers_of_headers_are_refused(refused):
    head = tarfile.TarInfo("././@LongLink")
    head.type, head.size = tarfile.GNUTYPE_LONGNAME, 2
    block = head.tobuf(format=tarfile.GNU_FORMAT) + b"a\0".ljust(512, b"\0")
    refused("tar", block * 3000 + bytes(1024), "damaged or hostile")


def test_a_zip_that_says_less_than_it_holds_is_refused(archives, refused):
    data = bytearray(archives.zip_bytes([("a", os.urandom(5000))]))
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", 10)
    refused("zip", bytes(data), "damaged or hostile, at or after 'a'")


def test_a_zip_that_says_more_than_it_holds_is_refused(archives, refused):
    data = bytearray(archives.zip_bytes([("a", b"x" * 5000)]))
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", 6000)
    refused("zip", bytes(data), "5000 bytes instead of 6000")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 0.99])
def test_cut_archives_are_refused(archives, refused, kind, share):
    data = archives.pack(kind, [(f"{i}.wav", os.urandom(3000)) for i in range(3)])
    if kind == "tar":
        data = data.rstrip(b"\0")  # half of it is padding, which may be cut
    refused(kind, data[: int(len(data) * share)], "damaged or hostile")


def test_a_tar_cut_between_two_files_is_refused(archives, refused):
    """Python's tarfile takes this for a whole archive."""
    data = archives.tar_bytes(FILES.items(), end=False)
    refused("tar", data, "no end mark")
    refused("tar.gz", gzip.compress(data), "no end mark")


def test_a_tar_with_a_broken_header_inside_is_refused(archives, refused):
    """Python's tarfile takes it for the end."""
    data = bytearray(archives.tar_bytes([("a", b"1"), ("b", b"2")]))
    data[1024 + 5] ^= 0xFF  # in the header of b
    refused("tar", bytes(data), "no end mark")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_wrong_checksum_is_refused(archives, refused, kind):
    data = bytearray(archives.pack(kind, [("a", os.urandom(3000))]))
    at = {"zip": 14, "tar.gz": -6}.get(kind, len(data) // 2)  # the checksum itself; or what it is of
    data[at] ^= 0xFF
    if kind == "zip":
        data[data.index(b"PK\x01\x02") + 16] ^= 0xFF
    refused(kind, bytes(data), "damaged or hostile")


def test_junk_after_a_tar_is_bounded(archives, refused):
    refused("tar", archives.pack("tar", [("a", b"1")]) + bytes(2 << 20), "bytes after its end mark")


@pytest.mark.parametrize("kind", ["rar", "7z", "gz", ""])
def test_other_formats_are_refused(refused, kind):
    refused(kind, b"x", r"is no archive that can be unpacked; choose from \.zip, \.tar\.gz")


def test_a_missing_archive_is_said_so(archives, tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        extract(tmp_path / "x.zip", tmp_path / "to", **archives.LIMITS)


def test_what_is_there_is_not_touched(archives, place):
    path = place("zip", archives.zip_bytes([("a", b"1")]))
    to = path.parent / "to"
    to.mkdir()
    (to / "mine").write_text("x")
    with pytest.raises(DataError, match="is there already and is no empty folder"):
        extract(path, to, **archives.LIMITS)
    assert [file.name for file in to.iterdir()] == ["mine"]
    (to / "mine").unlink()
    assert extract(path, to, **archives.LIMITS) == (to / "a",)


def test_a_link_in_the_place_of_the_folder_is_refused(archives, place, tmp_path):
    path = place("zip", archives.zip_bytes([("a", b"1")]))
    (tmp_path / "elsewhere").mkdir()
    (path.parent / "to").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="is no empty folder"):
        extract(path, path.parent / "to", **archives.LIMITS)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_leftovers_of_a_killed_call_are_removed(archives, place):
    path = place("zip", archives.zip_bytes([("a", b"1")]))
    left = path.parent / ".to.abcd1234.tmp"
    (left / "files").mkdir(parents=True)
    (left / "files" / "half").write_text("x")
    other = path.parent / ".other.abcd1234.tmp"
    other.mkdir()
    extract(path, path.parent / "to", **archives.LIMITS)
    assert not left.exists()
    assert other.exists()


def test_room_is_asked_for_first(archives, refused, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(extract_module.shutil, "disk_usage", lambda path: usage(9, 9, 1_500_000))
    for kind in ("zip", "tar"):
        data = archives.pack(kind, [("a", os.urandom(2_000_000))])
        refused(kind, data, r"needs 2\.0 MB in .*, 1\.5 MB are free", error=ResourceError, max_bytes=3_000_000)


def test_a_disk_that_fills_up_is_told_and_cleared(archives, refused):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    real = extract_module.Path.open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            extract_module.Path,
            "open",
            lambda path, mode="r", **more: Full() if mode == "xb" else real(path, mode, **more),
        )
        refused("tar.gz", archives.pack("tar.gz", FILES.items()), "No space left", error=ResourceError)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(FORMATS), edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6))
def test_any_bytes_are_unpacked_or_refused(archives, tmp_path_factory, kind, edits):
    folder = tmp_path_factory.mktemp("fuzz")
    data = bytearray(archives.pack(kind, FILES.items()))
    for place, value in edits:
        data[int(place * (len(data) - 1))] = value
    path = folder / f"x.{kind}"
    path.write_bytes(data)
    try:
        files = extract(path, folder / "to", **archives.LIMITS)
    except DataError:
        assert list(folder.iterdir()) == [path]
    else:
        assert all(file.is_file() and not file.is_symlink() for file in files)
        assert sum(file.stat().st_size for file in files) <= archives.LIMITS["max_bytes"]
        assert sorted(folder.iterdir()) == sorted([path, folder / "to"])
