"""A known data set is brought from a server on this machine, in one go, in parts, or not at all."""

import dataclasses
import hashlib
import http.server
import io
import re
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections import namedtuple

import pytest

from tlprobe.data import download as download_module
from tlprobe.data import extract as extract_module
from tlprobe.data import fetch as fetch_module
from tlprobe.data.download import download
from tlprobe.data.fetch import fetch
from tlprobe.data.known import KNOWN, Archive, KnownDataset
from tlprobe.errors import DataError, ParameterError, ResourceError

N_FILES = 5
TABLE = b"filename,fold\n"
RECORDINGS = {f"audio/{i}.wav": bytes([i]) * 10 + hashlib.sha256(bytes([i])).digest() * 2000 for i in range(N_FILES)}


def make_archive(contents):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=0) as tar:
        for name, data in contents.items():
            info = tarfile.TarInfo(f"Set-master/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


DATA = make_archive({"meta/table.csv": TABLE, **RECORDINGS})


class Server(http.server.ThreadingHTTPServer):
    """Serves `body`; what it does wrong is set by a test."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = DATA
        self.etag = '"v1"'
        self.ranges = True
        self.status = None  # of each answer
        self.drops = []  # after so many bytes, one number an answer
        self.length = True
        self.encoding = None
        self.stalls = False  # keeps the connection after a drop
        self.closing = threading.Event()
        self.requests = []  # headers
        self.sent = []  # bytes, one number an answer

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/set.tar.gz"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        server.requests.append(dict(self.headers))
        body, status, start = server.body, server.status or 200, 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and server.ranges and status == 200 and self.headers.get("If-Range") in (None, server.etag):
            start = int(asked[1])
            status = 206 if start < len(body) else 416
        self.send_response(status)
        if server.etag:
            self.send_header("ETag", server.etag)
        if server.encoding:
            self.send_header("Content-Encoding", server.encoding)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if status == 416:
            self.send_header("Content-Range", f"bytes */{len(body)}")
        rest = body[start:] if status in (200, 206) else b""
        if server.length or not rest:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if server.drops:
            rest = rest[: server.drops.pop(0)]
        self.wfile.write(rest)
        server.sent.append(len(rest))
        if server.stalls:
            server.closing.wait(60)


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.closing.set()
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_wait(monkeypatch):
    monkeypatch.setattr(download_module, "_WAIT_S", 0.0)


@pytest.fixture
def know(monkeypatch):
    """Make a small data set known as 'tiny'."""

    def make(url, *, data=DATA, **changes):
        archive = Archive(
            names=("set.tar.gz", "set-master.tar.gz"),
            url=url,
            page="https://example.org/set",
            hash=f"md5:{hashlib.md5(data).hexdigest()}",
            n_bytes=len(DATA),
            unpacked_bytes=400_000,
        )
        archive = dataclasses.replace(archive, **{k: changes.pop(k) for k in list(changes) if hasattr(archive, k)})
        known = KnownDataset(
            name="tiny",
            folder="tiny-1",
            layout="meta/table.csv beside audio/",
            marker="meta/table.csv",
            recordings="audio/*.wav",
            n_files=N_FILES,
            n_clips=N_FILES,
            n_classes=2,
            n_folds=5,
            sr=8000,
            licence="CC0",
            reference="none",
            archive=archive,
        )
        monkeypatch.setitem(KNOWN, "tiny", dataclasses.replace(known, **changes))

    return make


def check_whole(root, to):
    assert root == to / "tiny-1"
    assert (root / "meta" / "table.csv").read_bytes() == TABLE
    assert {file.relative_to(root).as_posix(): file.read_bytes() for file in root.glob("audio/*")} == RECORDINGS
    assert list(to.glob("*.part*")) == []
    assert list(to.glob(".*.tmp")) == []
    assert {path.name for path in to.iterdir()} <= {"tiny-1", "set.tar.gz", "set-master.tar.gz", ".tlprobe.lock"}


@pytest.fixture
def to(tmp_path):
    return tmp_path / "sets"


def test_the_whole_way(server, know, to):
    know(server.url)
    check_whole(fetch("tiny", to), to)
    assert server.sent == [len(DATA)]
    assert server.requests[0]["Accept-Encoding"] == "identity"
    assert "Range" not in server.requests[0]


def test_what_is_there_needs_no_network(server, know, to):
    know(server.url)
    fetch("tiny", to)
    (to / "set.tar.gz").unlink()
    server.status = 404
    check_whole(fetch("tiny", to), to)
    assert len(server.requests) == 1


def test_a_lost_folder_is_unpacked_again_without_network(server, know, to):
    know(server.url)
    fetch("tiny", to).rename(to.parent / "moved")
    check_whole(fetch("tiny", to), to)
    assert len(server.requests) == 1


def test_a_dropped_connection_is_taken_up_again(server, know, to, caplog):
    know(server.url)
    server.drops = [100_000, 150_000]
    check_whole(fetch("tiny", to), to)
    assert server.sent == [100_000, 150_000, len(DATA) - 250_000]
    assert server.requests[1]["Range"] == "bytes=100000-"
    assert server.requests[1]["If-Range"] == '"v1"'
    assert "trying again" in caplog.text


def test_a_killed_download_goes_on_where_it_stopped(server, know, to):
    know(server.url)
    server.drops = [123_456] + [0] * 10
    with pytest.raises(DataError, match="cannot be downloaded"):
        fetch("tiny", to)
    assert (to / "set.tar.gz.part").read_bytes() == DATA[:123_456]
    assert (to / "set.tar.gz.part.tag").read_text() == '"v1"'
    server.drops, server.sent = [], []
    check_whole(fetch("tiny", to), to)
    assert server.sent == [len(DATA) - 123_456]


def test_a_process_killed_half_way_leaves_what_the_next_one_needs(server, know, to):
    know(server.url)
    server.drops, server.stalls = [300_000], True
    code = f"""
import dataclasses, pathlib
from tlprobe.data.fetch import fetch
from tlprobe.data.known import KNOWN
known = KNOWN["esc50"]
archive = dataclasses.replace(known.archive, names=("set.tar.gz",), url={server.url!r}, n_bytes=10**6, unpacked_bytes=1)
KNOWN["tiny"] = dataclasses.replace(known, folder="tiny-1", archive=archive)
fetch("tiny", pathlib.Path({str(to)!r}))
"""
    part = to / "set.tar.gz.part"
    with subprocess.Popen([sys.executable, "-c", code]) as child:
        end = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size > 0) and time.monotonic() < end:
            time.sleep(0.02)
        child.kill()
    n_bytes = part.stat().st_size
    assert n_bytes > 200_000
    assert list(to.glob(".*.tmp"))  # pooch's place; see below
    server.drops, server.stalls, server.sent = [], False, []
    check_whole(fetch("tiny", to), to)
    assert server.sent == [len(DATA) - n_bytes]


def test_another_version_on_the_server_starts_anew(server, know, to):
    to.mkdir()
    know(server.url)
    (to / "set.tar.gz.part").write_bytes(b"x" * 1000)
    (to / "set.tar.gz.part.tag").write_text('"v0"')
    check_whole(fetch("tiny", to), to)
    assert server.sent == [len(DATA)]


def test_a_server_without_ranges_starts_anew(server, know, to):
    know(server.url)
    server.ranges, server.drops = False, [100_000]
    check_whole(fetch("tiny", to), to)
    assert server.sent == [100_000, len(DATA)]


def test_a_server_without_length_or_tag(server, know, to):
    know(server.url)
    server.length, server.etag = False, None
    check_whole(fetch("tiny", to), to)


def test_a_weak_tag_is_not_asked_with(server, know, to):
    know(server.url)
    server.etag, server.drops = 'W/"v1"', [1000]
    check_whole(fetch("tiny", to), to)
    assert "If-Range" not in server.requests[1]
    assert server.sent == [1000, len(DATA) - 1000]


def test_a_part_that_is_all_there_is_taken(server, know, to):
    to.mkdir()
    know(server.url)
    (to / "set.tar.gz.part").write_bytes(DATA)
    check_whole(fetch("tiny", to), to)
    assert server.sent == [0]


def test_a_part_that_is_too_long_starts_anew(server, know, to):
    to.mkdir()
    know(server.url)
    (to / "set.tar.gz.part").write_bytes(DATA + b"x")
    check_whole(fetch("tiny", to), to)
    assert server.sent == [0, len(DATA)]


def test_an_archive_called_encoded_is_taken_as_it_is(server, know, to):
    know(server.url)
    server.encoding = "gzip"
    check_whole(fetch("tiny", to), to)


def test_it_gives_up_after_some_tries_without_a_byte(server, know, to):
    know(server.url)
    server.status = 503
    with pytest.raises(DataError, match="HTTP 503"):
        fetch("tiny", to)
    assert len(server.requests) == 5


def test_a_wrong_hash_leaves_nothing(server, know, to):
    know(server.url, data=b"another")
    with pytest.raises(DataError, match=r"sent a file of another hash than md5:.*it was removed") as caught:
        fetch("tiny", to)
    assert "\n" not in str(caught.value)
    assert [path.name for path in to.iterdir()] == [".tlprobe.lock"]


def test_a_missing_file_is_not_asked_for_twice(server, know, to):
    know(server.url)
    server.status = 404
    with pytest.raises(DataError, match=r"set\.tar\.gz cannot be downloaded: HTTP 404") as caught:
        fetch("tiny", to)
    message = str(caught.value)
    assert "open https://example.org/set in a browser, download set.tar.gz or set-master.tar.gz" in message
    assert f"put it into {to} under this name, and fetch tiny again" in message
    assert "\n" not in message
    assert len(server.requests) == 1


def test_no_network_is_told_in_one_line(know, to):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/set.tar.gz"
        know(url)
        with pytest.raises(DataError, match=r"Connection refused.*open https://example\.org/set") as caught:
            fetch("tiny", to)
    assert str(caught.value).startswith(url)
    assert "\n" not in str(caught.value)


def test_a_server_that_never_ends_is_cut_off(server, tmp_path):
    server.length = False
    with pytest.raises(DataError, match="sends more than 100000 bytes"):
        download(server.url, tmp_path / "x", max_bytes=100_000)


def test_a_stalled_server_is_left(know, to, monkeypatch):
    monkeypatch.setattr(download_module, "_TIMEOUTS_S", (0.2, 0.2))
    monkeypatch.setattr(download_module, "_TRIES", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        know(f"http://127.0.0.1:{silent.getsockname()[1]}/set.tar.gz")
        with pytest.raises(DataError, match="timed out"):
            fetch("tiny", to)


def test_room_is_asked_for_before_anything_is_downloaded(server, know, to, monkeypatch):
    know(server.url)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(extract_module.shutil, "disk_usage", lambda path: usage(9, 9, 600_000))
    with pytest.raises(ResourceError, match=r"fetching tiny needs 0\.7 MB in .*, 0\.6 MB are free"):
        fetch("tiny", to)
    assert server.requests == []
    to.joinpath("set.tar.gz.part").write_bytes(DATA[:200_000])  # what has come needs no room
    check_whole(fetch("tiny", to), to)


def test_a_disk_that_fills_up_keeps_what_has_come(server, know, to, monkeypatch):
    know(server.url)
    real = download_module.Path.open

    class Full(io.FileIO):
        def write(self, data):
            if self.tell() > 0:
                raise OSError(28, "No space left on device")
            return super().write(data[:50_000])

    monkeypatch.setattr(
        download_module.Path,
        "open",
        lambda path, mode="r", **more: (
            Full(path, "a") if path.suffix == ".part" and mode == "ab" else real(path, mode, **more)
        ),
    )
    monkeypatch.setattr(download_module, "_CHUNK", 100_000)
    with pytest.raises(ResourceError, match=r"cannot write .*set\.tar\.gz\.part: No space left"):
        fetch("tiny", to)
    assert (to / "set.tar.gz.part").read_bytes() == DATA[:50_000]


@pytest.mark.parametrize("name", ["set.tar.gz", "set-master.tar.gz"])
@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", None])
def test_an_archive_put_there_by_hand_is_taken(know, to, name, url):
    to.mkdir()
    (to / name).write_bytes(DATA)
    know(url)
    check_whole(fetch("tiny", to), to)
    assert (to / name).read_bytes() == DATA


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


def test_content_is_checked_where_the_archive_is_not_pinned(server, know, to):
    tables = (("meta/table.csv", f"md5:{hashlib.md5(TABLE).hexdigest()}"),)
    know(server.url, hash=None, content_hash=content_hash(RECORDINGS), tables=tables)
    check_whole(fetch("tiny", to), to)


@pytest.mark.parametrize(
    ("contents", "match"),
    [
        ({**RECORDINGS, "audio/0.wav": b"other"}, "the recordings have the content hash"),
        ({**RECORDINGS, "audio/extra.wav": b""}, r"6 recordings in audio/\*\.wav instead of 5"),
        ({k: v for k, v in RECORDINGS.items() if k != "audio/0.wav"}, "4 recordings"),
        ({**RECORDINGS, "meta/table.csv": b"x"}, r"meta/table\.csv has md5:"),
        ({**RECORDINGS, "meta/more.csv": None}, r"meta/more\.csv is missing"),
    ],
)
def test_other_content_is_refused_and_nothing_unpacked_is_left(know, to, contents, match):
    to.mkdir()
    tables = [("meta/table.csv", f"md5:{hashlib.md5(TABLE).hexdigest()}")]
    if "meta/more.csv" in contents:
        tables.append(("meta/more.csv", "md5:0"))
    contents = {"meta/table.csv": TABLE, **{name: data for name, data in contents.items() if data is not None}}
    (to / "set.tar.gz").write_bytes(make_archive(contents))
    know(None, hash=None, content_hash=content_hash(RECORDINGS), tables=tuple(tables))
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


def test_a_folder_in_the_way_is_not_touched(know, to):
    (to / "tiny-1").mkdir(parents=True)
    (to / "tiny-1" / "mine").write_text("x")
    (to / "set.tar.gz").write_bytes(DATA)
    know(None)
    with pytest.raises(DataError, match=r"tiny-1 is there, but has no meta/table\.csv; move it away"):
        fetch("tiny", to)
    assert (to / "tiny-1" / "mine").read_text() == "x"


def test_leftovers_of_a_killed_call_are_removed(server, know, to):
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
