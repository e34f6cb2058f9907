"""Partitions: the same network, cut elsewhere, into parts as equal as its units allow."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tlprobe.backbones.partition import Partition, equal_parts, partition_of, unit_sizes
from tlprobe.backbones.registry import build
from tlprobe.errors import ParameterError

SHAPE = (3, 64, 64)


def unequal(sizes, counts):
    stops = [0, *itertools.accumulate(counts)]
    return sum(sum(sizes[a:b]) ** 2 for a, b in itertools.pairwise(stops))


@given(st.lists(st.integers(0, 9), min_size=2, max_size=8), st.data())
def test_no_other_cut_is_more_equal(sizes, data):
    n = data.draw(st.integers(1, len(sizes)))
    counts = equal_parts(sizes, n)
    assert sum(counts) == len(sizes)
    assert min(counts) >= 1
    every = itertools.combinations(range(1, len(sizes)), n - 1)  # all ways to cut
    best = min(unequal(sizes, [b - a for a, b in itertools.pairwise((0, *cuts, len(sizes)))]) for cuts in every)
    assert unequal(sizes, counts) == best


def test_more_parts_than_units_are_refused():
    with pytest.raises(ParameterError, match="parts=4: the network has 3 units; choose from 1 to 3"):
        equal_parts([1, 1, 1], 4)


def test_sizes_of_a_chain_by_hand():
    units = [
        nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4)),
        nn.ReLU(),
        nn.Conv2d(4, 8, 1, groups=2),
    ]
    assert unit_sizes(units, by="params", image_shape=(3, 8, 6)) == [108 + 8, 0, 16 + 8]
    assert unit_sizes(units, by="layers", image_shape=(3, 8, 6)) == [1, 0, 1]
    # 4 x 3 positions, 4 filters of 27 weights; then 8 filters of 2 weights
    assert unit_sizes(units, by="macs", image_shape=(3, 8, 6)) == [12 * 4 * 27, 0, 12 * 8 * 2]
    assert units[0].training
    assert torch.equal(units[0][1].running_mean, torch.zeros(4))  # counting leaves no trace


@pytest.mark.parametrize("by", ["params", "macs", "layers"])
@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "densenet121", "resnet18"])
def test_a_divided_network_is_the_same_network(backbone, by):
    whole = build(backbone, n_classes=3, seed=0, image_shape=SHAPE).eval()
    divided = build(backbone, n_classes=3, seed=0, image_shape=SHAPE, partition=Partition(by=by, parts=4)).eval()
    assert divided.block_names == ("part1", "part2", "part3", "part4")
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(divided(x), whole(x))
    assert divided.original_state().keys() == whole.original_state().keys()
    assert list(divided.block_of()) == list(whole.block_of())
    divided.load_original_state(whole.original_state(), head=True)


def test_equal_parts_of_a_densenet_are_more_equal_than_its_blocks():
    model = build("densenet121", n_classes=3, seed=0, image_shape=SHAPE)

    def largest(network):
        sizes = [sum(w.numel() for w in block.parameters()) for block in network.blocks.values()]
        return max(sizes) / sum(sizes)

    before = largest(model)
    model.divide(Partition(by="params", parts=5))
    assert before > 0.4
    assert largest(model) < 0.25


def test_a_part_freezes_and_its_tensors_are_known_by_it():
    model = build("resnet18", n_classes=3, seed=0, image_shape=SHAPE)
    model.frozen = ("block1",)
    model.divide(Partition(by="layers", parts=3))
    assert model.frozen == ()
    assert all(weight.requires_grad for weight in model.parameters())
    model.frozen = ("part2",)
    frozen = {name for name, weight in model.blocks.named_parameters() if not weight.requires_grad}
    assert frozen == {name for name, _ in model.blocks.named_parameters() if name.startswith("part2.")}
    assert set(model.block_of().values()) == {"part1", "part2", "part3"}


def test_a_cut_network_is_not_divided():
    model = build("resnet18", n_classes=3, seed=0, image_shape=SHAPE, cut_after="block2")
    with pytest.raises(ParameterError, match="a network that is cut is not divided"):
        model.divide(Partition(by="params", parts=2))


def test_options_name_a_partition():
    assert partition_of("blocks", None) is None
    assert partition_of("macs", None) == Partition(by="macs", parts=4)
    assert str(partition_of("macs", 3)) == "macs/3"
    with pytest.raises(
        ParameterError, match="partition='weights' is unknown; choose from blocks, params, macs, layers"
    ):
        partition_of("weights", 3)
    with pytest.raises(ParameterError, match="parts=3: the named blocks are what they are"):
        partition_of("blocks", 3)
