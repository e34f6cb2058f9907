"""A download goes on where it stopped, whatever its server does, or ends in one line."""

import io
import socket
import subprocess
import sys
import time

import pytest

from tlprobe.data import download as download_module
from tlprobe.data.download import download
from tlprobe.data.fetch import fetch
from tlprobe.errors import DataError, ResourceError


def test_a_dropped_connection_is_taken_up_again(check_whole, served, server, know, to, caplog):
    know(server.url)
    server.drops = [100_000, 150_000]
    check_whole(fetch("tiny", to), to)
    assert server.sent == [100_000, 150_000, len(served.DATA) - 250_000]
    assert server.requests[1]["Range"] == "bytes=100000-"
    assert server.requests[1]["If-Range"] == '"v1"'
    assert "trying again" in caplog.text


def test_a_killed_download_goes_on_where_it_stopped(check_whole, served, server, know, to):
    know(server.url)
    server.drops = [123_456] + [0] * 10
    with pytest.raises(DataError, match="cannot be downloaded"):
        fetch("tiny", to)
    assert (to / "set.tar.gz.part").read_bytes() == served.DATA[:123_456]
    assert (to / "set.tar.gz.part.tag").read_text() == '"v1"'
    server.drops, server.sent = [], []
    check_whole(fetch("tiny", to), to)
    assert server.sent == [len(served.DATA) - 123_456]


def test_a_process_killed_half_way_leaves_what_the_next_one_needs(check_whole, served, server, know, to):
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
    assert server.sent == [len(served.DATA) - n_bytes]


def test_another_version_on_the_server_starts_anew(check_whole, served, server, know, to):
    to.mkdir()
    know(server.url)
    (to / "set.tar.gz.part").write_bytes(b"x" * 1000)
    (to / "set.tar.gz.part.tag").write_text('"v0"')
    check_whole(fetch("tiny", to), to)
    assert server.sent == [len(served.DATA)]


def test_a_server_without_ranges_starts_anew(check_whole, served, server, know, to):
    know(server.url)
    server.ranges, server.drops = False, [100_000]
    check_whole(fetch("tiny", to), to)
    assert server.sent == [100_000, len(served.DATA)]


def test_a_server_without_length_or_tag(check_whole, server, know, to):
    know(server.url)
    server.length, server.etag = False, None
    check_whole(fetch("tiny", to), to)


def test_a_weak_tag_is_not_asked_with(check_whole, served, server, know, to):
    know(server.url)
    server.etag, server.drops = 'W/"v1"', [1000]
    check_whole(fetch("tiny", to), to)
    assert "If-Range" not in server.requests[1]
    assert server.sent == [1000, len(served.DATA) - 1000]


def test_a_part_that_is_all_there_is_taken(check_whole, served, server, know, to):
    to.mkdir()
    know(server.url)
    (to / "set.tar.gz.part").write_bytes(served.DATA)
    check_whole(fetch("tiny", to), to)
    assert server.sent == [0]


def test_a_part_that_is_too_long_starts_anew(check_whole, served, server, know, to):
    to.mkdir()
    know(server.url)
    (to / "set.tar.gz.part").write_bytes(served.DATA + b"x")
    check_whole(fetch("tiny", to), to)
    assert server.sent == [0, len(served.DATA)]


def test_an_archive_called_encoded_is_taken_as_it_is(check_whole, server, know, to):
    know(server.url)
    server.encoding = "gzip"
    check_whole(fetch("tiny", to), to)


def test_it_gives_up_after_some_tries_without_a_byte(server, know, to):
    know(server.url)
    server.status = 503
    with pytest.raises(DataError, match="HTTP 503"):
        fetch("tiny", to)
    assert len(server.requests) == 5


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


def test_a_disk_that_fills_up_keeps_what_has_come(served, server, know, to, monkeypatch):
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
    assert (to / "set.tar.gz.part").read_bytes() == served.DATA[:50_000]
