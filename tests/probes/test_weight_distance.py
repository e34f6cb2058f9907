"""Weight distance: by hand on two-channel networks, against a slow twin on real files, and through a real step."""

import copy
import math

import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.chain import Chain
from tlprobe.errors import ParameterError
from tlprobe.probes.freeze import freeze_blocks
from tlprobe.probes.weight_distance import block_distances, weight_distance
from tlprobe.train.checkpoint import FileOptions
from tlprobe.train.fit import fit
from tlprobe.train.material import FitOptions

BLOCK_NAMES = ["stem", "block1", "block2", "block3", "block4"]
EPS = 1e-3  # of the batch-norms here, and of those of timm's tf_ networks
DISTANCES = ("relative_l2", "cosine", "norm_relative_l2", "bn_mean_shift", "bn_log_std_shift")


class Network(nn.Module):
    """A convolution of three weights a channel without batch-norm, then two batch-norms."""

    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 1, bias=False)
        self.norms = nn.Sequential(nn.BatchNorm2d(width, eps=EPS), nn.BatchNorm2d(width, eps=EPS, affine=False))
        self.fc = nn.Linear(width, 10)


def network(*, width=2, name="hand", blocks=("stem", "block1")):
    net = Network(width)
    units = ([net.conv], [net.norms]) if len(blocks) == 2 else ([net.conv, net.norms],)
    chain = Chain(net, dict(zip(blocks, units, strict=True)), net.fc, "fc")
    return BlockedCNN(chain, backbone=name, n_classes=3, seed=0, image_shape=(3, 8, 8))


@pytest.fixture
def pair():
    """Two networks whose stem has the weights (3, 4, 0, 0, 0, 0)."""
    before = network()
    with torch.no_grad():
        before.blocks["stem"][0].weight.copy_(torch.tensor([3.0, 4, 0, 0, 0, 0]).view(2, 3, 1, 1))
    return before, copy.deepcopy(before)


def set_stem(model, weights):
    with torch.no_grad():
        model.blocks["stem"][0].weight.copy_(torch.tensor(weights, dtype=torch.float32).view(2, 3, 1, 1))


@pytest.mark.parametrize(
    ("weights", "relative_l2", "cosine"),
    [
        ([6, 8, 0, 0, 0, 0], 1, 1),  # twice the weights
        ([-3, -4, 0, 0, 0, 0], 2, -1),
        ([0, 0, -4, 0, 3, 0], math.sqrt(2), 0),  # as long, at a right angle
        ([-1, 7, 0, 0, 0, 0], 1, math.sqrt(0.5)),  # plus (-4, 3), as long as (3, 4) and at a right angle to it
        ([3, 4, 0, 0, 0, 0.5], 0.1, 5 / math.sqrt(25.25)),
    ],
)
def test_weights_by_hand(pair, weights, relative_l2, cosine):
    before, after = pair
    set_stem(after, weights)
    stem, block1 = block_distances(before, after)
    assert stem["relative_l2"] == pytest.approx(relative_l2, abs=1e-12)
    assert stem["cosine"] == pytest.approx(cosine, abs=1e-12)
    assert (stem["n_weights"], stem["n_norm_weights"], stem["norm_relative_l2"]) == (6, 0, None)
    assert (block1["norm_relative_l2"], block1["n_norm_weights"]) == (0, 4)
    assert (block1["relative_l2"], block1["cosine"], block1["n_weights"]) == (None, None, 0)


def test_scales_and_offsets_are_apart_from_the_convolutions():
    before = network(blocks=("stem",))
    after = copy.deepcopy(before)
    conv, norms = after.blocks["stem"]
    with torch.no_grad():
        norms[0].weight.copy_(torch.tensor([1.0, 1.5]))  # from (1, 1), beside offsets of (0, 0)
        norms[0].bias.copy_(torch.tensor([0.0, 0.5]))
        (row,) = block_distances(before, after)
        assert (row["relative_l2"], row["cosine"], row["norm_relative_l2"]) == (0, 1, pytest.approx(0.5))
        assert (row["n_weights"], row["n_norm_weights"]) == (6, 4)
        conv.weight.mul_(3)
        (row,) = block_distances(before, after)
    assert (row["relative_l2"], row["norm_relative_l2"]) == (pytest.approx(2), pytest.approx(0.5))


def test_statistics_by_hand(pair):
    before, after = pair
    (old, other), new = before.blocks["block1"][0], after.blocks["block1"][0][0]
    old.running_mean[:] = torch.tensor([0.0, 1.0])
    new.running_mean[:] = torch.tensor([1.0, 1.0])  # by 1 / 2 standard deviations, and not at all
    old.running_var[:] = torch.tensor([4.0, 9.0]) - EPS
    new.running_var[:] = torch.tensor([4.0, 9.0 * math.e**4]) - EPS  # standard deviation times e^2
    other.running_var[:] = 1.0
    stem, block1 = block_distances(before, after)
    assert block1["n_bn_channels"] == 4  # two batch-norms of two channels; the second did not move
    assert block1["bn_mean_shift"] == pytest.approx(math.sqrt(0.5**2 / 4), rel=1e-6)
    assert block1["bn_log_std_shift"] == pytest.approx(math.sqrt(2**2 / 4), rel=1e-6)
    assert block1["norm_relative_l2"] == 0  # statistics are no weights
    assert stem["bn_mean_shift"] is stem["bn_log_std_shift"] is None
    assert stem["n_bn_channels"] == 0


def test_what_is_not_defined_is_none(pair):
    before, zero = pair
    set_stem(zero, [0] * 6)
    assert [block_distances(zero, before)[0][name] for name in DISTANCES[:2]] == [None, None]
    assert [block_distances(zero, zero)[0][name] for name in DISTANCES[:2]] == [None, None]
    assert [block_distances(before, zero)[0][name] for name in DISTANCES[:2]] == [1, None]
    with torch.no_grad():
        for parameter in zero.blocks["block1"].parameters():
            parameter.zero_()
    assert [block_distances(*pair)[1]["norm_relative_l2"] for pair in ((zero, before), (before, zero))] == [None, 1]


def test_a_batch_norm_without_running_statistics_has_none(pair):
    for model in pair:
        for norm in model.blocks["block1"][0]:
            norm.track_running_stats, norm.running_mean, norm.running_var = False, None, None
    row = block_distances(*pair)[1]
    assert (row["bn_mean_shift"], row["bn_log_std_shift"], row["n_bn_channels"]) == (None, None, 0)


def test_the_same_network_is_at_distance_0(pretrained_network):
    rows = block_distances(pretrained_network, copy.deepcopy(pretrained_network))
    assert [row["block"] for row in rows] == BLOCK_NAMES
    for row in rows:
        assert tuple(row[name] for name in DISTANCES) == (0, 1, 0, 0, 0)


def test_the_head_is_not_compared(pretrained_network, pretrained_model):
    with torch.no_grad():
        pretrained_model.head.weight.add_(1)
    assert block_distances(pretrained_network, pretrained_model) == block_distances(
        pretrained_network, pretrained_network
    )


def test_a_step_moves_the_blocks_that_are_not_frozen_and_no_other(pretrained_network, pretrained_model, step):
    freeze_blocks(pretrained_model, blocks=("stem", "block1", "block2"))
    step(pretrained_model)
    rows = block_distances(pretrained_network, pretrained_model)
    for row in rows[:3]:
        assert tuple(row[name] for name in DISTANCES) == (0, 1, 0, 0, 0)
    for row in rows[3:]:
        assert row["relative_l2"] > 0
        assert -1 <= row["cosine"] < 1
        assert row["norm_relative_l2"] > 0
        assert row["bn_mean_shift"] > 0
        assert row["bn_log_std_shift"] > 0


def test_networks_of_other_blocks_or_shapes_are_refused_by_name():
    narrow, wide, renamed = network(), network(width=4, name="wide"), network(blocks=("stem", "block2"))
    shapes = r"\(2, 3, 1, 1\) and \(4, 3, 1, 1\)"
    with pytest.raises(ParameterError, match=rf"hand cannot be compared with wide: stem\.0\.weight has shape {shapes}"):
        block_distances(narrow, wide)
    with pytest.raises(ParameterError, match="hand cannot be compared with hand: blocks stem, block1 and stem, block2"):
        block_distances(narrow, renamed)
    cut = copy.deepcopy(narrow)
    cut.cut("stem", seed=0)
    with pytest.raises(ParameterError, match="hand cannot be compared with hand cut after stem: blocks"):
        block_distances(narrow, cut)


@pytest.fixture(scope="module")
def record(tiny_run):
    return weight_distance(tiny_run, progress=False)


def test_the_record_says_what_the_slow_twin_says_of_the_files(record, tiny_run, reference):
    states = [load_file(tiny_run.path / f"{name}.safetensors") for name in ("init", "weights")]
    expected = reference("weight_distance").distances(*states, block_of=tiny_run.model().block_of(), eps=EPS)
    assert [row["block"] for row in record.rows] == list(expected) == BLOCK_NAMES == record.params["blocks"]
    for row in record.rows:
        assert {name: row[name] for name in expected[row["block"]]} == pytest.approx(expected[row["block"]], rel=1e-9)


def test_rows_have_what_scripts_rely_on(record, tiny_run):
    assert (record.probe, record.params["runs"], record.params["backbones"]) == (
        "weight_distance",
        [tiny_run.name],
        ["efficientnet_lite0"],
    )
    assert (record.params["folds"], record.params["epochs"]) == ([1], [2])
    assert record.provenance["data"]["name"] == "tiny"
    for row in record.rows:
        about = (row["run"], row["backbone"], row["init"], row["fold"], row["seed"], row["epochs"], row["epoch"])
        assert about == (tiny_run.name, "efficientnet_lite0", "imagenet", 1, 0, 2, None)
        assert row["relative_l2"] > 0


def test_kept_epochs_are_rows_of_their_own(tiny_data, tmp_path):
    options = FitOptions(
        data=tiny_data, backbone="timm/test_efficientnet", weights="random", changes={"epochs": 3, "batch_size": 8}
    )
    run = fit(options, out=tmp_path / "run", device="cpu", keep_epochs=[1, 3], progress=False)
    rows = weight_distance([run.path], progress=False).rows
    assert [(row["epoch"], row["block"]) for row in rows] == [(k, name) for k in (None, 1, 3) for name in BLOCK_NAMES]
    final, first, last = rows[:5], rows[5:10], rows[10:]
    assert [row | {"epoch": None} for row in last] == final  # the state after the last epoch is the final one
    expected = block_distances(run.model("init"), run.model(1))
    assert [{name: row[name] for name in expected[0]} for row in first] == expected
    assert all(row["relative_l2"] != other["relative_l2"] for row, other in zip(first, final, strict=True))


def test_a_weight_file_and_a_run_together(record, tiny_run, tiny_data):
    file = tiny_run.path / "weights.safetensors"
    options = FileOptions(backbone="efficientnet_lite0", fold=1, before=tiny_run.path / "init.safetensors")
    both = weight_distance([file, tiny_run], data=tiny_data, options=options, progress=False)
    assert both.params["epochs"] == [None, 2]
    assert both.rows[5:] == record.rows
    for of_file, of_run in zip(both.rows[:5], record.rows, strict=True):
        assert [of_file[name] for name in DISTANCES] == [of_run[name] for name in DISTANCES]
    with pytest.raises(ParameterError, match="say what it started from by --before"):
        weight_distance(file, data=tiny_data, options=FileOptions(backbone="efficientnet_lite0", fold=1))
