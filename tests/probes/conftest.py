"""A real training step, and the finished tiny run as a checkpoint."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from tlprobe.backbones.registry import build
from tlprobe.backbones.weights import read_weights
from tlprobe.data.loader import Standardiser
from tlprobe.probes import attribute as attribute_module
from tlprobe.probes.attribute import attribute
from tlprobe.train.checkpoint import open_checkpoint
from tlprobe.train.loop import Trainer
from tlprobe.train.recipe import load_recipe
from tlprobe.train.setting import Setting, Split

IMAGE_SHAPE = (3, 64, 32)


@pytest.fixture(scope="session")
def random_network():
    """Seed 1, random; tests must leave it as it is."""
    return build("efficientnet_lite0", n_classes=3, seed=1, image_shape=IMAGE_SHAPE)


@pytest.fixture(scope="session")
def pretrained_network(random_network):
    """The same with ImageNet weights; tests must leave it as it is."""
    model = copy.deepcopy(random_network)
    model.load_original_state(read_weights("imagenet", model=model).state, head=False)
    return model


@pytest.fixture
def random_model(random_network):
    return copy.deepcopy(random_network)


@pytest.fixture
def pretrained_model(pretrained_network):
    return copy.deepcopy(pretrained_network)


@pytest.fixture(scope="session")
def step():
    """Train a network by the real trainer: one epoch of two steps on six random images."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(8, *IMAGE_SHAPE)).astype(np.float32)

    def train(model, *, normalize="channel"):
        recipe = load_recipe("quick", changes={"epochs": 1, "batch_size": 3, "normalize": normalize})
        split = Split(
            views=[images],
            labels=np.array([0, 1, 2, 0, 1, 2, 0, 1]),
            train_index=np.arange(6),
            held_out_index=np.arange(6, 8),
            standardise=Standardiser(),
            names=list("abcdefgh"),
        )
        setting = Setting(device=torch.device("cpu"))
        return Trainer(model, split=split, recipe=recipe, seed=0, setting=setting).run_epoch()

    return train


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_run):
    return open_checkpoint(tiny_run, progress=False)


@pytest.fixture(scope="session")
def explained(module_beside):
    """The module explained_networks: Linear, Smooth, Kinked."""
    return module_beside(__file__, "explained_networks")


@pytest.fixture
def explain(monkeypatch, tiny_checkpoint):
    """Run the probe on the tiny run's data with another network in it."""

    def call(model, **options):
        found = dataclasses.replace(tiny_checkpoint, _after=model)
        monkeypatch.setattr(attribute_module, "open_checkpoints", lambda paths, **_: [found])
        return attribute("run", device="cpu", progress=False, **{"channels": True, **options})

    return call


@pytest.fixture
def several(monkeypatch, tiny_checkpoint):
    """Run the probe on several networks on the tiny run's data; `change` alters the last one's checkpoint."""

    def call(*models, change=None, **options):
        found = {
            f"run{k}": dataclasses.replace(tiny_checkpoint, _after=model, name=f"run{k}", run=None)
            for k, model in enumerate(models)
        }
        if change is not None:
            last = list(found)[-1]
            found[last] = change(found[last])
        monkeypatch.setattr(attribute_module, "open_checkpoints", lambda paths, **_: [found[path] for path in paths])
        return attribute(list(found), device="cpu", progress=False, **{"channels": True, **options})

    return call
