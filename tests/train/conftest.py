"""A network that trains in a second, and finished runs of it."""

import pytest

from tlprobe.train.material import FitOptions, load_material


@pytest.fixture(scope="session")
def small(module_beside):
    """The module small_job: net, config, train."""
    return module_beside(__file__, "small_job")


@pytest.fixture(scope="session")
def stops(module_beside):
    """The module stops: stop_before, require_same."""
    return module_beside(__file__, "stops")


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
