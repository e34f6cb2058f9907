"""The image cache among processes: jobs that share it or are killed, and workers that fail."""

import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tlprobe.data import cache, render
from tlprobe.data.cache import images_of, load_images
from tlprobe.errors import DataError, ResourceError


def test_two_processes_share_the_work(dataset, tmp_path):
    """They start together and take their time over each clip, so both would compute all ten without the lock."""
    code = (
        "import os, sys, time; from pathlib import Path\n"
        "from tlprobe.audio.settings import ImageSettings\n"
        "from tlprobe.data import cache, render\n"
        "from tlprobe.data.open import open_dataset\n"
        "decode, loaded = render.decode, []\n"
        "def slow(path, **how):\n"
        "    time.sleep(0.2)\n"
        "    loaded.append(path)\n"
        "    return decode(path, **how)\n"
        "render.decode = slow\n"
        "dataset, start = open_dataset(Path(sys.argv[1])), Path(sys.argv[2])\n"
        "(start / str(os.getpid())).touch()\n"
        "while len(list(start.iterdir())) < 2: time.sleep(0.01)\n"
        "images = cache.load_images(dataset, ImageSettings(sr=16000, clip_s=0.5, width=25), jobs=1)\n"
        "print(len(loaded), float(images.array.sum()))\n"
    )
    (tmp_path / "start").mkdir()
    command = [sys.executable, "-c", code, str(dataset.root), str(tmp_path / "start")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    outputs = [process.communicate(timeout=240)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(int(n_loaded) for n_loaded, _ in outputs) == [0, 10]
    assert outputs[0][1] == outputs[1][1]
    assert len(list((tmp_path / "cache" / "images").iterdir())) == 1


def test_what_a_killed_job_left_is_removed_by_the_next_build_but_a_living_jobs_file_is_not(
    half_second, dataset, tmp_path
):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from tlprobe.audio.settings import ImageSettings\n"
        "from tlprobe.data import cache, render\n"
        "from tlprobe.data.open import open_dataset\n"
        "render.decode = lambda path, **how: (print('rendering', flush=True), time.sleep(300))\n"
        "settings = ImageSettings(sr=16000, clip_s=0.5, width=int(sys.argv[2]))\n"
        "cache.load_images(open_dataset(Path(sys.argv[1])), settings, jobs=1)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(dataset.root), width], stdout=subprocess.PIPE, text=True, env=environment
        )
        for width in ("20", "21")
    ]
    folder = tmp_path / "cache" / "images"
    try:
        assert [job.stdout.readline() for job in jobs] == ["rendering\n"] * 2
        assert len(list(folder.glob("*/images.npy.tmp"))) == 2
        jobs[0].kill()
        jobs[0].wait()
        load_images(dataset, half_second)
        assert len(list(folder.glob("*/images.npy.tmp"))) == 1  # the other job still writes it
        load_images(dataset, half_second.model_copy(update={"width": 20}))  # the lock of the dead is free
    finally:
        for job in jobs:
            job.kill()
            job.communicate()


@pytest.fixture
def as_processes(monkeypatch):
    """Let worker processes do what threads would for so few clips."""
    monkeypatch.setattr(render, "PROCESSES_FROM", 1)


def test_worker_processes_give_the_same_images_and_errors(half_second, dataset, tmp_path, as_processes):
    load_images(dataset, half_second, jobs=1, cache=tmp_path / "1")
    images = load_images(dataset, half_second, jobs=2, cache=tmp_path / "2")
    np.testing.assert_array_equal(images.array, images_of(dataset.paths, half_second))
    for path in dataset.paths[:7]:
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"^7 recordings cannot be used: .*cat/0\.wav is truncated.*; and 2 more$"):
        load_images(dataset, half_second, jobs=2, cache=tmp_path / "3")
    assert not list((tmp_path / "3" / "images").glob("*/images*"))


def test_a_module_of_the_users_folder_does_not_shadow_a_library(
    half_second, dataset, tmp_path, as_processes, monkeypatch
):
    (tmp_path / "soundfile.py").write_text("raise SystemExit('not the library')")
    monkeypatch.chdir(tmp_path)
    if sys.version_info < (3, 11):
        pytest.skip("PYTHONSAFEPATH came with Python 3.11")
    assert load_images(dataset, half_second, jobs=2).array.shape[0] == 10


def test_an_interrupt_ends_the_workers(half_second, dataset, tmp_path, as_processes, monkeypatch):
    started, one_did = [], threading.Event()
    real = render._Process.__init__

    def noted(self, target):
        real(self, target)
        started.append(self._process._process)
        one_did.set()

    def interrupted(_):
        assert one_did.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(render._Process, "__init__", noted)
    monkeypatch.setattr(cache, "progress_bar", lambda rendered, **_: map(interrupted, rendered))
    with pytest.raises(KeyboardInterrupt) as caught:
        load_images(dataset, half_second, jobs=3)
    assert caught.tb is not None  # it holds on to all that was going on
    assert started
    assert all(process.returncode is not None for process in started)
    assert not list((tmp_path / "cache" / "images").glob("*/images*"))


def test_a_worker_that_dies_is_told_and_leaves_nothing(half_second, dataset, tmp_path, as_processes, monkeypatch):
    real = render._Process.render

    def killed(self, item):
        self._process.kill()
        return real(self, item)

    def busy(self, target, **options):
        init(self, target, **options)
        self._free = threading.Semaphore(0)  # no thread may do all of the work itself

    init = render._Workers.__init__
    monkeypatch.setattr(render._Workers, "__init__", busy)
    monkeypatch.setattr(render._Process, "render", killed)
    with pytest.raises(ResourceError, match=r"a worker process ended with code -9 at .*\.wav .*fewer --jobs"):
        load_images(dataset, half_second, jobs=2)
    assert not list((tmp_path / "cache" / "images").glob("*/images*"))


def test_a_full_disk_under_a_worker_process_is_told(half_second, dataset, tmp_path, as_processes):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # workers inherit it
    try:
        with pytest.raises(ResourceError, match=r"cannot write the cache of images .*File too large"):
            load_images(dataset, half_second, jobs=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "cache" / "images").glob("*/images*"))


def test_workers_end_when_their_starter_is_killed(dataset, tmp_path):
    code = (
        "import sys; from pathlib import Path; from tlprobe.audio.settings import ImageSettings\n"
        "from tlprobe.data import render\n"
        "file = Path(sys.argv[1]); file.touch()\n"
        "target = render.Target(file, 0, ImageSettings(sr=16000, clip_s=0.5, width=25))\n"
        "worker = render._Process(target)\n"
        "worker.render([render.Item(0, Path(sys.argv[2]))])\n"
        "print(worker._process._process.pid, flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x"), str(dataset.paths[0])]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, **pipes, env=environment) as starter:
        worker = int(starter.stdout.readline())
        starter.kill()
    end = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{worker}").exists()
