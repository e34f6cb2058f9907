"""An archive is unpacked whole, or refused without a trace, whatever is in it."""

import bz2
import gzip
import io
import logging
import lzma
import os
import re
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
LIMITS = {"max_bytes": 10_000, "max_files": 10}
FORMATS = ["zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"]
TARS = FORMATS[1:]


def tar_bytes(entries, *, end=True):
    """Pack (TarInfo or name, bytes) pairs; without its end, the two blocks of zeros and the padding are missing."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            if not isinstance(info, tarfile.TarInfo):
                info = tarfile.TarInfo(info)
            if data:
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        length = tar.offset
    return out.getvalue() if end else out.getvalue()[:length]


def zip_bytes(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for info, data in entries:
            packed.writestr(info, data)
    return out.getvalue()


def pack(kind, entries):
    if kind == "zip":
        return zip_bytes(entries)
    squeeze = {"tar": bytes, "tar.bz2": bz2.compress, "tar.xz": lzma.compress}.get(kind, gzip.compress)
    return squeeze(tar_bytes(entries))


def tar_entry(name, **fields):
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def zip_entry(name, mode):
    info = zipfile.ZipInfo(name)
    info.create_system = 3  # Unix: the mode counts
    info.external_attr = mode << 16
    return info


@pytest.fixture
def place(tmp_path):
    """Write an archive into a folder of its own."""

    def write(kind, data):
        folder = tmp_path / "here"
        folder.mkdir(exist_ok=True)
        path = folder / f"x.{kind}"
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def refused(place, tmp_path):
    """Unpack, expect an error, and look for traces anywhere."""

    def check(kind, data, match, *, error=DataError, **limits):
        path = place(kind, data)
        with pytest.raises(error, match=match) as caught:
            extract(path, path.parent / "to", **(LIMITS | limits))
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 600
        assert [found for found in tmp_path.rglob("*") if found not in (path, path.parent)] == []
        path.unlink()

    return check


@pytest.mark.parametrize("kind", FORMATS)
def test_files_are_unpacked(place, kind):
    path = place(kind, pack(kind, FILES.items()))
    to = path.parent / "to"
    assert extract(path, to, **LIMITS) == tuple(to / name for name in FILES)
    assert {found.relative_to(to).as_posix() for found in to.rglob("*") if found.is_file()} == FILES.keys()
    for name, data in FILES.items():
        assert (to / name).read_bytes() == data
    assert sorted(found.name for found in path.parent.iterdir()) == ["to", path.name]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_modes_are_those_of_the_umask(place, kind):
    info = zip_entry("a", 0o104777) if kind == "zip" else tar_entry("a", mode=0o4777)
    path = place(kind, pack(kind, [(info, b"x")]))
    old = os.umask(0o022)
    try:
        (file,) = extract(path, path.parent / "to", **LIMITS)
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o755


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_folders_dots_and_long_names_are_fine(place, kind):
    long = "/".join(["x" * 200, "ä" * 100, "b.wav"])
    folder = zipfile.ZipInfo("./f/") if kind == "zip" else tar_entry("./f/", type=tarfile.DIRTYPE)
    path = place(kind, pack(kind, [(folder, b""), (folder, b""), ("./f/a", b"1"), (long, b"2")]))
    to = path.parent / "to"
    assert extract(path, to, **LIMITS) == (to / "f" / "a", to / long)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_resource_forks_are_left_out_and_counted(place, kind, caplog):
    entries = [("a", b"1"), ("__MACOSX/._a", b"2"), ("d/._b", b"3"), ("d/.hidden", b"4")]
    path = place(kind, pack(kind, entries))
    with caplog.at_level(logging.INFO):
        files = extract(path, path.parent / "to", **LIMITS)
    assert [file.name for file in files] == ["a", ".hidden"]
    assert not list((path.parent / "to").rglob("._*"))
    assert "left out 2 resource forks" in caplog.text


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("/etc/passwd", "absolute name"),
        ("//server/share/x", "absolute name"),
        ("C:/x", "drive letter"),
        ("c:x", "drive letter"),
        ("a\\..\\..\\x", "backslash"),
        ("../x", r"'\.\.'"),
        ("a/../../x", r"'\.\.'"),
        ("..", r"'\.\.'"),
        ("__MACOSX/../../x", r"'\.\.'"),
        ("n" * 256, "256 bytes, which is too long"),
        ("ä" * 128, "256 bytes, which is too long"),
        ("n/" * 600, "too long"),
        ("n" * 10_000, "10000 bytes, which is too long"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(refused, kind, name, match):
    refused(kind, pack(kind, [("good", b"x"), (name, b"evil")]), match)


def test_the_entry_is_named(refused):
    refused("tar", pack("tar", [("good", b"x"), ("../evil", b"")]), re.escape("x.tar: '../evil' leads out"))


def test_names_with_nul_are_refused(refused):
    refused("tar", pack("tar", [(tar_entry("x", pax_headers={"path": "a\0b"}), b"")]), "NUL")
    refused("zip", zip_bytes([("a_b", b"x")]).replace(b"a_b", b"a\0b"), "NUL")


def test_names_that_are_not_utf8_are_refused(refused):
    info = tar_entry("caf\udce9")
    header = info.tobuf(format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape")
    refused("tar", header + bytes(1024), "not UTF-8")
    refused("zip", zip_bytes([("a_b", b"x")]).replace(b"a_b", b"a\xffb"), "not UTF-8")
    refused("zip", zip_bytes([("ä", b"x")]).replace("ä".encode(), b"\xff\xfe"), "not UTF-8")


@pytest.mark.parametrize("kind", TARS[:2])
@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"type": tarfile.SYMTYPE, "linkname": "/etc"}, "is a link"),
        ({"type": tarfile.SYMTYPE, "linkname": "good"}, "is a link"),
        ({"type": tarfile.LNKTYPE, "linkname": "good"}, "is a link"),
        ({"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}, "device"),
        ({"type": tarfile.BLKTYPE}, "device"),
        ({"type": tarfile.FIFOTYPE}, "device"),
        ({"type": b"Q"}, "special kind"),
    ],
)
def test_links_and_devices_are_refused(refused, kind, fields, match):
    refused(kind, pack(kind, [("good", b"x"), (tar_entry("evil", **fields), b"")]), match)


@pytest.mark.parametrize(
    ("mode", "match"),
    [(stat.S_IFLNK, "is a link"), (stat.S_IFCHR, "device"), (stat.S_IFIFO, "device"), (stat.S_IFSOCK, "device")],
)
def test_links_and_devices_in_a_zip_are_refused(refused, mode, match):
    refused("zip", zip_bytes([("good", b"x"), (zip_entry("evil", mode | 0o777), b"/etc")]), match)


def test_sparse_files_are_refused(refused):
    info = tar_entry("hole", pax_headers={"GNU.sparse.map": "0,1", "GNU.sparse.size": "1000000000000"})
    refused("tar", tar_bytes([(info, b"x")]), "special kind")


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize(
    ("names", "match"),
    [
        (["a", "a"], "there twice"),
        (["a", "./a"], "there twice"),
        (["d/a", "d//a"], "there twice"),
        (["._a", "._a"], "there twice"),
        (["d/a", "d"], "there twice"),
        (["d", "d/a"], "lies in a file"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_given_twice_are_refused(refused, kind, names, match):
    refused(kind, pack(kind, [(name, b"x") for name in names]), match)


@pytest.mark.parametrize("kind", FORMATS)
def test_too_much_is_refused(refused, kind):
    noise = os.urandom(600)
    refused(kind, pack(kind, [(f"{i}", noise) for i in range(3)]), "'1' makes more than 1000 bytes", max_bytes=1000)
    refused(kind, pack(kind, [(f"{i}", b"") for i in range(4)]), "'3' is one entry too many; at most 3", max_files=3)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_limits_themselves_are_fine(place, kind):
    path = place(kind, pack(kind, [("a", b"x" * 60), ("b", b"x" * 40)]))
    assert len(extract(path, path.parent / "to", max_bytes=100, max_files=2)) == 2


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_bombs_are_refused_early(refused, kind, monkeypatch):
    if kind == "tar.gz":  # deflate gets to 1032 in the end, headers and all to a little less
        monkeypatch.setattr(archive_module, "RATIO_MAX", 900)
    refused(kind, pack(kind, [("bomb", bytes(30_000_000))]), "as in a bomb", max_bytes=1 << 40)


def test_bombs_in_what_is_left_out_are_refused(refused):
    for name in ("._bomb", "__MACOSX/bomb"):
        refused("tar", pack("tar", [(name, bytes(20_000))]), "makes more than 10000 bytes")


def test_a_header_of_any_size_is_not_taken_into_memory(refused):
    refused("tar", tar_bytes([(tar_entry("a", pax_headers={"comment": "x" * 300_000}), b"")]), "a header of")


def test_headers_of_headers_are_refused(refused):
    head = tarfile.TarInfo("././@LongLink")
    head.type, head.size = tarfile.GNUTYPE_LONGNAME, 2
    block = head.tobuf(format=tarfile.GNU_FORMAT) + b"a\0".ljust(512, b"\0")
    refused("tar", block * 3000 + bytes(1024), "damaged or hostile")


def test_a_zip_that_says_less_than_it_holds_is_refused(refused):
    data = bytearray(zip_bytes([("a", os.urandom(5000))]))
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", 10)
    refused("zip", bytes(data), "damaged or hostile, at or after 'a'")


def test_a_zip_that_says_more_than_it_holds_is_refused(refused):
    data = bytearray(zip_bytes([("a", b"x" * 5000)]))
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", 6000)
    refused("zip", bytes(data), "5000 bytes instead of 6000")


def test_an_encrypted_zip_is_refused(refused):
    data = bytearray(zip_bytes([("secret", b"x")]))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    refused("zip", bytes(data), "'secret' is encrypted")


def test_zip_methods_that_unpack_without_bound_are_refused(refused):
    info = zipfile.ZipInfo("a")
    info.compress_type = zipfile.ZIP_BZIP2
    refused("zip", zip_bytes([(info, b"x")]), "method 12")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 0.99])
def test_cut_archives_are_refused(refused, kind, share):
    data = pack(kind, [(f"{i}.wav", os.urandom(3000)) for i in range(3)])
    if kind == "tar":
        data = data.rstrip(b"\0")  # half of it is padding, which may be cut
    refused(kind, data[: int(len(data) * share)], "damaged or hostile")


def test_a_tar_cut_between_two_files_is_refused(refused):
    """Python's tarfile takes this for a whole archive."""
    data = tar_bytes(FILES.items(), end=False)
    refused("tar", data, "no end mark")
    refused("tar.gz", gzip.compress(data), "no end mark")


def test_a_tar_with_a_broken_header_inside_is_refused(refused):
    """Python's tarfile takes it for the end."""
    data = bytearray(tar_bytes([("a", b"1"), ("b", b"2")]))
    data[1024 + 5] ^= 0xFF  # in the header of b
    refused("tar", bytes(data), "no end mark")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_wrong_checksum_is_refused(refused, kind):
    data = bytearray(pack(kind, [("a", os.urandom(3000))]))
    at = {"zip": 14, "tar.gz": -6}.get(kind, len(data) // 2)  # the checksum itself; or what it is of
    data[at] ^= 0xFF
    if kind == "zip":
        data[data.index(b"PK\x01\x02") + 16] ^= 0xFF
    refused(kind, bytes(data), "damaged or hostile")


def test_junk_after_a_tar_is_bounded(refused):
    refused("tar", pack("tar", [("a", b"1")]) + bytes(2 << 20), "bytes after its end mark")


@pytest.mark.parametrize("kind", ["rar", "7z", "gz", ""])
def test_other_formats_are_refused(refused, kind):
    refused(kind, b"x", r"is no archive that can be unpacked; choose from \.zip, \.tar\.gz")


def test_a_missing_archive_is_said_so(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        extract(tmp_path / "x.zip", tmp_path / "to", **LIMITS)


def test_what_is_there_is_not_touched(place):
    path = place("zip", zip_bytes([("a", b"1")]))
    to = path.parent / "to"
    to.mkdir()
    (to / "mine").write_text("x")
    with pytest.raises(DataError, match="is there already and is no empty folder"):
        extract(path, to, **LIMITS)
    assert [file.name for file in to.iterdir()] == ["mine"]
    (to / "mine").unlink()
    assert extract(path, to, **LIMITS) == (to / "a",)


def test_a_link_in_the_place_of_the_folder_is_refused(place, tmp_path):
    path = place("zip", zip_bytes([("a", b"1")]))
    (tmp_path / "elsewhere").mkdir()
    (path.parent / "to").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="is no empty folder"):
        extract(path, path.parent / "to", **LIMITS)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_leftovers_of_a_killed_call_are_removed(place):
    path = place("zip", zip_bytes([("a", b"1")]))
    left = path.parent / ".to.abcd1234.tmp"
    (left / "files").mkdir(parents=True)
    (left / "files" / "half").write_text("x")
    other = path.parent / ".other.abcd1234.tmp"
    other.mkdir()
    extract(path, path.parent / "to", **LIMITS)
    assert not left.exists()
    assert other.exists()


def test_room_is_asked_for_first(refused, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(extract_module.shutil, "disk_usage", lambda path: usage(9, 9, 1_500_000))
    for kind in ("zip", "tar"):
        data = pack(kind, [("a", os.urandom(2_000_000))])
        refused(kind, data, r"needs 2\.0 MB in .*, 1\.5 MB are free", error=ResourceError, max_bytes=3_000_000)


def test_a_disk_that_fills_up_is_told_and_cleared(refused):
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
        refused("tar.gz", pack("tar.gz", FILES.items()), "No space left", error=ResourceError)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(FORMATS), edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6))
def test_any_bytes_are_unpacked_or_refused(tmp_path_factory, kind, edits):
    folder = tmp_path_factory.mktemp("fuzz")
    data = bytearray(pack(kind, FILES.items()))
    for place, value in edits:
        data[int(place * (len(data) - 1))] = value
    path = folder / f"x.{kind}"
    path.write_bytes(data)
    try:
        files = extract(path, folder / "to", **LIMITS)
    except DataError:
        assert list(folder.iterdir()) == [path]
    else:
        assert all(file.is_file() and not file.is_symlink() for file in files)
        assert sum(file.stat().st_size for file in files) <= LIMITS["max_bytes"]
        assert sorted(folder.iterdir()) == sorted([path, folder / "to"])
