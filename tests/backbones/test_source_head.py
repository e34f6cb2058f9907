"""The head that starting weights came with: the original network's answers, or a line that says why not."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tlprobe.backbones.registry import build
from tlprobe.backbones.source_head import read_source_head
from tlprobe.backbones.weights import read_weights
from tlprobe.errors import CheckpointError


@torch.no_grad()
def test_with_it_the_network_is_the_one_that_the_weights_are_of(donor, resnet18, images, tmp_path):
    file = tmp_path / "donor.safetensors"
    save_file(donor.original_state(), file)
    head = read_source_head(file, model=resnet18)
    resnet18.load_original_state(read_weights(file, model=resnet18).state, head=False)
    torch.testing.assert_close(head(resnet18.eval().features(images)), donor.eval()(images), rtol=0, atol=1e-6)
    assert not head.training


def test_imagenet_has_a_thousand_classes():
    model = build("efficientnet_lite0", n_classes=3, seed=0)
    head = read_source_head("imagenet", model=model)
    assert isinstance(head, nn.Linear)
    assert (head.in_features, head.out_features) == (1280, 1000)
    assert model.head.out_features == 3


def test_a_prefix_is_taken_off(donor, resnet18, tmp_path):
    torch.save({f"module.{name}": tensor for name, tensor in donor.original_state().items()}, tmp_path / "donor.pth")
    assert read_source_head(tmp_path / "donor.pth", model=resnet18).out_features == 9


def test_why_there_is_none(donor, resnet18, tmp_path):
    assert read_source_head("random", model=resnet18) == "random weights were trained on no classes"
    save_file(donor.body_state(), tmp_path / "body.safetensors")
    said = read_source_head(tmp_path / "body.safetensors", model=resnet18)
    assert said == "the weights hold no source head: no fc.weight, no fc.bias"
    wide = {**donor.body_state(), "fc.weight": torch.zeros(9, 4), "fc.bias": torch.zeros(9)}
    save_file(wide, tmp_path / "wide.safetensors")
    said = read_source_head(tmp_path / "wide.safetensors", model=resnet18)
    assert said == "the weights' source head has shapes (9, 4) and (9,), no linear layer of 512 features"
    with pytest.raises(CheckpointError, match="no such file or run"):
        read_source_head(tmp_path / "none.safetensors", model=resnet18)
