"""An archive is refused, without a trace, for one entry that leads elsewhere, is there twice or is no plain file."""

import re
import stat
import tarfile
import zipfile

import pytest


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
def test_names_that_lead_elsewhere_are_refused(archives, refused, kind, name, match):
    refused(kind, archives.pack(kind, [("good", b"x"), (name, b"evil")]), match)


def test_the_entry_is_named(archives, refused):
    refused("tar", archives.pack("tar", [("good", b"x"), ("../evil", b"")]), re.escape("x.tar: '../evil' leads out"))


def test_names_with_nul_are_refused(archives, refused):
    refused("tar", archives.pack("tar", [(archives.tar_entry("x", pax_headers={"path": "a\0b"}), b"")]), "NUL")
    refused("zip", archives.zip_bytes([("a_b", b"x")]).replace(b"a_b", b"a\0b"), "NUL")


def test_names_that_are_not_utf8_are_refused(archives, refused):
    info = archives.tar_entry("caf\udce9")
    header = info.tobuf(format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape")
    refused("tar", header + bytes(1024), "not UTF-8")
    refused("zip", archives.zip_bytes([("a_b", b"x")]).replace(b"a_b", b"a\xffb"), "not UTF-8")
    refused("zip", archives.zip_bytes([("ä", b"x")]).replace("ä".encode(), b"\xff\xfe"), "not UTF-8")


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
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
def test_links_and_devices_are_refused(archives, refused, kind, fields, match):
    refused(kind, archives.pack(kind, [("good", b"x"), (archives.tar_entry("evil", **fields), b"")]), match)


@pytest.mark.parametrize(
    ("mode", "match"),
    [(stat.S_IFLNK, "is a link"), (stat.S_IFCHR, "device"), (stat.S_IFIFO, "device"), (stat.S_IFSOCK, "device")],
)
def test_links_and_devices_in_a_zip_are_refused(archives, refused, mode, match):
    refused("zip", archives.zip_bytes([("good", b"x"), (archives.zip_entry("evil", mode | 0o777), b"/etc")]), match)


def test_sparse_files_are_refused(archives, refused):
    info = archives.tar_entry("hole", pax_headers={"GNU.sparse.map": "0,1", "GNU.sparse.size": "1000000000000"})
    refused("tar", archives.tar_bytes([(info, b"x")]), "special kind")


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
def test_names_given_twice_are_refused(archives, refused, kind, names, match):
    refused(kind, archives.pack(kind, [(name, b"x") for name in names]), match)


def test_an_encrypted_zip_is_refused(archives, refused):
    data = bytearray(archives.zip_bytes([("secret", b"x")]))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    refused("zip", bytes(data), "'secret' is encrypted")


def test_zip_methods_that_unpack_without_bound_are_refused(archives, refused):
    info = zipfile.ZipInfo("a")
    info.compress_type = zipfile.ZIP_BZIP2
    refused("zip", archives.zip_bytes([(info, b"x")]), "method 12")
