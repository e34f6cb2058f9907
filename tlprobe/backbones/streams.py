"""Draw weights from a seeded stream of their own and leave the caller's random state alone."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from tlprobe.numerics.seeds import derive_seed

__all__ = ["new_head", "seeded"]


@contextlib.contextmanager
def seeded(seed: int, purpose: str) -> Iterator[None]:
    """Draw from the stream (`seed`, `purpose`) within a ``with`` block.

    Only torch's CPU generator is seeded and put back: networks are made on the CPU, and a reseeded
    CUDA generator would be a side effect on the caller.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(seed, purpose))
        yield


def new_head(in_features: int, n_classes: int, *, seed: int) -> nn.Linear:
    """Return a linear head with torch's default init, whatever init the backbone's own head has."""
    with seeded(seed, "head"):
        return nn.Linear(in_features, n_classes)
