"""Weight soups: the mean of states by hand, of real runs, and which runs have none."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from tlprobe.errors import CheckpointError, DataError, ParameterError
from tlprobe.probes.ensemble import ensemble
from tlprobe.probes.soup import average_states, soup_predictions, weight_soup
from tlprobe.train.fit import fit
from tlprobe.train.material import FitOptions
from tlprobe.train.run import Run

SMALL = "timm/test_efficientnet"


@pytest.fixture(scope="module")
def trained(tiny_data, start_file, tmp_path_factory):
    """Train `SMALL` for a moment, from `start_file`; returns the run."""
    folder = tmp_path_factory.mktemp("soup")

    def train(name, **options):
        wanted = {"data": tiny_data, "backbone": SMALL, "weights": start_file, "changes": {"epochs": 2}, **options}
        return fit(FitOptions(**wanted), out=folder / name, device="cpu", progress=False)

    return train


@pytest.fixture(scope="module")
def pair(trained):
    """Two runs from one start with other seeds; tests must leave their folders as they are."""
    return [trained(f"seed{seed}", seed=seed) for seed in (0, 1)]


@pytest.fixture
def changed(pair, tmp_path, relist):
    """Copy the second run, with other entries in its ``config.json``."""

    def change(part, **entries):
        folder = tmp_path / "changed"
        shutil.copytree(pair[1].path, folder)
        body = json.loads((folder / "config.json").read_text())
        body[part] |= entries
        (folder / "config.json").write_text(json.dumps(body))
        relist(folder)
        return Run.load(folder)

    return change


def test_the_mean_of_two_states_by_hand():
    one = {"w": torch.tensor([[1.0, -2.0]]), "bn.num_batches_tracked": torch.tensor(7)}
    two = {"w": torch.tensor([[2.0, 4.0]]), "bn.num_batches_tracked": torch.tensor(9)}
    mean = average_states([one, two])
    assert mean["w"].tolist() == [[1.5, 1.0]]
    assert mean["w"].dtype == torch.float32
    assert mean["bn.num_batches_tracked"].item() == 7  # an integer is the first's
    assert mean["bn.num_batches_tracked"] is not one["bn.num_batches_tracked"]


def test_the_sum_is_taken_in_float64():
    states = [{"w": torch.tensor([value])} for value in (1e8, 1.0, -1e8)]
    assert average_states(states)["w"].item() == pytest.approx(1 / 3)  # float32 would lose the 1
    halves = [{"w": torch.tensor([60_000.0], dtype=torch.float16)}] * 2
    assert average_states(halves)["w"].item() == 60_000  # float16 would overflow
    assert average_states(halves)["w"].dtype == torch.float16


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_the_mean_of_equal_states_is_exactly_theirs(n, random_network):
    state = random_network.original_state()
    mean = average_states([state] * n)
    assert mean.keys() == state.keys()
    assert all(torch.equal(mean[name], tensor) for name, tensor in state.items())


def test_states_of_different_networks():
    one = {"w": torch.zeros(2), "b": torch.zeros(1)}
    with pytest.raises(ParameterError, match="differing: b"):
        average_states([one, {"w": torch.zeros(2)}])
    with pytest.raises(ParameterError, match="differing: w"):
        average_states([one, {"w": torch.zeros(3), "b": torch.zeros(1)}])
    with pytest.raises(ParameterError, match="at least 1"):
        average_states([])


def test_the_soup_of_two_runs_is_the_mean_of_weights_statistics_and_heads(pair):
    soup = weight_soup(pair)
    one, two = (run.state("weights") for run in pair)
    averaged = [name for name, tensor in one.items() if tensor.is_floating_point()]
    assert {"running_mean", "running_var"} <= {name.rpartition(".")[2] for name in averaged}
    for name in averaged:
        expected = (one[name].numpy().astype(np.float64) + two[name].numpy()) / 2
        np.testing.assert_array_equal(soup[name].numpy(), expected.astype(np.float32), err_msg=name)
    assert not torch.equal(soup["conv_stem.weight"], one["conv_stem.weight"])
    assert soup.keys() == one.keys()


def test_the_order_of_runs_does_not_matter(pair):
    here, there = weight_soup(pair), weight_soup(pair[::-1])
    assert all(torch.equal(here[name], tensor) for name, tensor in there.items())


def test_the_soup_of_one_run_answers_as_the_run(pair):
    run = pair[0]
    found = soup_predictions(run, weight_soup([run]), device="cpu", progress=False)
    kept = run.predictions()
    assert (found.clips, found.labels, found.classes) == (kept.clips, kept.labels, kept.classes)
    np.testing.assert_allclose(found.probabilities, kept.probabilities, atol=1e-5)


def test_an_ensemble_scores_the_network_of_mean_weights(pair):
    record = ensemble(pair, device="cpu", progress=False)
    (row,) = record.rows
    found = soup_predictions(pair[1], weight_soup(pair), device="cpu", progress=False)
    assert row["soup_accuracy"] == found.n_correct / row["n"]
    given = [p[found.classes.index(label)] for p, label in zip(found.probabilities, found.labels, strict=True)]
    assert row["soup_nll"] == pytest.approx(-np.log(given).mean())
    members = [run.predictions().probabilities for run in pair]
    assert np.abs(found.probabilities - members[0]).max() > 1e-3  # one network of its own, not a member's
    assert record.params["no_soup"] is None
    assert 0 <= row["soup_ci_low"] <= row["soup_accuracy"] <= row["soup_ci_high"] <= 1


def test_data_that_moved(pair, changed, tiny_data, tmp_path):
    moved = shutil.copytree(tiny_data, tmp_path / "moved")
    gone = changed("data", path=str(tmp_path / "gone"))
    with pytest.raises(DataError, match=r"gone any more; say where with --data"):
        ensemble([gone, pair[0]], device="cpu", progress=False)
    here = ensemble([gone, pair[0]], data=moved, device="cpu", progress=False).rows[0]
    there = ensemble(pair[::-1], device="cpu", progress=False).rows[0]
    assert here == there
    (moved / "low" / "0.wav").unlink()
    with pytest.raises(DataError, match="other clips than the run was trained on"):
        ensemble([gone, pair[0]], data=moved, device="cpu", progress=False)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"backbone": "resnet18"}, "backbone"),
        ({"treatment": "freeze", "blocks": ["stem"]}, "treatment"),
        ({"blocks": ["stem"]}, "treated blocks"),
        ({"init_digest": "0" * 64}, "starting weights"),
        ({"fold": 2}, "fold"),
        ({"classes": ["high", "noise", "low"]}, "classes"),
        ({"data_hash": "0" * 64}, "data"),
    ],
)
def test_runs_that_differ(pair, changed, entries, said):
    with pytest.raises(ParameterError, match=f"^no weight soup: changed and seed0 differ in {said}$"):
        weight_soup([pair[0], changed("config", **entries)])


def test_runs_whose_clips_are_standardised_differently(pair, changed):
    mean = pair[1].standardise.mean
    other = changed("standardise", mean=[mean[0] + 0.01, *mean[1:]])
    with pytest.raises(ParameterError, match="changed and seed0 differ in how their clips are standardised"):
        weight_soup([pair[0], other])


def test_the_rounding_of_another_machine_is_no_difference(pair):
    standardise = pair[1].standardise
    rounded = dataclasses.replace(standardise, mean=tuple(np.nextafter(value, 0) for value in standardise.mean))
    other = dataclasses.replace(pair[1], standardise=rounded)
    assert weight_soup([pair[0], other]).keys() == weight_soup(pair).keys()


def test_random_networks_of_different_seeds_have_no_common_start(trained):
    runs = [trained(f"random{seed}", weights="random", seed=seed, changes={"epochs": 1}) for seed in (0, 1)]
    with pytest.raises(ParameterError, match=r"random1 and random0 differ in \d+ starting weights, conv_stem"):
        weight_soup(runs)
    record = ensemble(runs, device="cpu", progress=False)
    assert record.rows[0]["soup_accuracy"] is None
    assert "starting weights" in record.params["no_soup"]


def test_no_runs_and_no_weights(pair, changed):
    with pytest.raises(ParameterError, match="at least 1"):
        weight_soup([])
    other = changed("config")
    (other.path / "weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        weight_soup([pair[0], other])
