import pytest
import torch

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.registry import build

SMALL = (3, 64, 64)


@pytest.fixture
def resnet18() -> BlockedCNN:
    return build("resnet18", n_classes=4, seed=0, image_shape=SMALL)


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    return torch.randn(2, *SMALL, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def donor():
    """Another seed's network, with another number of classes: its file must load without the head."""
    return build("resnet18", n_classes=9, seed=1, image_shape=SMALL)


@pytest.fixture(scope="session")
def densenet():
    return build("densenet121", n_classes=4, seed=0, image_shape=SMALL)
