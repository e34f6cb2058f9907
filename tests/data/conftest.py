"""Small data folders, archives and a server of one, made in code; nothing here touches the user's cache."""

import csv
import threading

import numpy as np
import pytest
import soundfile

from tlprobe.audio.settings import ImageSettings
from tlprobe.data import download as download_module
from tlprobe.data.extract import extract
from tlprobe.data.known import KNOWN
from tlprobe.data.open import open_dataset
from tlprobe.errors import DataError

SR = 16_000
HEADER = ["filename", "fold", "target", "category", "esc10", "src_file", "take"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLPROBE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def write_clip():
    def write(path, *, seconds=0.5, sr=SR, seed=0):
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, int(seconds * sr)), sr)
        return path

    return write


@pytest.fixture
def esc_rows():
    """Ten clips: two classes, five folds; 'dog' is in ESC-10."""
    return [
        [
            f"{fold}-{100 + fold}-A-{target}.wav",
            str(fold),
            str(target),
            label,
            str(label == "dog"),
            str(100 + fold),
            "A",
        ]
        for fold in range(1, 6)
        for target, label in enumerate(("dog", "rain"))
    ]


@pytest.fixture
def make_esc(tmp_path, write_clip, esc_rows):
    """Write an ESC-50 folder; `rows` go into the table, the files are those of the untouched `esc_rows`."""
    names = [row[0] for row in esc_rows]  # kept now: tests put names into the rows that must never be written

    def make(rows=None, *, header=HEADER, encoding="utf-8", newline="\n"):
        root = tmp_path / "esc"
        (root / "meta").mkdir(parents=True, exist_ok=True)
        with (root / "meta" / "esc50.csv").open("w", encoding=encoding, newline="") as file:
            csv.writer(file, lineterminator=newline).writerows([header, *(esc_rows if rows is None else rows)])
        for seed, name in enumerate(names):
            write_clip(root / "audio" / name, seed=seed)
        return root

    return make


@pytest.fixture
def make_folder(tmp_path, write_clip):
    """Write a folder with one sub-folder a class."""

    def make(classes=("cat", "dog"), n=5, name="own", **clip):
        root = tmp_path / name
        for k, label in enumerate(classes):
            for i in range(n):
                write_clip(root / label / f"{i}.wav", seed=100 * k + i, **clip)
        return root

    return make


@pytest.fixture
def dataset(make_folder):
    """Ten half-second clips of two classes."""
    return open_dataset(make_folder())


@pytest.fixture(scope="session")
def half_second():
    """The image settings of those clips."""
    return ImageSettings(sr=SR, clip_s=0.5, width=25)


@pytest.fixture(scope="session")
def archives(module_beside):
    """The module archives: LIMITS, pack and its parts."""
    return module_beside(__file__, "archives")


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
def refused(archives, place, tmp_path):
    """Unpack, expect an error, and look for traces anywhere."""

    def check(kind, data, match, *, error=DataError, **limits):
        path = place(kind, data)
        with pytest.raises(error, match=match) as caught:
            extract(path, path.parent / "to", **(archives.LIMITS | limits))
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 600
        assert [found for found in tmp_path.rglob("*") if found not in (path, path.parent)] == []
        path.unlink()

    return check


@pytest.fixture(scope="session")
def served(module_beside):
    """The module served: DATA, the archive, what is in it, and Server."""
    return module_beside(__file__, "served")


@pytest.fixture
def no_wait(monkeypatch):
    monkeypatch.setattr(download_module, "_WAIT_S", 0.0)


@pytest.fixture
def server(served, no_wait):
    with served.Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.closing.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def know(served, no_wait, monkeypatch):
    """Make the small data set known as 'tiny'."""

    def make(url, **changes):
        monkeypatch.setitem(KNOWN, "tiny", served.known(url, **changes))

    return make


@pytest.fixture
def to(tmp_path):
    return tmp_path / "sets"


@pytest.fixture
def check_whole(served):
    """Require the small data set, whole, and nothing else but its archive."""

    def check(root, to):
        assert root == to / "tiny-1"
        assert (root / "meta" / "table.csv").read_bytes() == served.TABLE
        recordings = {file.relative_to(root).as_posix(): file.read_bytes() for file in root.glob("audio/*")}
        assert recordings == served.RECORDINGS
        assert list(to.glob("*.part*")) == []
        assert list(to.glob(".*.tmp")) == []
        assert {path.name for path in to.iterdir()} <= {"tiny-1", "set.tar.gz", "set-master.tar.gz", ".tlprobe.lock"}

    return check
