"""A network that trains in a second, and a training of it that is killed: ``python small_job.py DATA OUT OPTIONS``."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import torch
from torch import nn

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.chain import Chain
from tlprobe.train import keeper
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
        data_hash=material.dataset.content_hash,
        classes=material.dataset.classes,
        image=material.settings,
        recipe=load_recipe("quick", changes={"epochs": 3, "batch_size": 8, **changes}),
    )


def train(material, out, *, seed=0, fold=1, changes=None, dropout=0.2, **options):
    """Train the small network into a run directory, as `fit` does with a real one."""
    definition = config(material, seed=seed, fold=fold, **(changes or {}))
    return fit_network(
        net(seed=seed, dropout=dropout), config=definition, material=material, out=out, device=CPU, **options
    )


def before_each_step(call):
    """Call with the number of the step, counted from 1 over all epochs, before each step."""
    one_step = Trainer.one_step

    def watched(trainer, *batch):
        call(trainer.epoch * trainer.n_steps + trainer.step + 1)
        return one_step(trainer, *batch)

    Trainer.one_step = watched


def main(data, out, *, kill_at, tell=False, save_always=False, changes=None):
    """Train, and be killed by the kernel in a step, counted from 1; 0: tell of each step and take a moment."""

    def on_step(number):
        if number == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if tell:
            print(f"step {number}", flush=True)
            time.sleep(0.05)

    before_each_step(on_step)
    if save_always:
        keeper.SAVE_EVERY_S = 0.0
    train(load_material(FitOptions(data=data)), Path(out), changes=changes)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], **json.loads(sys.argv[3]))
