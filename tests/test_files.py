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
from tlprobe.files import cache_root, lock_folder, sha256_file, write_atomic, write_folder


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


def test_a_folder_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write_folder(tmp_path / "state", {"a": b"1", "b": b""})
    assert {file.name: file.read_bytes() for file in (tmp_path / "state").iterdir()} == {"a": b"1", "b": b""}

    def fail(*_):
        raise OSError(28, "No space left on device")

    for call in ("fsync", "rename"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(ResourceError, match=r"cannot write .*next \(3 bytes\): No space left"):
                write_folder(tmp_path / "next", {"a": b"123"})
        assert os.listdir(tmp_path) == ["state"]


def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_call_returns(tmp_path, monkeypatch):
    """The order of system calls: a power cut between any two of them leaves the old file or the new one."""
    calls = []

    def noted(name, real):
        def call(*arguments):
            kind = ""
            if name == "fsync":
                kind = " folder" if stat.S_ISDIR(os.fstat(arguments[0]).st_mode) else " file"
            calls.append(name + kind)
            return real(*arguments)

        return call

    for name in ("fsync", "replace", "rename"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    write_atomic(tmp_path / "file", b"x")
    assert calls == ["fsync file", "replace", "fsync folder"]
    calls.clear()
    write_folder(tmp_path / "state", {"a": b"1", "b": b"2"})
    assert calls == ["fsync file", "fsync file", "fsync folder", "rename", "fsync folder"]


def test_a_folder_that_vanished_is_not_made_again_where_that_would_hide_it(tmp_path):
    with pytest.raises(ResourceError, match="No such file"):
        write_atomic(tmp_path / "gone" / "file", b"x", make_folder=False)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_told(tmp_path):
    (tmp_path / "run").mkdir(mode=0o500)
    with (
        pytest.raises(ResourceError, match=r"cannot use the folder .*run: Permission denied"),
        lock_folder(tmp_path / "run"),
    ):
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
    with (
        pytest.raises(ResourceError, match=rf"run is in use by process {holder.pid} on .* since 20"),
        lock_folder(folder),
    ):
        pass
    _, err = holder.communicate("\n", timeout=60)
    assert holder.returncode == 0, err
    with lock_folder(folder):
        pass


def test_a_killed_process_leaves_no_lock_and_its_temporary_files_go(tmp_path, caplog):
    holder = python(HOLD, tmp_path)
    assert holder.stdout.readline() == "held\n"
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=60)
    (tmp_path / "resume" / ".00001-000000.abcd1234.tmp").mkdir(parents=True)
    (tmp_path / "resume" / ".00001-000000.abcd1234.tmp" / "trainer.pt").write_text("half")
    (tmp_path / ".record.json.k_3x9_22.tmp").write_text("half")
    for name in ("mine.tmp", ".mine.tmp"):
        (tmp_path / name).write_text("the user's")
    with lock_folder(tmp_path):
        assert f"took over the lock of process {holder.pid} on " in caplog.text
        assert sorted(path.name for path in tmp_path.rglob("*.tmp")) == [".mine.tmp", "mine.tmp"]
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
