"""The image cache: right images in the right order, computed once, and never half of them."""

import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tlprobe.audio.image import ImageMaker
from tlprobe.audio.load import load
from tlprobe.audio.settings import LOG_FLOOR, ImageSettings
from tlprobe.data import cache, render
from tlprobe.data.cache import images_of, load_images
from tlprobe.data.open import open_dataset
from tlprobe.data.options import DataOptions
from tlprobe.errors import DataError, ParameterError, ResourceError

SETTINGS = ImageSettings(sr=16_000, clip_s=0.5, width=25)


@pytest.fixture
def dataset(make_folder):
    return open_dataset(make_folder())


@pytest.fixture
def entry(dataset, tmp_path):
    """The folder of the one cache entry, after a first call."""
    load_images(dataset, SETTINGS)
    (folder,) = (tmp_path / "cache" / "images").iterdir()
    return folder


def test_images_are_those_of_the_clips_in_order(dataset):
    images = load_images(dataset, SETTINGS, jobs=3)
    assert images.array.shape == (10, 3, 128, 25)
    assert images.array.dtype == np.float32
    assert (images.n_padded, images.n_cropped, images.n_silent) == (0, 0, 0)
    image_maker = ImageMaker(SETTINGS)
    for path, image in zip(dataset.paths, images.array, strict=True):
        expected = image_maker(load(path, sr=16_000))
        np.testing.assert_array_equal(image, expected)
    np.testing.assert_array_equal(images_of(dataset.paths, SETTINGS), images.array)
    with pytest.raises(ValueError, match="read-only"):
        images.array[0] = 0


def test_number_of_jobs_changes_nothing(dataset, tmp_path):
    one, many = (load_images(dataset, SETTINGS, jobs=n, cache=tmp_path / str(n)) for n in (1, 4))
    np.testing.assert_array_equal(one.array, many.array)


def test_images_are_computed_once(dataset, monkeypatch):
    load_images(dataset, SETTINGS)
    monkeypatch.setattr(cache, "render_all", lambda *_, **__: pytest.fail("computed again"))
    load_images(dataset, SETTINGS)
    load_images(open_dataset(dataset.root, DataOptions(data_seed=5)), SETTINGS)  # other folds, same recordings


@pytest.mark.parametrize(
    "change",
    [{"sr": 8_000}, {"clip_s": 0.4}, {"width": 24}, {"features": "log-mel"}, {"features": "gammatone"}, {"n_mels": 64}],
)
def test_other_settings_are_another_entry(dataset, entry, change):
    load_images(dataset, SETTINGS.model_copy(update=change))
    assert len(list(entry.parent.iterdir())) == 2


def test_other_content_is_another_entry(dataset, entry):
    soundfile.write(dataset.paths[0], np.full(8000, 0.5), 16_000)
    changed = open_dataset(dataset.root)
    images = load_images(changed, SETTINGS)
    np.testing.assert_array_equal(images.array[0], images_of(changed.paths[:1], SETTINGS)[0])
    assert len(list(entry.parent.iterdir())) == 2


def test_padded_cropped_and_silent_clips_are_counted(make_folder, write_clip, caplog):
    root = make_folder()
    write_clip(root / "cat" / "long.wav", seconds=0.8)
    write_clip(root / "cat" / "short.wav", seconds=0.3)
    hollow = np.zeros(32_000)
    hollow[:100] = 0.5
    soundfile.write(root / "dog" / "hollow.wav", hollow, 16_000)
    dataset = open_dataset(root)
    images = load_images(dataset, SETTINGS)
    assert (images.n_padded, images.n_cropped, images.n_silent) == (1, 2, 1)
    note = "own: 1 clips hold nothing but silence once cropped to 0.5 s"
    assert caplog.messages == [note]
    load_images(dataset, SETTINGS)  # from the cache
    assert caplog.messages == [note] * 2
    position = [clip.path for clip in dataset.clips].index("dog/hollow.wav")
    np.testing.assert_allclose(images.array[position], LOG_FLOOR, rtol=1e-6)
    meta = json.loads(next((root.parent / "cache" / "images").glob("*/images.json")).read_text())
    assert [dataset.clips[i].path for i in meta["about"]["padded"]] == ["cat/short.wav"]
    assert [dataset.clips[i].path for i in meta["about"]["cropped"]] == ["cat/long.wav", "dog/hollow.wav"]
    assert meta["about"]["settings"] == SETTINGS.model_dump()


def test_bad_files_are_all_reported_and_leave_nothing(dataset, tmp_path):
    for path in dataset.paths[:7]:
        path.write_bytes(path.read_bytes()[:-100])
    soundfile.write(dataset.paths[7], np.full(100, np.nan), 16_000, "FLOAT")
    with pytest.raises(DataError, match=r"^8 recordings cannot be used: .*cat/0\.wav is truncated.*; and 3 more$"):
        load_images(dataset, SETTINGS)
    with pytest.raises(DataError, match=r"dog/2\.wav holds samples that are NaN"):
        images_of(dataset.paths[7:], SETTINGS)
    (entry,) = (tmp_path / "cache" / "images").iterdir()
    assert not list(entry.glob("images*"))


def flip_a_bit(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: os.truncate(entry / "images.npy", 5_000),
        lambda entry: os.truncate(entry / "images.npy", 0),
        lambda entry: (entry / "images.npy").write_bytes((entry / "images.npy").read_bytes() + b"more"),
        lambda entry: (entry / "images.npy").unlink(),
        lambda entry: np.save(entry / "images.npy", np.zeros((10, 3, 128, 25))),
        lambda entry: flip_a_bit(entry / "images.npy"),
        lambda entry: (entry / "images.json").write_text("{"),
        lambda entry: (entry / "images.json").write_text("[]"),
        lambda entry: (entry / "images.json").unlink(),
    ],
)
def test_damaged_entry_is_made_again(dataset, entry, damage):
    damage(entry)
    np.testing.assert_array_equal(load_images(dataset, SETTINGS).array, images_of(dataset.paths, SETTINGS))


def test_full_disk_is_a_resource_error_and_leaves_nothing(dataset, tmp_path, monkeypatch):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # stands in for a full disk
    try:
        with pytest.raises(ResourceError, match="cannot write the cache of images"):
            load_images(dataset, SETTINGS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (entry,) = (tmp_path / "cache" / "images").iterdir()
    assert not list(entry.glob("images*"))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(ResourceError, match=r"needs 384000 bytes, 10 are free"):
        load_images(dataset, SETTINGS)


def test_unusable_cache_folder_is_a_resource_error(dataset, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="cannot use the folder"):
        load_images(dataset, SETTINGS, cache=tmp_path / "file")


def test_wrong_arguments_are_refused(dataset):
    with pytest.raises(ParameterError, match="jobs=0 is too few"):
        load_images(dataset, SETTINGS, jobs=0)
    with pytest.raises(ParameterError, match="too short"):
        load_images(dataset, SETTINGS.model_copy(update={"clip_s": 0.01}))


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


def test_what_a_killed_job_left_is_removed_by_the_next_build_but_a_living_jobs_file_is_not(dataset, tmp_path):
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
        load_images(dataset, SETTINGS)
        assert len(list(folder.glob("*/images.npy.tmp"))) == 1  # the other job still writes it
        load_images(dataset, SETTINGS.model_copy(update={"width": 20}))  # the lock of the dead is free
    finally:
        for job in jobs:
            job.kill()
            job.communicate()


@pytest.fixture
def as_processes(monkeypatch):
    """Let worker processes do what threads would for so few clips."""
    monkeypatch.setattr(render, "PROCESSES_FROM", 1)


def test_worker_processes_give_the_same_images_and_errors(dataset, tmp_path, as_processes):
    load_images(dataset, SETTINGS, jobs=1, cache=tmp_path / "1")
    images = load_images(dataset, SETTINGS, jobs=2, cache=tmp_path / "2")
    np.testing.assert_array_equal(images.array, images_of(dataset.paths, SETTINGS))
    for path in dataset.paths[:7]:
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"^7 recordings cannot be used: .*cat/0\.wav is truncated.*; and 2 more$"):
        load_images(dataset, SETTINGS, jobs=2, cache=tmp_path / "3")
    assert not list((tmp_path / "3" / "images").glob("*/images*"))


def test_a_module_of_the_users_folder_does_not_shadow_a_library(dataset, tmp_path, as_processes, monkeypatch):
    (tmp_path / "soundfile.py").write_text("raise SystemExit('not the library')")
    monkeypatch.chdir(tmp_path)
    if sys.version_info < (3, 11):
        pytest.skip("PYTHONSAFEPATH came with Python 3.11")
    assert load_images(dataset, SETTINGS, jobs=2).array.shape[0] == 10


def test_an_interrupt_ends_the_workers(dataset, tmp_path, as_processes, monkeypatch):
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
    monkeypatch.setattr(cache, "tqdm", lambda rendered, **_: map(interrupted, rendered))
    with pytest.raises(KeyboardInterrupt) as caught:
        load_images(dataset, SETTINGS, jobs=3)
    assert caught.tb is not None  # it holds on to all that was going on
    assert started
    assert all(process.returncode is not None for process in started)
    assert not list((tmp_path / "cache" / "images").glob("*/images*"))


def test_a_worker_that_dies_is_told_and_leaves_nothing(dataset, tmp_path, as_processes, monkeypatch):
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
        load_images(dataset, SETTINGS, jobs=2)
    assert not list((tmp_path / "cache" / "images").glob("*/images*"))


def test_a_full_disk_under_a_worker_process_is_told(dataset, tmp_path, as_processes):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # workers inherit it
    try:
        with pytest.raises(ResourceError, match=r"cannot write the cache of images .*File too large"):
            load_images(dataset, SETTINGS, jobs=2)
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
