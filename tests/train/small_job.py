"""A network that trains in a second, and a training of it that can be killed: ``python small_job.py DATA OUT``."""

import sys
import time
from pathlib import Path

import torch
from torch import nn

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.chain import Chain
from tlprobe.train.config import FitConfig
from tlprobe.train.fit import fit_network
from tlprobe.train.loop import Trainer
from tlprobe.train.material import FitOptions, load_material
from tlprobe.train.recipe import load_recipe

CPU = torch.device("cpu")


class Network(nn.Module):
    """Five convolutions with all that can go wrong in a resume: batch-norm, in-place ReLU, dropout."""

    def __init__(self, dropout):
        super().__init__()
        widths = [3, 8, 8, 12, 16, 24]
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(widths[i], widths[i + 1], 3, stride=2 if i < 3 else 1, padding=1, bias=False),
                nn.BatchNorm2d(widths[i + 1]),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout if i == 4 else 0.0),
            )
            for i in range(5)
        )
        self.fc = nn.Linear(24, 10)


def net(*, seed=0, n_classes=3, dropout=0.2, image_shape=(3, 128, 40)):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(dropout)
    names = ("stem", "block1", "block2", "block3", "block4")
    blocks = {name: [layer] for name, layer in zip(names, network.layers, strict=True)}
    chain = Chain(network, blocks, network.fc, "fc")
    return BlockedCNN(chain, backbone="small", n_classes=n_classes, seed=seed, image_shape=image_shape)


def config(material, *, seed=0, fold=1, **changes):
    return FitConfig(
        backbone="small",
        init="random",
        init_digest="random",
        fold=fold,
        seed=seed,
        treatment="random",
        block=None,
        data_hash=material.dataset.content_hash,
        classes=material.dataset.classes,
        image=material.settings,
        recipe=load_recipe("quick", changes={"epochs": 3, "batch_size": 8, **changes}),
    )


def train(material, out, *, seed=0, fold=1, changes=None, **options):
    """Train the small network into a run directory, as `fit` does with a real one."""
    definition = config(material, seed=seed, fold=fold, **(changes or {}))
    return fit_network(net(seed=seed), config=definition, material=material, out=out, device=CPU, **options)


def hang_in_epoch_2():
    """Make the third step of the second epoch say so and never end."""
    step = Trainer._step
    seen = []

    def hanging(trainer, *batch):
        seen.append(trainer.epoch)
        if seen.count(1) == 3:
            print("in epoch 2", flush=True)
            time.sleep(600)
        return step(trainer, *batch)

    Trainer._step = hanging


if __name__ == "__main__":
    hang_in_epoch_2()
    train(load_material(FitOptions(data=sys.argv[1])), Path(sys.argv[2]))
