"""A network that trains in a second, and finished runs of it."""

import importlib.util
from pathlib import Path

import pytest

from tlprobe.train.material import FitOptions, load_material


def _module(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def small():
    """The module small_job: net, config, train."""
    return _module("small_job")


@pytest.fixture(scope="session")
def stops():
    """The module stops: stop_before, require_same."""
    return _module("stops")


@pytest.fixture(scope="session")
def material(tiny_data):
    return load_material(FitOptions(data=tiny_data))


@pytest.fixture(scope="session")
def straight(small, material, tmp_path_factory):
    """Three epochs of the small network without an interruption; tests must leave its folder as it is."""
    return small.train(material, tmp_path_factory.mktemp("small") / "straight")


@pytest.fixture
def stopped(small, stops, material, tmp_path, monkeypatch):
    """Train until just before an epoch, and return the folder."""

    def make(epoch, **options):
        with monkeypatch.context() as patch:
            stops.stop_before(patch, epoch)
            with pytest.raises(stops.Stopped):
                small.train(material, tmp_path / "run", **options)
        return tmp_path / "run"

    return make
