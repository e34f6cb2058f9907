"""A network of 100,000 weights with a starting file of its own, and trainings that take no time."""

import dataclasses

import pytest
import torch

from tlprobe.train import fit as fit_module
from tlprobe.train.fit import fit
from tlprobe.train.loop import Trainer
from tlprobe.train.setting import EpochResult

SMALL = "timm/test_efficientnet"


@pytest.fixture(scope="session")
def small_options(tiny_options, start_file):
    return dataclasses.replace(tiny_options, backbone=SMALL, weights=start_file)


@pytest.fixture(scope="session")
def small_run(small_options, tmp_path_factory):
    """Fully fine-tuned from `start_file`; tests must leave its folder as it is."""
    return fit(small_options, out=tmp_path_factory.mktemp("small") / "run", device="cpu")


@pytest.fixture(scope="session")
def random_run(small_options, tmp_path_factory):
    options = dataclasses.replace(small_options, weights="random")
    return fit(options, out=tmp_path_factory.mktemp("small") / "random", device="cpu")


@pytest.fixture
def epochs(monkeypatch):
    """Skip the training itself, and list the runs' epochs: a list of (treatment's weights, epoch)."""
    seen = []

    def run_epoch(self, *, on_step=None):
        self.epoch += 1
        self.held_out_logits = torch.zeros(len(self.split.held_out_index), 3)
        seen.append(self.epoch)
        return EpochResult(
            epoch=self.epoch,
            lr=0.1,
            train_loss=1.0,
            train_accuracy=0.5,
            held_out_loss=1.0,
            held_out_accuracy=0.5,
            duration_s=1.0,
        )

    monkeypatch.setattr(Trainer, "run_epoch", run_epoch)
    return seen


@pytest.fixture
def trained(monkeypatch, epochs):
    """List the folders that `fit_network` was asked to fill and that were not finished before."""
    names = []
    original = fit_module.fit_network

    def spy(model, *, out, **options):
        before = len(epochs)
        run = original(model, out=out, **options)
        if len(epochs) > before:
            names.append((options["config"].treatment, options["config"].blocks))
        return run

    monkeypatch.setattr("tlprobe.studies.trials.fit_network", spy)
    return names
