"""Small networks whose answers are attributed: linear, smooth, and one with an activation that is no module."""

import torch
from torch import nn


class Linear(nn.Module):
    """Logits are a linear map of the image, divided by its size."""

    block_names = ()

    def __init__(self, shape, *, scale=1.0):
        super().__init__()
        self.weight = nn.Parameter(scale * torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)))

    def forward(self, x):
        return torch.einsum("bchw,kchw->bk", x, self.weight) / 100


class Smooth(nn.Module):
    """A small convolutional network without kinks."""

    block_names = ()

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.body = nn.Sequential(nn.Conv2d(3, 8, 5, stride=4), nn.Softplus(), nn.Conv2d(8, 8, 3), nn.Tanh())
            self.head = nn.Linear(8, 3)

    def forward(self, x):
        return 20 * self.head(self.body(x).mean((2, 3)))


class Kinked(Smooth):
    """With an activation that is no module: DeepLift and guided backprop would pass it over."""

    block_names = ("stem",)

    def forward(self, x):
        return super().forward(torch.relu(x))
