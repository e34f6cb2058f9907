"""Transferability: the features are the blocks', the rows whole, and scores that must correlate do."""

import dataclasses

import numpy as np
import pytest
import torch

import tlprobe
from tlprobe.backbones.registry import build
from tlprobe.backbones.weights import read_weights
from tlprobe.data.loader import Standardiser, channel_statistics
from tlprobe.errors import ParameterError, UndefinedError
from tlprobe.numerics.logme import LogME
from tlprobe.probes.block_features import block_features
from tlprobe.probes.block_scores import BLOCK_SCORES, N_PERMUTATIONS, Part, score_block
from tlprobe.probes.transferability import transferability
from tlprobe.records import Record
from tlprobe.train.material import FitOptions, prepare

BLOCKS = ["stem", "block1", "block2", "block3", "block4"]
SMALL = "timm/test_efficientnet"


@pytest.fixture(scope="module")
def options(tiny_data, start_file):
    return FitOptions(data=tiny_data, backbone=SMALL, weights=start_file, fold=2)


@pytest.fixture(scope="module")
def costly(tiny_data):
    """Cells of a network whose accuracy falls with each frozen block, and rises with each that stays."""
    own = {"shape": "prefix", "partition": None, "backbone": SMALL, "start": "start", "features": "log-mel3", "n": 30}
    rows = [
        {**own, "sweep": sweep, "block": block, "accuracy": value, "ci_low": value - 0.01, "ci_high": value + 0.01}
        for sweep, values in {"cutoff": (0.1, 0.3, 0.5, 0.7, 0.9), "freeze": (0.9, 0.8, 0.7, 0.6, 0.3)}.items()
        for block, value in zip(BLOCKS, values, strict=True)
    ]
    return Record("cells", {"folds": [1, 2, 3, 4, 5]}, rows, {"data": {"hash": "other"}})


@pytest.fixture(scope="module")
def record(options, costly):
    return transferability(options, against=[costly], device="cpu", progress=False)


def of_kind(record, kind, **fields):
    rows = [row for row in record.rows if row["kind"] == kind]
    return [row for row in rows if all(row[name] == value for name, value in fields.items())]


def test_features_are_the_means_of_the_blocks_outputs(block_maps):
    model = build("densenet121", n_classes=3, seed=0, image_shape=(3, 64, 64)).eval()
    images = np.random.default_rng(0).normal(size=(5, 3, 64, 64)).astype("f4")
    standardise = Standardiser((1.0, 2.0, 3.0), (2.0, 2.0, 2.0))
    index = np.array([3, 0, 4])
    found = block_features(model, images, index, standardise=standardise, device=torch.device("cpu"), progress=False)
    assert found.source is None
    maps = block_maps(model, standardise(torch.from_numpy(images[index])))
    assert list(found.blocks) == list(maps)
    for name, expected in maps.items():
        np.testing.assert_allclose(found.blocks[name], expected.mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_rows_are_whole(record, options):
    scores = of_kind(record, "score")
    assert [(row["block"], row["score"]) for row in scores[:-1]] == [(b, s) for b in BLOCKS for s in BLOCK_SCORES]
    assert (scores[-1]["block"], scores[-1]["score"], scores[-1]["n_features"]) == ("head", "leep", 7)
    assert scores[-1]["value"] < 0
    for row in scores:
        assert row["n"] == (6 if row["score"] == "linear_probe" else 24)
        assert np.isfinite(row["null"])
        assert row["low"] <= row["value"] <= row["high"]
    assert record.params["blocks"] == BLOCKS
    assert record.params["n_permutations"] == N_PERMUTATIONS
    assert all(row.keys() == record.rows[0].keys() for row in record.rows)


def test_the_scores_are_those_of_the_training_clips_of_the_network_at_its_start(record, options, block_maps):
    found = prepare(options, progress=False)
    train, _ = found.material.dataset.split(2)
    images = found.material.images.array
    x = channel_statistics(images, train)(torch.from_numpy(np.array(images[train])))
    maps = block_maps(found.model.eval(), x)
    for name in BLOCKS:
        expected = LogME(maps[name].mean((2, 3)).numpy()).score(found.material.dataset.labels[train]).value
        (row,) = of_kind(record, "score", block=name, score="logme")
        assert row["value"] == pytest.approx(expected, rel=1e-4)
        assert row["n_features"] == maps[name].shape[1]
    start = read_weights(options.weights, model=found.model)
    assert all(torch.equal(tensor, start.state[name]) for name, tensor in found.model.body_state().items())


def test_the_linear_probes_answers_are_kept_and_blocks_compared_by_them(record):
    correct = record.arrays["correct"]
    assert correct.shape == (5, 6)
    assert len(record.params["held_out"]) == 6
    for number, row in enumerate(of_kind(record, "score", score="linear_probe")):
        assert row["value"] == pytest.approx(correct[number].mean())
        if number:
            assert row["difference"] == pytest.approx(correct[number].mean() - correct[number - 1].mean())
            assert 0 < row["p_value"] <= 1
        else:
            assert row["difference"] is None


def test_clips_that_are_told_apart_score_above_chance(record):
    for block in BLOCKS:
        for score in ("logme", "h_score"):
            (row,) = of_kind(record, "score", block=block, score=score)
            assert row["value"] > row["null"]
    assert max(row["value"] for row in of_kind(record, "score", score="linear_probe")) > 0.5


def test_correlations_stand_beside_what_the_number_of_the_block_gives(record):
    assert [row["block"] for row in of_kind(record, "treatment", sweep="cutoff")] == BLOCKS
    found = of_kind(record, "correlation")
    assert len(found) == 2 * 3 * 2  # sweeps, scores, measures
    for row in found:
        assert row["n_blocks"] == 5
        assert row["null"] == pytest.approx(1 if row["sweep"] == "cutoff" else -1)
        if row["score"] == "linear_probe":  # it names every clip rightly after each block: nothing to rank
            assert row["value"] is row["low"] is row["p_value"] is None
            continue
        assert -1 - 1e-9 <= row["low"] <= row["high"] <= 1 + 1e-9
        (turned,) = of_kind(
            record,
            "correlation",
            score=row["score"],
            measure=row["measure"],
            sweep={"cutoff": "freeze", "freeze": "cutoff"}[row["sweep"]],
        )
        assert turned["value"] == pytest.approx(-row["value"])  # these two sweeps rank the blocks the other way round
    assert record.params["folds_against"] == {"cells": [1, 2, 3, 4, 5]}
    assert record.params["notes"][0].startswith("cells is of other data (other) than the scores (")


def test_equal_options_give_equal_rows_and_a_seed_other_draws(options, record, costly):
    again = transferability(options, against=[costly], device="cpu", progress=False)
    assert again.rows == record.rows
    other = transferability(dataclasses.replace(options, seed=1), device="cpu", progress=False)
    for row, before in zip(of_kind(other, "score"), of_kind(record, "score"), strict=True):
        assert row["value"] == pytest.approx(before["value"], rel=1e-6)  # weights come from the file
    nulls = [[row["null"] for row in of_kind(one, "score", score="logme")] for one in (other, record)]
    assert nulls[0] != nulls[1]


def test_random_weights_have_no_leep_and_say_why(options):
    record = transferability(dataclasses.replace(options, weights="random"), device="cpu", progress=False)
    assert record.params["notes"] == ["no LEEP: random weights were trained on no classes"]
    assert record.params["init"] == "random"
    assert not of_kind(record, "score", score="leep")


def test_an_inner_fold_is_not_scored_on_and_images_may_stay_as_they_are(options):
    inner = dataclasses.replace(options, inner_fold=True, changes={"normalize": "none"})
    record = transferability(inner, device="cpu", progress=False)
    assert record.params["n_train"] == 18
    assert (record.params["inner_fold"], record.params["normalize"]) == (3, "none")


def test_a_block_that_says_the_same_of_every_clip_has_no_score():
    part = Part(np.array([0, 1, 0, 1]), list("abcd"))
    with pytest.raises(UndefinedError, match="all 3 features are constant over 4 clips"):
        score_block(np.ones((4, 3), "f4"), np.ones((4, 3), "f4"), train=part, held_out=part, seed=0)


def test_what_would_be_ignored_is_refused(options, costly):
    with pytest.raises(ParameterError, match="epochs: nothing is trained, so of a recipe only normalize counts"):
        transferability(dataclasses.replace(options, changes={"epochs": 3}), device="cpu")
    with pytest.raises(ParameterError, match="two records are called cells"):
        transferability(options, against=[costly, costly], device="cpu")


def test_another_network_is_refused(options, costly):
    with pytest.raises(
        ParameterError, match=r"cells is of timm/test_efficientnet from start on log-mel3; the scores are"
    ):
        transferability(dataclasses.replace(options, weights="random"), against=[costly], device="cpu", progress=False)


def test_it_is_public():
    assert tlprobe.transferability is transferability
