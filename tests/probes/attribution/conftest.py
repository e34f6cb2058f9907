"""What the attribution tests share: small networks with images, and sounds with maps."""

import importlib.util
from pathlib import Path

import pytest


def _module(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def nets():
    """The module small_networks: SHAPE, drawn, row, the networks, and attributed."""
    return _module("small_networks")


@pytest.fixture(scope="session")
def signals():
    """The module signals: SR, settings, noise, tone, maps, and assert_told_apart."""
    return _module("signals")
