"""One atomic writer, one lock a folder: what holds when the disk is full or a process is killed."""

import hashlib
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tlprobe.errors import ResourceError
from tlprobe.files import cache_root, lock_folder, sha256_file, write_atomic


def python(code, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize(("content", "stored"), [("äöü\n", "äöü\n".encode()), (b"\x00\xff", b"\x00\xff"), ("", b"")])
def test_writes_what_is_given_and_makes_the_folder(tmp_path, content, stored):
    write_atomic(tmp_path / "a" / "b" / "file.txt", content)
    assert (tmp_path / "a" / "b" / "file.txt").read_bytes() == stored
    assert os.listdir(tmp_path / "a" / "b") == ["file.txt"]


def test_replaces_the_old_file(tmp_path):
    for content in ("a long first version", "short"):
        write_atomic(tmp_path / "file.txt", content)
    assert (tmp_path / "file.txt").read_text() == "short"


@pytest.mark.parametrize("call", ["replace", "fsync", "chmod"])
def test_the_old_file_survives_a_failure(tmp_path, monkeypatch, call):
    file = tmp_path / "file.txt"
    write_atomic(file, "old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(ResourceError, match=r"cannot write .*file\.txt \(3 bytes\): No space left"):
            write_atomic(file, "new")
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]  # no temporary file is left


def test_a_full_disk_leaves_the_old_file_whole(tmp_path):
    file = tmp_path / "file.bin"
    write_atomic(file, b"old")
    code = """
        import resource, signal, sys
        from pathlib import Path
        from tlprobe.errors import ResourceError
        from tlprobe.files import write_atomic
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # no file may grow past this
        try:
            write_atomic(Path(sys.argv[1]), bytes(5000))
        except ResourceError as error:
            print(error.exit_code, error)
    """
    out, err = python(code, file).communicate(timeout=60)
    assert out.startswith("6 cannot write"), err
    assert "File too large" in out
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file.bin"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_the_mode_follows_the_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_atomic(tmp_path / "file", "x")
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode
    finally:
        assert os.umask(before) == mask  # and is left as it was


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(ResourceError, match="taken"):
        write_atomic(tmp_path / "taken" / "file", "y")
    with pytest.raises(ResourceError, match="taken"), lock_folder(tmp_path / "taken"):
        pass


HOLD = """
    import sys
    from pathlib import Path
    from tlprobe.files import lock_folder
    with lock_folder(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.readline()
"""


def test_a_second_process_is_refused_until_the_first_lets_go(tmp_path):
    folder = tmp_path / "run"
    holder = python(HOLD, folder)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(ResourceError, match="run is in use by another tlprobe process"), lock_folder(folder):
        pass
    _, err = holder.communicate("\n", timeout=60)
    assert holder.returncode == 0, err
    with lock_folder(folder):
        pass


def test_a_killed_process_leaves_no_lock(tmp_path):
    holder = python(HOLD, tmp_path)
    assert holder.stdout.readline() == "held\n"
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=60)
    with lock_folder(tmp_path):
        other = python(HOLD, tmp_path)  # and the lock taken after a kill is a real one
        _, err = other.communicate("\n", timeout=60)
    assert other.returncode == 1
    assert "ResourceError" in err


def test_the_lock_is_dropped_when_the_work_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), lock_folder(tmp_path):
        _ = 1 / 0
    with lock_folder(tmp_path):
        pass


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_sha256_of_a_file(tmp_path, size):
    content = bytes(i % 251 for i in range(1000)) * (size // 1000 + 1)
    (tmp_path / "file").write_bytes(content[:size])
    assert sha256_file(tmp_path / "file") == hashlib.sha256(content[:size]).hexdigest()


def test_cache_root_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("TLPROBE_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    for unset in (lambda: monkeypatch.setenv("TLPROBE_CACHE", ""), lambda: monkeypatch.delenv("TLPROBE_CACHE")):
        unset()
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        assert cache_root() == Path(tmp_path / "home" / ".cache" / "tlprobe")


def test_the_suite_does_not_touch_the_users_cache(cache):
    assert cache_root() == cache
