"""Cutoff: the network ends after a block, with pooling and a new head."""

import pytest
import torch

from tlprobe.backbones.registry import build
from tlprobe.backbones.streams import new_head
from tlprobe.errors import ParameterError
from tlprobe.probes.cutoff import cut_after

# Channels at the end of each block of efficientnet_lite0: Tan & Le 2019, table 1, without width scaling.
WIDTHS = {"stem": 16, "block1": 24, "block2": 40, "block3": 112, "block4": 1280}


@pytest.mark.parametrize("after", WIDTHS)
def test_what_is_left(pretrained_model, after):
    kept = list(WIDTHS)[: list(WIDTHS).index(after) + 1]
    full = {
        name: sum(weight.numel() for weight in block.parameters()) for name, block in pretrained_model.blocks.items()
    }
    before = {key: tensor.clone() for key, tensor in pretrained_model.body_state().items()}
    n = cut_after(pretrained_model, after=after, seed=7)
    assert pretrained_model.block_names == tuple(kept)
    assert n == sum(full[name] for name in kept) + WIDTHS[after] * 3 + 3
    assert pretrained_model.head.in_features == WIDTHS[after]
    assert all(torch.equal(tensor, before[key]) for key, tensor in pretrained_model.body_state().items())
    with torch.no_grad():
        logits = pretrained_model.eval()(torch.randn(2, 3, 64, 32))
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()


def test_the_head_comes_from_the_seed(pretrained_model, random_model):
    cut_after(pretrained_model, after="block2", seed=7)
    cut_after(random_model, after="block2", seed=7)
    expected = new_head(WIDTHS["block2"], 3, seed=7)
    assert torch.equal(pretrained_model.head.weight, expected.weight)
    assert torch.equal(random_model.head.weight, expected.weight)  # whatever the body
    assert not torch.equal(new_head(WIDTHS["block2"], 3, seed=8).weight, expected.weight)


def test_all_of_it_is_trained(pretrained_model, step):
    cut_after(pretrained_model, after="block1", seed=0)
    before = {key: tensor.clone() for key, tensor in pretrained_model.original_state().items()}
    step(pretrained_model)
    after = pretrained_model.original_state()
    assert all(not torch.equal(after[key], before[key]) for key in after if key.endswith("weight"))


def test_a_cut_densenet_ends_in_a_norm_of_its_own():
    model = build("densenet121", n_classes=3, seed=0, image_shape=(3, 64, 64))
    body = sum(weight.numel() for name in ("stem", "block1") for weight in model.blocks[name].parameters())
    n = cut_after(model, after="block1", seed=0)
    assert n == body + 2 * 128 + 128 * 3 + 3  # a transition halves 256 channels; norm: scale and shift; head
    assert (model.features(torch.randn(2, 3, 64, 64)) >= 0).all()  # a ReLU before pooling


def test_an_unknown_block_is_told_with_the_choices(random_model):
    for after in ("none", "block5", ""):
        with pytest.raises(ParameterError, match="choose from stem, block1, block2, block3, block4") as caught:
            cut_after(random_model, after=after, seed=0)
        assert repr(after) in str(caught.value)
    assert random_model.block_names == tuple(WIDTHS)
