"""Weight change on whole networks: what each mode compares, what a row says, and activations nobody overwrote."""

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
from tlprobe.train.checkpoint import FileOptions

BLOCK_NAMES = ["stem", "block1", "block2", "block3", "block4"]
# efficientnet_lite0 at the end of each block: channels, and how many pixels one position stands for.
CHANNELS = [16, 24, 40, 112, 1280]
STRIDES = [2, 4, 8, 16, 32]

TEXTS = (
    "run",
    "backbone",
    "init",
    "against",
    "block",
    "layer",
    "block_y",
    "layer_y",
    "measure",
    "conv",
    "rule",
    "warnings",
)
NUMBERS = ("value", "ci_low", "ci_high", "null", "null_low", "null_high", "corrected")
COUNTS = ("fold", "seed", "epochs", "n_permutations", "n", "n_null", "n_groups", "n_clips", "d_x", "d_y", "k_x", "k_y")


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
        options = {"n_groups": 0, "n_permutations": 0} | options
        return svcca(["run"] * n, device="cpu", progress=False, **options)

    return call


@pytest.fixture(scope="module")
def record(tiny_run):
    return svcca(tiny_run, device="cpu", progress=False, n_groups=3)


def quick(ckpt, **options):
    options = {"n_groups": 0, "n_permutations": 0} | options
    return svcca(ckpt, device="cpu", progress=False, **options)


# --- rows ---------------------------------------------------------------------------------------------


def test_rows_have_what_scripts_rely_on(record, tiny_run):
    assert [row["block"] for row in record.rows] == BLOCK_NAMES == record.params["blocks"]
    assert record.params["mode"] == "change"
    for row in record.rows:
        assert {name: type(row[name]) for name in TEXTS} == dict.fromkeys(TEXTS, str)
        assert {name: type(row[name]) for name in NUMBERS} == dict.fromkeys(NUMBERS, float)
        assert {name: type(row[name]) for name in COUNTS} == dict.fromkeys(COUNTS, int)
        assert (row["run"], row["init"], row["measure"]) == (tiny_run.path.name, "imagenet", "svcca")
        assert (row["against"], row["epoch"], row["conv"], row["rule"]) == ("init", None, "positions", "squared")
        assert (row["block_y"], row["layer_y"]) == (row["block"], row["layer"])
        assert row["n_permutations"] == 20
        assert (row["n_null"], row["n_groups"]) == (row["n"], 3)
        assert 0 <= row["ci_low"] <= row["value"] <= row["ci_high"] <= 1
        assert 0 <= row["null_low"] <= row["null"] <= row["null_high"] <= 1
        assert row["corrected"] == pytest.approx((row["value"] - row["null"]) / (1 - row["null"]))


def test_the_cost_is_stated(record):
    seconds = record.provenance["seconds"]
    assert set(seconds) == {"forward", "moments", "values", "intervals", "nulls"}
    assert seconds["forward"] > 0
    assert seconds["nulls"] > 0


def test_every_position_of_every_held_out_clip_is_a_sample(record, tiny_run):
    width = tiny_run.config.image.width
    for row, channels, stride in zip(record.rows, CHANNELS, STRIDES, strict=True):
        assert row["n_clips"] == 6  # 2 of each of 3 classes
        assert row["n"] == 6 * math.ceil(128 / stride) * math.ceil(width / stride)
        assert row["d_x"] == row["d_y"] == channels
        assert 1 <= row["k_x"] <= channels
        assert 1 <= row["k_y"] <= channels


def test_warnings_are_in_the_row_and_told(compare, caplog):
    with caplog.at_level("INFO", logger="tlprobe"):
        rows = compare().rows
    for row in rows:  # clips, not positions, are independent
        assert f"n_clips / d = {6 / row['d_x']:.3g} < 10: much of a canonical correlation is chance" in row["warnings"]
    told = [entry.getMessage() for entry in caplog.records if "have warnings" in entry.getMessage()]
    assert len(told) == 1  # a line a run, with the deepest layer's
    assert f"{len(rows)} of {len(rows)} comparisons have warnings, see the record; of {rows[-1]['layer']} (" in told[0]
    assert told[0].endswith(rows[-1]["warnings"])
    certain = [row["block"] for row in rows if "whatever the data" in row["warnings"]]
    assert certain == [row["block"] for row in rows if row["n"] - 1 < 2 * row["d_x"]]
    assert "block4" in certain
    assert "stem" not in certain


# --- before against after -----------------------------------------------------------------------------


def test_a_network_that_did_not_change_is_1_in_every_block(compare, tiny_checkpoint):
    record = compare(before=copy.deepcopy(tiny_checkpoint.after()), n_permutations=20, measures="all", n_groups=2)
    for row in record.rows:
        assert row["value"] == pytest.approx(1.0, abs=1e-6), row["measure"]
        assert row["ci_low"] == pytest.approx(1.0, abs=1e-5)
        assert (row["k_x"] == row["k_y"] is not None) == (row["measure"] == "svcca")
        assert (row["rule"] is None) == (row["measure"] != "svcca")
        if row["measure"] in ("svcca", "cka_debiased") and row["block"] != "block4":
            assert row["null"] < 0.95  # other clips: what is left is shared by all clips, or chance


def test_training_changed_something_and_less_than_other_weights_would(record, compare, random_network):
    values = [row["value"] for row in record.rows]
    assert all(value < 1 - 1e-6 for value in values)
    # Not block4: 1280 channels on few positions match anything.
    unrelated = compare(until="block2", after=random_network).rows
    assert all(trained > row["value"] for trained, row in zip(values, unrelated, strict=False))


def test_the_value_is_that_of_the_definition(record, tiny_checkpoint, block_maps):
    """Slow twin: all activations at once, two singular value decompositions."""
    x = tiny_checkpoint.standardise(
        torch.from_numpy(np.array(tiny_checkpoint.material.images.array[tiny_checkpoint.held_out]))
    )
    kept = []
    for model in (tiny_checkpoint.before(), tiny_checkpoint.after()):
        maps = block_maps(model, x)["block2"].numpy().astype(np.float64)
        samples = np.moveaxis(maps, 1, -1).reshape(-1, 40)
        u, s, _ = np.linalg.svd(samples - samples.mean(0), full_matrices=False)
        share = np.cumsum(s**2) / np.sum(s**2)
        kept.append(u[:, : int(np.argmax(share >= 0.99)) + 1])
    row = record.rows[2]
    assert [row["k_x"], row["k_y"]] == [part.shape[1] for part in kept]
    correlations = np.linalg.svd(kept[0].T @ kept[1], compute_uv=False)
    assert row["value"] == pytest.approx(correlations.mean(), abs=1e-4)


def test_later_in_place_layers_do_not_reach_back(compare, tiny_checkpoint):
    """Each block begins by overwriting its input, as DenseNet's and others' ReLUs do: a hook must not see it."""
    plain, hasty = copy.deepcopy(tiny_checkpoint.after()), copy.deepcopy(tiny_checkpoint.after())
    for name in BLOCK_NAMES[1:]:
        plain.blocks[name][0].register_forward_pre_hook(lambda module, inputs: (inputs[0].relu(),))
        hasty.blocks[name][0].register_forward_pre_hook(lambda module, inputs: (inputs[0].relu_(),))
    rows = compare(before=plain, after=hasty, until="block2").rows
    assert [row["value"] for row in rows] == pytest.approx([1.0] * 3, abs=1e-9)
    assert [row["k_x"] for row in rows] == [row["k_y"] for row in rows]


def test_a_block_that_says_nothing_has_no_value(compare, tiny_checkpoint):
    silent = copy.deepcopy(tiny_checkpoint.after())
    with torch.no_grad():
        for tensor in silent.blocks["block2"].parameters():
            tensor.zero_()
    rows = compare(until="block2", after=silent, n_groups=2, n_permutations=20).rows
    assert [row["value"] is None for row in rows] == [False, False, True]
    assert [rows[2][name] for name in NUMBERS] == [None] * len(NUMBERS)
    assert rows[2]["k_x"] is rows[2]["k_y"] is None
    assert rows[2]["n_permutations"] == 0
    assert "y constant" in rows[2]["warnings"]


def test_several_runs_are_rows_of_one_record(compare):
    one, both = compare(until="block2"), compare(until="block2", n=2)
    assert both.rows == one.rows * 2
    assert both.params["blocks"] == BLOCK_NAMES[:3]


def test_measures_treatments_and_layers_multiply(compare):
    rows = compare(
        until="block1", measures=["cka", "svcca"], conv=["pool", "positions"], layers=["stem", "block1"]
    ).rows
    assert [(row["conv"], row["block"], row["measure"]) for row in rows] == [
        (conv, block, name)
        for conv in ("pool", "positions")
        for block in ("stem", "block1")
        for name in ("svcca", "cka")
    ]


def test_every_convolution_can_be_compared_by_its_own_name(compare, tiny_checkpoint):
    rows = compare(layers="all", conv="pool").rows
    names = [row["layer"] for row in rows]
    assert {"conv_stem", "conv_head", "blocks.3.1.conv_dw"} <= set(names)
    assert len(names) == sum(isinstance(m, nn.Conv2d) for m in tiny_checkpoint.after().blocks.modules())
    assert {row["block"] for row in rows} == set(BLOCK_NAMES)


def test_two_random_networks_as_the_baseline(compare):
    record = compare(until="block2", n=2, baseline="random-pair")
    pair = [row for row in record.rows if row["init"] == "random pair"]
    assert [row["block"] for row in pair] == BLOCK_NAMES[:3]  # once, though two runs share it
    assert {(row["run"], row["against"]) for row in pair} == {("random pair", "random pair")}
    assert all(0 < row["value"] < 0.9 for row in pair)
    again = compare(until="block2", baseline="random-pair")
    assert [row for row in again.rows if row["init"] == "random pair"] == pair


# --- refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"variance": 1.5}, "variance=1.5; need 0 < variance <= 1"),
        ({"rule": "plain"}, "rule='plain'; choose from squared, sum"),
        ({"measures": "rsa"}, "measures='rsa'; choose from svcca"),
        ({"conv": "dft"}, "conv='dft'; choose from positions, pool, flatten"),
        ({"conv": []}, "conv is empty"),
        ({"split": "test"}, "split='test'; choose from held-out, train, all"),
        ({"n_clips": 1}, "n_clips=1; need at least 2"),
        ({"n_positions": 0}, "n_positions=0; need at least 1"),
        ({"n_groups": 1}, r"n_groups=1; need 0 \(no intervals\) or at least 2"),
        ({"n_permutations": 19}, r"n_permutations=19; need 0 \(no null\) or at least 20"),
        *(
            ({"memory_gib": value}, "memory_gib=.*; need a finite number")
            for value in (0, -1, math.nan, math.inf, 1e-11)
        ),
        ({"n_positions": 3, "conv": "pool"}, "n_positions=3 is of conv positions alone; it would be ignored"),
        ({"baseline": "noise"}, "baseline='noise'; the only one is random-pair"),
        ({"baseline": "random-pair", "grid": True}, "random-pair baseline stands beside before against after"),
        ({"over_training": True, "grid": True}, "over training and grid do not go together"),
        ({"over_training": True, "against": "x"}, "over training and against another run do not go together"),
    ],
)
def test_impossible_choices_are_refused_before_anything_is_opened(options, text):
    with pytest.raises(ParameterError, match=text):
        svcca("nowhere", device="cpu", **options)


def test_an_unknown_layer_is_refused_with_the_choices(compare):
    with pytest.raises(ParameterError, match=r"layer 'layer1' is not in efficientnet_lite0.*choose blocks, all"):
        compare(layers="layer1")


def test_a_weight_file_with_its_start(tiny_run, tiny_data):
    options = FileOptions(backbone="efficientnet_lite0", fold=1, before="imagenet")
    record = quick(tiny_run.path / "weights.safetensors", data=tiny_data, options=options, layers="stem")
    expected = quick(tiny_run, layers="stem").rows[0]
    assert record.rows[0]["init"] == "imagenet"
    assert record.rows[0]["value"] == pytest.approx(expected["value"], abs=1e-6)
