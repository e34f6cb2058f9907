"""A known data set is downloaded or taken as it is, checked against what is pinned, and unpacked."""

import hashlib
import re
import zipfile
from collections import namedtuple

import pytest

from tlprobe.data import extract as extract_module
from tlprobe.data import fetch as fetch_module
from tlprobe.data.fetch import fetch
from tlprobe.data.known import KNOWN
from tlprobe.errors import DataError, ParameterError, ResourceError


def test_the_whole_way(check_whole, served, server, know, to):
    know(server.url)
    check_whole(fetch("tiny", to), to)
    assert server.sent == [len(served.DATA)]
    assert server.requests[0]["Accept-Encoding"] == "identity"
    assert "Range" not in server.requests[0]


def test_what_is_there_needs_no_network(check_whole, server, know, to):
    know(server.url)
    fetch("tiny", to)
    (to / "set.tar.gz").unlink()
    server.status = 404
    check_whole(fetch("tiny", to), to)
    assert len(server.requests) == 1


def test_a_lost_folder_is_unpacked_again_without_network(check_whole, server, know, to):
    know(server.url)
    fetch("tiny", to).rename(to.parent / "moved")
    check_whole(fetch("tiny", to), to)
    assert len(server.requests) == 1


def test_a_wrong_hash_leaves_nothing(server, know, to):
    know(server.url, data=b"another")
    with pytest.raises(DataError, match=r"sent a file of another hash than md5:.*it was removed") as caught:
        fetch("tiny", to)
    assert "\n" not in str(caught.value)
    assert [path.name for path in to.iterdir()] == [".tlprobe.lock"]


def test_room_is_asked_for_before_anything_is_downloaded(check_whole, served, server, know, to, monkeypatch):
    know(server.url)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(extract_module.shutil, "disk_usage", lambda path: usage(9, 9, 600_000))
    with pytest.raises(ResourceError, match=r"fetching tiny needs 0\.7 MB in .*, 0\.6 MB are free"):
        fetch("tiny", to)
    assert server.requests == []
    to.joinpath("set.tar.gz.part").write_bytes(served.DATA[:200_000])  # what has come needs no room
    check_whole(fetch("tiny", to), to)


@pytest.mark.parametrize("name", ["set.tar.gz", "set-master.tar.gz"])
@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", None])
def test_an_archive_put_there_by_hand_is_taken(check_whole, served, know, to, name, url):
    to.mkdir()
    (to / name).write_bytes(served.DATA)
    know(url)
    check_whole(fetch("tiny", to), to)
    assert (to / name).read_bytes() == served.DATA


def test_a_wrong_archive_put_there_by_hand_is_refused_and_kept(know, to, server):
    to.mkdir()
    (to / "set.tar.gz").write_bytes(b"mine")
    know(server.url)
    with pytest.raises(DataError, match=r"set\.tar\.gz has md5:\w{32} instead of md5:.*remove it and fetch again"):
        fetch("tiny", to)
    assert (to / "set.tar.gz").read_bytes() == b"mine"
    assert server.requests == []


def test_what_has_to_be_downloaded_by_hand_says_how(know, to):
    know(None, remark="ask the authors")
    with pytest.raises(DataError) as caught:
        fetch("tiny", to)
    assert str(caught.value) == (
        "tiny cannot be downloaded by tlprobe; open https://example.org/set in a browser, download set.tar.gz or "
        f"set-master.tar.gz (0 MB) (ask the authors), put it into {to} under this name, and fetch tiny again"
    )


def content_hash(recordings):
    """As the documentation says: md5sum, sorted, sha256sum."""
    lines = [f"{hashlib.md5(data).hexdigest()}  {name}\n" for name, data in recordings.items()]
    return hashlib.sha256("".join(sorted(lines, key=lambda line: line[34:])).encode()).hexdigest()


def test_content_is_checked_where_the_archive_is_not_pinned(check_whole, served, server, know, to):
    tables = (("meta/table.csv", f"md5:{hashlib.md5(served.TABLE).hexdigest()}"),)
    know(server.url, hash=None, content_hash=content_hash(served.RECORDINGS), tables=tables)
    check_whole(fetch("tiny", to), to)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"audio/0.wav": b"other"}, "the recordings have the content hash"),
        ({"audio/extra.wav": b""}, r"6 recordings in audio/\*\.wav instead of 5"),
        ({"audio/0.wav": None}, "4 recordings"),
        ({"meta/table.csv": b"x"}, r"meta/table\.csv has md5:"),
        ({"meta/more.csv": None}, r"meta/more\.csv is missing"),
    ],
)
def test_other_content_is_refused_and_nothing_unpacked_is_left(served, know, to, changes, match):
    to.mkdir()
    tables = [("meta/table.csv", f"md5:{hashlib.md5(served.TABLE).hexdigest()}")]
    if "meta/more.csv" in changes:
        tables.append(("meta/more.csv", "md5:0"))
    contents = {"meta/table.csv": served.TABLE, **served.RECORDINGS, **changes}
    packed = {name: data for name, data in contents.items() if data is not None}
    (to / "set.tar.gz").write_bytes(served.make_archive(packed))
    know(None, hash=None, content_hash=content_hash(served.RECORDINGS), tables=tuple(tables))
    with pytest.raises(DataError, match=match) as caught:
        fetch("tiny", to)
    assert "\n" not in str(caught.value)
    assert {path.name for path in to.iterdir()} == {"set.tar.gz", ".tlprobe.lock"}


def test_an_archive_of_something_else_is_refused(know, to):
    to.mkdir()
    with zipfile.ZipFile(to / "set.zip", "w") as packed:
        packed.writestr("readme", "x")
    know(None, names=("set.zip",), hash=None)
    with pytest.raises(DataError, match=r"holds no meta/table\.csv: it is not the archive of tiny"):
        fetch("tiny", to)
    assert {path.name for path in to.iterdir()} == {"set.zip", ".tlprobe.lock"}


def test_a_folder_in_the_way_is_not_touched(served, know, to):
    (to / "tiny-1").mkdir(parents=True)
    (to / "tiny-1" / "mine").write_text("x")
    (to / "set.tar.gz").write_bytes(served.DATA)
    know(None)
    with pytest.raises(DataError, match=r"tiny-1 is there, but has no meta/table\.csv; move it away"):
        fetch("tiny", to)
    assert (to / "tiny-1" / "mine").read_text() == "x"


def test_leftovers_of_a_killed_call_are_removed(check_whole, server, know, to):
    left = to / ".tiny-1.abcd1234.tmp" / "unpacked"
    left.mkdir(parents=True)
    know(server.url)
    check_whole(fetch("tiny", to), to)


def test_two_at_a_time_are_refused(server, know, to):
    know(server.url)
    with fetch_module.lock_folder(to), pytest.raises(ResourceError, match="is in use"):
        fetch("tiny", to)


def test_an_unknown_name_gets_the_choices(to):
    with pytest.raises(ParameterError, match=r"'esc5' .*choose from esc50, esc10, urbansound8k, gtzan"):
        fetch("esc5", to)
    assert not to.exists()


def test_gtzan_is_downloaded_by_hand(to):
    with pytest.raises(DataError, match=r"marsyas/gtzan.*download genres\.tar\.gz .1226 MB."):
        fetch("gtzan", to)


def test_the_known_ones_are_consistent():
    for name, known in KNOWN.items():
        assert known.name == name
        assert known.archive.hash or known.content_hash  # something is pinned
        for pinned in filter(None, (known.archive.hash, *(wanted for _, wanted in known.tables))):
            assert re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", pinned)
        assert re.fullmatch(r"[0-9a-f]{64}", known.content_hash or "0" * 64)
        for url in filter(None, (known.archive.url, known.archive.page)):
            assert url.startswith("https://")
        assert known.n_clips <= known.n_files
    assert KNOWN["esc10"].folder == KNOWN["esc50"].folder
