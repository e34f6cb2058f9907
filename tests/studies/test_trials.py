"""Trials: which points coincide, what a trial starts from, and what it is called."""

import dataclasses
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from tlprobe.backbones.partition import Partition
from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.studies.sweeps import cutoff, freeze, fuse
from tlprobe.studies.trials import starting_weights_of, trial_name
from tlprobe.train.run import Run

BLOCK_NAMES = ("stem", "block1", "block2", "block3", "block4")


def test_a_name_tells_configs_apart(small_run):
    config = small_run.config
    recipe = config.recipe.model_copy(update={"epochs": 3})
    image = config.image.model_copy(update={"width": 41})
    others = [
        config.model_copy(update=update)
        for update in (
            {"backbone": "resnet18"},
            {"init": "random", "init_digest": "random"},
            {"init_digest": "0" * 64},
            {"fold": 2},
            {"seed": 1},
            {"treatment": "freeze", "blocks": ("stem",)},
            {"treatment": "fuse", "blocks": ("stem",), "rest": "random"},
            {"treatment": "fuse", "blocks": ("stem", "block1"), "rest": "random"},
            {"treatment": "fuse", "blocks": ("stem", "block1"), "rest": "matched"},
            {"treatment": "fuse", "blocks": (), "rest": "matched"},
            {"treatment": "fuse", "blocks": ("part1",), "rest": "random", "partition": Partition(by="macs", parts=4)},
            {"treatment": "fuse", "blocks": ("part1",), "rest": "random", "partition": Partition(by="macs", parts=3)},
            {"data_hash": "0" * 64},
            {"classes": ("high", "low", "other")},
            {"image": image},
            {"recipe": recipe},
        )
    ]
    names = [trial_name(item) for item in (config, *others)]
    assert len(set(names)) == len(names)
    again = type(config).model_validate(json.loads(json.dumps(config.model_dump(mode="json"))))
    assert trial_name(again) == names[0]
    assert all("/" not in name for name in names)  # timm/NAME is one folder
    assert names[6].startswith("freeze-stem-timm_test_efficientnet-start-fold1-seed0-")
    assert names[9].startswith("fuse-stem+block1-matched-timm_test_efficientnet-")
    assert names[10].startswith("fuse-none-matched-timm_test_efficientnet-")
    assert names[11].startswith("fuse-part1-macs4-timm_test_efficientnet-")


@pytest.mark.parametrize("upto", ["stem", "block2", "block4"])
def test_a_frozen_trial_starts_from_the_runs_init_bit_for_bit(small_run, tmp_path, epochs, upto):
    record = freeze(small_run, block=upto, trials=tmp_path, device="cpu", progress=False)
    trial = Run.load(tmp_path / record.rows[0]["run"])
    start, init, tuned = trial.state("init"), small_run.state("init"), small_run.state("weights")
    assert start.keys() == init.keys()
    assert all(torch.equal(start[name], init[name]) for name in init)  # head too: of the same seed
    assert not any(torch.equal(start[name], tuned[name]) for name in init if name.endswith("weight"))


def test_a_fused_trial_starts_from_init_and_then_from_the_random_run(small_run, random_run, tmp_path, epochs):
    record = fuse(small_run, block="block2", trials=tmp_path, device="cpu", progress=False)
    start = Run.load(tmp_path / record.rows[0]["run"]).state("init")
    init, random = small_run.state("init"), random_run.state("init")
    block_of = small_run.model("init").block_of()
    for name, tensor in start.items():
        source = init if block_of.get(name) in ("stem", "block1", "block2") else random
        assert torch.equal(tensor, source[name]), name
    differing = {block_of[name] for name in block_of if not torch.equal(init[name], random[name])}
    assert differing == set(BLOCK_NAMES)


def test_a_cut_trial_starts_from_init(small_run, tmp_path, epochs):
    record = cutoff(small_run, after="block1", trials=tmp_path, device="cpu", progress=False)
    trial = Run.load(tmp_path / record.rows[0]["run"])
    body, init = trial.model("init").body_state(), small_run.state("init")
    assert {small_run.model("init").block_of()[name] for name in body} == {"stem", "block1"}
    assert all(torch.equal(tensor, init[name]) for name, tensor in body.items())


def test_starting_weights_leave_the_head(small_run, start_file):
    starting = starting_weights_of(small_run)
    assert (starting.init, starting.digest) == ("start", small_run.config.init_digest)
    model = small_run.model("init")
    assert starting.state.keys() == model.body_state().keys()
    original = load_file(start_file)
    assert all(torch.equal(tensor, original[name]) for name, tensor in starting.state.items())


@pytest.mark.parametrize("probe", [fuse, freeze])
def test_a_random_run_has_nothing_to_fuse_or_freeze(random_run, small_options, tmp_path, probe):
    with pytest.raises(
        ParameterError, match=r"random: starts from random weights, nothing pretrained to f\w+"
    ) as caught:
        probe(random_run, block="stem", trials=tmp_path, device="cpu")
    assert caught.value.exit_code == 2
    with pytest.raises(ParameterError, match="--weights: starts from random weights"):
        probe(options=dataclasses.replace(small_options, weights="random"), trials=tmp_path, device="cpu")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("treatment", ["freeze", "fuse", "cutoff"])
@pytest.mark.parametrize("probe", [fuse, freeze, cutoff])
def test_a_treated_run_is_no_baseline(small_run, tmp_path, probe, treatment):
    config = small_run.config.model_copy(update={"treatment": treatment, "blocks": ("stem", "block1")})
    with pytest.raises(ParameterError, match=rf"is a {treatment} run \(stem, block1\); give a fully fine-tuned run"):
        probe(dataclasses.replace(small_run, config=config), trials=tmp_path, device="cpu")


def test_a_damaged_start_is_refused(small_run, tmp_path, relist):
    copied = tmp_path / "copy"
    shutil.copytree(small_run.path, copied)
    state = load_file(copied / "init.safetensors")
    name = next(name for name in state if name.endswith("conv_stem.weight"))
    state[name][0, 0, 0, 0] += 1e-6
    save_file(state, copied / "init.safetensors")
    with pytest.raises(CheckpointError, match=r"init\.safetensors is damaged: "):
        freeze(copied, block="stem", trials=tmp_path / "trials", device="cpu")
    relist(copied)  # as if the run had written it so: the digest of the starting weights is in its config as well
    with pytest.raises(CheckpointError, match=r"init\.safetensors is not the state that the run started from"):
        freeze(copied, block="stem", trials=tmp_path / "trials", device="cpu")
    (copied / "init.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(CheckpointError, match=r"init\.safetensors is damaged"):
        freeze(copied, block="stem", trials=tmp_path / "trials", device="cpu")
    (copied / "init.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"init\.safetensors is missing"):
        freeze(copied, block="stem", trials=tmp_path / "trials", device="cpu")
