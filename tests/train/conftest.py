"""A network that trains in a second, and finished runs of it."""

import importlib.util
from pathlib import Path

import pytest

from tlprobe.train.material import FitOptions, load_material


@pytest.fixture(scope="session")
def small():
    """The module small_job: net, config, train."""
    spec = importlib.util.spec_from_file_location("small_job", Path(__file__).parent / "small_job.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def material(tiny_data):
    return load_material(FitOptions(data=tiny_data))


@pytest.fixture(scope="session")
def straight(small, material, tmp_path_factory):
    """Three epochs of the small network without an interruption; tests must leave its folder as it is."""
    return small.train(material, tmp_path_factory.mktemp("small") / "straight")
