"""What the attribution tests share: small networks with images, and sounds with maps."""

import pytest


@pytest.fixture(scope="session")
def nets(module_beside):
    """The module small_networks: SHAPE, drawn, row, the networks, and attributed."""
    return module_beside(__file__, "small_networks")


@pytest.fixture(scope="session")
def signals(module_beside):
    """The module signals: SR, settings, noise, tone, maps, and assert_told_apart."""
    return module_beside(__file__, "signals")
