"""Freezing must hold through a real training: weights and running statistics, and nothing more."""

import pytest
import torch

from tlprobe.errors import ParameterError
from tlprobe.probes.freeze import freeze_blocks
from tlprobe.probes.selection import select_blocks

BLOCK_NAMES = ("stem", "block1", "block2", "block3", "block4")


def upto(last):
    return select_blocks(BLOCK_NAMES, shape="prefix", block=last)


def copy_of(state):
    return {name: tensor.detach().clone() for name, tensor in state.items()}


@pytest.mark.parametrize("last", BLOCK_NAMES)
def test_training_changes_only_unfrozen_blocks(random_model, step, last):
    assert random_model.block_names == BLOCK_NAMES
    before = copy_of(random_model.blocks.state_dict())
    head = copy_of(random_model.head.state_dict())
    freeze_blocks(random_model, blocks=upto(last))
    step(random_model)
    after = random_model.blocks.state_dict()
    changed = {key.split(".")[0] for key in after if not torch.equal(after[key], before[key])}
    assert changed == set(BLOCK_NAMES[BLOCK_NAMES.index(last) + 1 :])
    assert all(not torch.equal(tensor, head[name]) for name, tensor in random_model.head.state_dict().items())


@pytest.mark.parametrize("shape", ["suffix", "single", "except"])
def test_other_shapes_freeze_just_what_they_name(random_model, step, shape):
    before = copy_of(random_model.blocks.state_dict())
    blocks = select_blocks(BLOCK_NAMES, shape=shape, block="block2")
    freeze_blocks(random_model, blocks=blocks)
    step(random_model)
    after = random_model.blocks.state_dict()
    unchanged = {
        name for name in BLOCK_NAMES if all(torch.equal(after[k], before[k]) for k in after if k.startswith(name))
    }
    assert unchanged == set(blocks) != set()


def test_the_step_moves_every_kind_of_tensor_where_nothing_is_frozen(random_model, step):
    """Else the test above would pass for a trainer that leaves statistics alone."""
    before = copy_of(random_model.blocks["stem"].state_dict())
    step(random_model)
    after = random_model.blocks["stem"].state_dict()
    assert {key.rsplit(".", 1)[1] for key in after} >= {"weight", "running_mean", "running_var", "num_batches_tracked"}
    assert all(not torch.equal(after[key], before[key]) for key in after)


def test_a_frozen_block_answers_in_training_as_it_does_in_evaluation(random_model, block_maps):
    """Batch-norm in eval mode: the output does not depend on the batch."""
    freeze_blocks(random_model, blocks=upto("block1"))
    random_model.train()
    x = torch.randn(4, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    in_training = block_maps(random_model, x)
    random_model.eval()
    in_evaluation = block_maps(random_model, x)
    assert torch.equal(in_training["block1"], in_evaluation["block1"])
    assert not torch.equal(in_training["block2"], in_evaluation["block2"])


def test_returns_the_number_of_weights_that_get_no_gradient(random_model):
    # efficientnet_lite0's stem by hand: convolution 3 -> 32 (3 x 3) and norm; then a depthwise-separable block:
    # depthwise 3 x 3 of 32 and norm, pointwise 32 -> 16 and norm. Running statistics are no weights.
    stem = 3 * 32 * 9 + 2 * 32 + 32 * 9 + 2 * 32 + 32 * 16 + 2 * 16
    assert freeze_blocks(random_model, blocks=upto("stem")) == stem
    n = freeze_blocks(random_model, blocks=upto("block2"))
    without = sum(weight.numel() for weight in random_model.parameters() if not weight.requires_grad)
    assert n == without > stem
    assert freeze_blocks(random_model, blocks=upto("stem")) == stem  # setting it again thaws the later blocks
    assert all(weight.requires_grad for weight in random_model.blocks["block2"].parameters())


def test_freezing_all_blocks_leaves_the_head(random_model):
    n = freeze_blocks(random_model, blocks=upto("block4"))
    total = sum(weight.numel() for weight in random_model.parameters())
    assert total - n == sum(weight.numel() for weight in random_model.head.parameters()) == 1280 * 3 + 3


def test_an_unknown_block_is_told_with_the_choices(random_model):
    for name in ("block5", "none", "", "Stem", "head"):
        with pytest.raises(ParameterError, match="choose from stem, block1, block2, block3, block4") as caught:
            freeze_blocks(random_model, blocks=(name,))
        assert repr(name) in str(caught.value)
    assert random_model.frozen == ()
