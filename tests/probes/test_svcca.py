"""Weight change on whole networks: 1 on itself, a null below it, and activations nobody overwrote."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from tlprobe.errors import ParameterError
from tlprobe.probes import svcca as module
from tlprobe.probes.svcca import svcca

BLOCK_NAMES = ["stem", "block1", "block2", "block3", "block4"]
# efficientnet_lite0 at the end of each block: channels, and how many pixels one position stands for.
CHANNELS = [16, 24, 40, 112, 1280]
STRIDES = [2, 4, 8, 16, 32]

ROW_TYPES = {
    "run": str,
    "init": str,
    "block": str,
    "layer": str,
    "measure": str,
    "value": float,
    "null": float,
    "n": int,
    "n_clips": int,
    "d_x": int,
    "d_y": int,
    "k_x": int,
    "k_y": int,
    "conv": str,
    "rule": str,
}


@pytest.fixture
def compare(monkeypatch, tiny_checkpoint):
    """Run the probe on the tiny run, with other networks in it where they are given."""

    def call(*, before=None, after=None, until=None, n=1, **options):
        pair = [before or tiny_checkpoint.before(), after or tiny_checkpoint.after()]
        if until is not None:  # block4's 1280 channels take most of the time
            pair = [copy.deepcopy(model) for model in pair]
            for model in pair:
                model.cut(until, seed=0)
        found = dataclasses.replace(tiny_checkpoint, _before=pair[0], _after=pair[1])
        monkeypatch.setattr(module, "open_checkpoints", lambda paths, **_: [found] * len(paths))
        return svcca(["run"] * n, device="cpu", progress=False, **options)

    return call


@pytest.fixture(scope="module")
def record(tiny_run):
    return svcca(tiny_run, device="cpu", progress=False)


def test_rows_have_what_scripts_rely_on(record, tiny_run):
    assert [row["block"] for row in record.rows] == BLOCK_NAMES == record.params["blocks"]
    for row in record.rows:
        assert {name: type(row[name]) for name in ROW_TYPES} == ROW_TYPES
        assert (row["run"], row["init"], row["measure"]) == (tiny_run.path.name, "imagenet", "svcca")
        assert (row["conv"], row["rule"]) == ("positions", "squared")
        assert 0 <= row["value"] <= 1
        assert 0 <= row["null"] <= 1


def test_every_position_of_every_held_out_clip_is_a_sample(record, tiny_run):
    width = tiny_run.config.image.width
    for row, channels, stride in zip(record.rows, CHANNELS, STRIDES, strict=True):
        assert row["n_clips"] == 6  # 2 of each of 3 classes
        assert row["n"] == 6 * math.ceil(128 / stride) * math.ceil(width / stride)
        assert row["d_x"] == row["d_y"] == channels
        assert 1 <= row["k_x"] <= channels
        assert 1 <= row["k_y"] <= channels


def test_a_network_that_did_not_change_is_1_in_every_block(compare, tiny_checkpoint):
    record = compare(before=copy.deepcopy(tiny_checkpoint.after()))
    assert [row["value"] for row in record.rows] == pytest.approx([1.0] * 5, abs=1e-6)
    for row in record.rows:
        assert row["null"] < 0.95  # other clips: what is left is shared by all clips, or chance
        assert row["k_x"] == row["k_y"]


def test_training_changed_something_and_less_than_other_weights_would(record, compare, random_network):
    values = [row["value"] for row in record.rows]
    assert all(value < 1 - 1e-6 for value in values)
    # Not block4: 1280 channels on few positions match anything.
    unrelated = compare(until="block2", after=random_network).rows
    assert all(trained > row["value"] for trained, row in zip(values, unrelated, strict=False))


def test_the_value_is_that_of_the_definition(record, tiny_checkpoint):
    """Slow twin: all activations at once, two singular value decompositions."""
    x = tiny_checkpoint.standardise(
        torch.from_numpy(np.array(tiny_checkpoint.material.images.array[tiny_checkpoint.held_out]))
    )
    kept = []
    for model in (tiny_checkpoint.before(), tiny_checkpoint.after()):
        with torch.no_grad():
            maps = dict(model.iter_blocks(x))["block2"].numpy().astype(np.float64)
        samples = np.moveaxis(maps, 1, -1).reshape(-1, 40)
        u, s, _ = np.linalg.svd(samples - samples.mean(0), full_matrices=False)
        share = np.cumsum(s**2) / np.sum(s**2)
        kept.append(u[:, : int(np.argmax(share >= 0.99)) + 1])
    row = record.rows[2]
    assert [row["k_x"], row["k_y"]] == [part.shape[1] for part in kept]
    correlations = np.linalg.svd(kept[0].T @ kept[1], compute_uv=False)
    assert row["value"] == pytest.approx(correlations.mean(), abs=1e-4)


def test_later_in_place_layers_do_not_reach_back(random_model):
    """Each block here begins by overwriting its input, as DenseNet's and others' ReLUs do."""
    for name in BLOCK_NAMES[1:]:
        random_model.blocks[name].insert(0, nn.ReLU(inplace=True))
    random_model.eval()
    x = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    got = dict(module._activations(random_model, x))
    for number, name in enumerate(BLOCK_NAMES):
        with torch.no_grad():
            out = x
            for earlier in BLOCK_NAMES[: number + 1]:
                out = random_model.blocks[earlier](out)
        n, d, height, width = out.shape
        expected = out.numpy().transpose(0, 2, 3, 1).reshape(n, height * width, d)
        np.testing.assert_array_equal(got[name], expected)
    assert got["stem"].min() < 0  # the ReLU would have shown


def test_a_block_that_says_nothing_has_no_value(compare, tiny_checkpoint):
    silent = copy.deepcopy(tiny_checkpoint.after())
    with torch.no_grad():
        for tensor in silent.blocks["block2"].parameters():
            tensor.zero_()
    rows = compare(until="block2", after=silent).rows
    assert [row["value"] is None for row in rows] == [False, False, True]
    assert rows[2]["null"] is None
    assert rows[2]["k_x"] is rows[2]["k_y"] is None


def test_several_runs_are_rows_of_one_record(compare, record):
    both = compare(until="block2", n=2)
    assert both.rows == record.rows[:3] * 2  # and the same numbers each time
    assert both.params["blocks"] == BLOCK_NAMES[:3]


def test_impossible_variance(compare):
    with pytest.raises(ParameterError, match=r"variance=1.5; need 0 < variance <= 1"):
        compare(until="stem", variance=1.5)


def test_too_few_positions_are_told(compare, caplog):
    with caplog.at_level("INFO", logger="tlprobe"):
        rows = compare().rows
    told = {entry.args[1] for entry in caplog.records if "are few" in entry.message}
    assert told == {row["block"] for row in rows if row["n"] < 5 * row["d_x"]}
    assert "block4" in told
    assert "stem" not in told
