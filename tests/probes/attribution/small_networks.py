"""Small networks whose attributions are known by hand, their images, and one call for every method."""

import torch
from torch import nn

from tlprobe.probes.attribution.methods import attribute_by

SHAPE = (3, 18, 23)  # neither side is a multiple of a patch or of its stride


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Linear(nn.Module):
    """Two logits that are linear in the image, with a constant."""

    def __init__(self, shape=SHAPE):
        super().__init__()
        self.weight = nn.Parameter(drawn(2, *shape, seed=1), requires_grad=False)

    def forward(self, x):
        return torch.einsum("bchw,kchw->bk", x, self.weight) + 3


class Function(nn.Module):
    """Any function of the image as a network."""

    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, part in modules.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


class Blocked(nn.Module):
    """Two named blocks, ReLUs in place, max pooling whose windows overlap, and a head."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            first = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
            second = nn.Sequential(nn.Conv2d(6, 5, 3), nn.BatchNorm2d(5), nn.ReLU(inplace=True))
            self.blocks = nn.ModuleDict({"first": first, "second": second})
            self.head = nn.Linear(5, 2)
        self.eval().requires_grad_(False)

    def forward(self, x):
        return 10 * self.head(self.blocks["second"](self.blocks["first"](x)).mean((2, 3)))


def row(*values):
    """One clip of one row: the same values in the first channel, 0 in the others."""
    x = torch.zeros(1, 3, 1, len(values))
    x[0, 0, 0] = torch.tensor(values)
    return x


def attributed(method, model, x, *, baseline=None, columns=None, **options):
    baseline = torch.zeros_like(x[:1]) if baseline is None else baseline
    columns = [i % 2 for i in range(len(x))] if columns is None else columns
    return attribute_by(method, model, x, baseline=baseline, columns=columns, **{"block": "second", **options})
