"""Fusion: pretrained up to a block, the random network after it, bit for bit."""

import pytest
import torch

from tlprobe.errors import ParameterError
from tlprobe.probes.fuse import fuse_upto

BLOCK_NAMES = ("stem", "block1", "block2", "block3", "block4")


def same(one, other):
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("upto", BLOCK_NAMES)
def test_each_block_is_one_of_the_two_networks(pretrained_model, pretrained_network, random_network, upto):
    n = fuse_upto(pretrained_model, upto=upto, seed=1)
    kept = BLOCK_NAMES[: BLOCK_NAMES.index(upto) + 1]
    for name in BLOCK_NAMES:
        source, other = (pretrained_network, random_network) if name in kept else (random_network, pretrained_network)
        assert same(pretrained_model.blocks[name], source.blocks[name]), name
        assert not same(pretrained_model.blocks[name], other.blocks[name]), name
    assert same(pretrained_model.head, random_network.head)
    later = BLOCK_NAMES[len(kept) :]
    assert n == sum(weight.numel() for name in later for weight in random_network.blocks[name].parameters())
    assert (n == 0) == (upto == "block4")


def test_the_random_blocks_follow_the_seed(pretrained_model, random_network):
    fuse_upto(pretrained_model, upto="stem", seed=2)
    assert not same(pretrained_model.blocks["block4"], random_network.blocks["block4"])


def test_everything_is_trained(pretrained_model, step):
    fuse_upto(pretrained_model, upto="block2", seed=1)
    before = {key: tensor.clone() for key, tensor in pretrained_model.blocks.state_dict().items()}
    step(pretrained_model)
    after = pretrained_model.blocks.state_dict()
    assert {key.split(".")[0] for key in after if not torch.equal(after[key], before[key])} == set(BLOCK_NAMES)


def test_the_callers_random_state_is_untouched(pretrained_model):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    fuse_upto(pretrained_model, upto="stem", seed=1)
    assert torch.equal(torch.rand(1), expected)


def test_an_unknown_block_is_told_with_the_choices(pretrained_model, pretrained_network):
    for upto in ("block5", "none", ""):
        with pytest.raises(ParameterError, match="choose from stem, block1, block2, block3, block4") as caught:
            fuse_upto(pretrained_model, upto=upto, seed=1)
        assert repr(upto) in str(caught.value)
    assert same(pretrained_model, pretrained_network)
