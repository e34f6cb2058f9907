"""Fusion: pretrained in some blocks, the rest anew: the random network's bit for bit, or by scale alone."""

import pytest
import torch

from tlprobe.errors import ParameterError
from tlprobe.probes.fuse import fuse_blocks
from tlprobe.probes.selection import SHAPES, select_blocks

BLOCK_NAMES = ("stem", "block1", "block2", "block3", "block4")


def same(one, other):
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("block", BLOCK_NAMES)
def test_each_block_is_one_of_the_two_networks(pretrained_model, pretrained_network, random_network, block, shape):
    kept = select_blocks(BLOCK_NAMES, shape=shape, block=block)
    n = fuse_blocks(pretrained_model, blocks=kept, seed=1)
    for name in BLOCK_NAMES:
        source, other = (pretrained_network, random_network) if name in kept else (random_network, pretrained_network)
        assert same(pretrained_model.blocks[name], source.blocks[name]), name
        assert not same(pretrained_model.blocks[name], other.blocks[name]), name
    assert same(pretrained_model.head, random_network.head)
    anew = set(BLOCK_NAMES) - set(kept)
    assert n == sum(weight.numel() for name in anew for weight in random_network.blocks[name].parameters())
    assert (n == 0) == (not anew)


def test_the_random_blocks_follow_the_seed(pretrained_model, random_network):
    fuse_blocks(pretrained_model, blocks=("stem",), seed=2)
    assert not same(pretrained_model.blocks["block4"], random_network.blocks["block4"])


def test_everything_is_trained(pretrained_model, step):
    fuse_blocks(pretrained_model, blocks=("stem", "block1", "block2"), seed=1)
    before = {key: tensor.clone() for key, tensor in pretrained_model.blocks.state_dict().items()}
    step(pretrained_model)
    after = pretrained_model.blocks.state_dict()
    assert {key.split(".")[0] for key in after if not torch.equal(after[key], before[key])} == set(BLOCK_NAMES)


def test_the_callers_random_state_is_untouched(pretrained_model):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    fuse_blocks(pretrained_model, blocks=("stem",), seed=1)
    assert torch.equal(torch.rand(1), expected)


def test_an_unknown_block_is_told_with_the_choices(pretrained_model, pretrained_network):
    for name in ("block5", "none", ""):
        with pytest.raises(ParameterError, match="choose from stem, block1, block2, block3, block4") as caught:
            fuse_blocks(pretrained_model, blocks=("stem", name), seed=1)
        assert repr(name) in str(caught.value)
    assert same(pretrained_model, pretrained_network)


def weights_and_statistics(block):
    weights = {name for name, _ in block.named_parameters()}
    state = {name: tensor.clone() for name, tensor in block.state_dict().items()}
    return {name: state[name] for name in weights}, {name: state[name] for name in state.keys() - weights}


def test_matched_weights_have_mean_and_variance_of_the_pretrained_ones(pretrained_model, random_network):
    before, _ = weights_and_statistics(pretrained_model.blocks["block4"])
    fuse_blocks(pretrained_model, blocks=BLOCK_NAMES[:4], rest="matched", seed=1)
    after, statistics = weights_and_statistics(pretrained_model.blocks["block4"])
    _, fresh = weights_and_statistics(random_network.blocks["block4"])
    assert all(torch.equal(statistics[name], fresh[name]) for name in fresh)  # of a batch-norm that has seen nothing
    for name, tensor in after.items():
        old = before[name].double()
        assert not torch.equal(tensor, before[name])
        error = old.std() / old.numel() ** 0.5  # of the mean of so many draws
        assert abs(tensor.double().mean() - old.mean()) < 5 * error, name
        assert tensor.double().std() == pytest.approx(old.std().item(), rel=5 / (2 * old.numel()) ** 0.5), name


def test_shuffled_weights_are_the_pretrained_ones_of_each_filter(pretrained_model, pretrained_network):
    fuse_blocks(pretrained_model, blocks=("stem",), rest="shuffled", seed=1)
    old, new = pretrained_network.blocks.state_dict(), pretrained_model.blocks.state_dict()
    moved = [name for name in new if not torch.equal(new[name], old[name])]
    assert moved == [name for name in new if new[name].dim() == 4 and not name.startswith("stem")]
    for name in moved:
        assert torch.equal(new[name].flatten(1).sort(dim=1).values, old[name].flatten(1).sort(dim=1).values), name
        stays = (new[name] == old[name]).double().mean()
        assert stays < 0.5, name  # of 9 values in a depthwise filter, 1 in 9 stays by chance


def test_batch_norm_statistics_can_be_all_that_is_kept(pretrained_model, pretrained_network, random_network):
    fuse_blocks(pretrained_model, blocks=(), rest="bn-stats", seed=1)
    new = pretrained_model.blocks.state_dict()
    for name, tensor in new.items():
        kept = name.endswith(("running_mean", "running_var"))
        source = pretrained_network if kept else random_network
        assert torch.equal(tensor, source.blocks.state_dict()[name]), name


@pytest.mark.parametrize("rest", ["matched", "shuffled"])
def test_what_is_drawn_follows_the_seed_alone(pretrained_model, pretrained_network, rest):
    fuse_blocks(pretrained_model, blocks=BLOCK_NAMES[:4], rest=rest, seed=1)
    first = {name: tensor.clone() for name, tensor in pretrained_model.blocks["block4"].state_dict().items()}
    for seed, equal in ((1, True), (2, False)):
        pretrained_model.blocks.load_state_dict(pretrained_network.blocks.state_dict())
        fuse_blocks(pretrained_model, blocks=(), rest=rest, seed=seed)  # whatever else starts anew
        again = pretrained_model.blocks["block4"].state_dict()
        assert all(torch.equal(again[name], first[name]) for name in first) == equal


def test_an_unknown_rest_is_told_with_the_choices(pretrained_model):
    with pytest.raises(
        ParameterError, match="rest='zeros' is unknown; choose from random, matched, shuffled, bn-stats"
    ):
        fuse_blocks(pretrained_model, blocks=("stem",), rest="zeros", seed=1)
