"""The folder that doctests of the Python API find themselves in: two finished runs, made once and only if needed."""

import os
import shutil

import pytest
from filelock import FileLock


@pytest.fixture(scope="session")
def api_home(tmp_path_factory):
    """Make a folder with ``runs/full`` and ``runs/other``, of seeds 0 and 1 on the built-in clips, and their cache.

    Its network has 100,000 weights and is trained for one epoch. Parallel workers share it.
    """
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "api_home"
    with FileLock(f"{home}.lock"), pytest.MonkeyPatch.context() as patch:
        if not (home / "runs").is_dir():
            home.mkdir(exist_ok=True)
            patch.setenv("TLPROBE_CACHE", str(home / "cache"))
            _train(home)
    return home


def _train(home):
    import tlprobe
    from tlprobe.backbones.registry import build
    from tlprobe.train.run import state_bytes

    network = "timm/test_efficientnet"
    start = home / "start.safetensors"  # plays the pretrained network
    start.write_bytes(state_bytes(build(network, n_classes=7, seed=99, image_shape=(3, 128, 100)).original_state()))
    for seed, name in enumerate(("full", "other")):
        options = tlprobe.FitOptions(backbone=network, weights=start, seed=seed, changes={"epochs": 1})
        tlprobe.fit(options, out=home / "making" / name, device="cpu", progress=False)
    (home / "making").rename(home / "runs")


@pytest.fixture(autouse=True)
def api_folder(request, monkeypatch, tmp_path_factory):
    """Give a doctest a cache that is not the user's, and where it names ``runs/`` a folder with those of `api_home`."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    monkeypatch.setenv("TLPROBE_CACHE", str(tmp_path_factory.getbasetemp() / "doctest_cache"))
    if not _names_runs(request.node):
        yield
        return
    home = request.getfixturevalue("api_home")
    folder = tmp_path_factory.mktemp("api")
    shutil.copytree(home / "runs", folder / "runs")
    monkeypatch.setenv("TLPROBE_CACHE", str(home / "cache"))
    monkeypatch.chdir(folder)
    yield


def _names_runs(item):
    return any('"runs' in example.source for example in item.dtest.examples)
