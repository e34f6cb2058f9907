"""Files: wrappers are opened, damage and code are refused."""

import argparse
import logging
import os
import re
import warnings
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from tlprobe.backbones.weights import read_weights
from tlprobe.errors import CheckpointError


def same(state, other):
    return state.keys() == other.keys() and all(torch.equal(state[k], other[k]) for k in state)


def copied(state):
    return {name: tensor.clone().contiguous() for name, tensor in state.items()}


@pytest.mark.parametrize(
    ("wrapper", "prefix"), [("state_dict", "module."), ("model", "_orig_mod.module."), (None, "model.")]
)
def test_wrappers_and_prefixes_are_taken_off_and_reported(resnet18, donor, tmp_path, wrapper, prefix):
    state = {prefix + name: tensor for name, tensor in donor.original_state().items()}
    content = {wrapper: state, "epoch": 3, "optimizer": {}} if wrapper else state
    torch.save(content, tmp_path / "x.pth")
    starting = read_weights(tmp_path / "x.pth", model=resnet18)
    assert same(starting.state, donor.body_state())
    text = " ".join(starting.report)
    assert f"took the prefix {prefix!r} off {len(state)} names" in text
    assert ("not used: epoch, optimizer" in text) == (wrapper is not None)


@pytest.mark.parametrize("keep", [0, 1, 500, -1000])
@pytest.mark.parametrize(("suffix", "legacy"), [("safetensors", False), ("pth", False), ("pth", True)])
def test_damaged_files_are_refused(resnet18, donor, tmp_path, suffix, legacy, keep):
    path = tmp_path / f"x.{suffix}"
    if suffix == "safetensors":
        save_file(copied(donor.original_state()), path)
    else:
        torch.save(copied(donor.original_state()), path, _use_new_zipfile_serialization=not legacy)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=re.escape(str(path))) as caught:
        read_weights(path, model=resnet18)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"<html>404</html>", bytes(range(64)), b"PK\x03\x04 no zip"])
@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_other_content_is_refused(resnet18, tmp_path, content, suffix):
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=re.escape(str(path))):
        read_weights(path, model=resnet18)


class Malicious:
    """A pickle that would leave a file behind."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_wants_code_is_refused_and_not_run(resnet18, tmp_path, zipped):
    marker = tmp_path / "marker"
    torch.save({"state_dict": Malicious(marker)}, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"wants to run \w+\.mkdir.*re-save it as a state dict"):
        read_weights(tmp_path / "x.pth", model=resnet18)
    assert not marker.exists()


def test_a_whole_pickled_network_is_refused_with_the_way_out(resnet18, tmp_path):
    torch.save(torchvision.models.resnet18(), tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"torchvision\.models\.resnet\.ResNet.*re-save it as a state dict"):
        read_weights(tmp_path / "x.pt", model=resnet18)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds no state dict but a list"),
        ({}, "holds no state dict but an empty dict"),
        ({"epoch": 3}, "its entry 'epoch' is a int"),
        ({"fc.weight": torch.tensor([float("nan")])}, "fc.weight holds values that are not finite"),
        ({"fc.weight": torch.eye(3).to_sparse()}, "fc.weight is a sparse tensor; save it dense"),
    ],
)
def test_no_state_dict_is_refused(resnet18, tmp_path, content, message):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=message):
        read_weights(tmp_path / "x.pth", model=resnet18)


def test_missing_and_misnamed_files_are_refused(resnet18, tmp_path):
    (tmp_path / "x.h5").touch()
    (tmp_path / "run").mkdir()
    for weights, message in (
        ("imagenett", "choose imagenet, random, a file or a run"),
        (tmp_path / "x.h5", r"must end in \.safetensors, \.pth, \.pt"),
        (tmp_path / "run", "no finished run: it has no weights.safetensors"),
        ("w" * 300 + ".pth", "cannot read w+"),
    ):
        with pytest.raises(CheckpointError, match=message):
            read_weights(weights, model=resnet18)


def lightning(state, **more):
    """A checkpoint file as PyTorch Lightning lays it out."""
    return {
        "epoch": 4,
        "global_step": 200,
        "pytorch-lightning_version": "2.6.6",
        "state_dict": state,
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.9), "best_model_path": "x.ckpt"}},
        "optimizer_states": [{"state": {}, "param_groups": [{"lr": 1e-3}]}],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": {"lr": 1e-3},
    } | more


@pytest.mark.parametrize("prefix", ["model.", "net.", "backbone.model."])
def test_a_lightning_checkpoint_is_read_with_what_is_not_used_listed(resnet18, donor, tmp_path, prefix):
    state = {prefix + name: tensor for name, tensor in donor.original_state().items()}
    state |= {"loss.weight": torch.ones(3), "metric.total": torch.tensor(1.0)}
    torch.save(lightning(state), tmp_path / "x.ckpt")
    starting = read_weights(tmp_path / "x.ckpt", model=resnet18)
    assert same(starting.state, donor.body_state())
    text = " ".join(starting.report)
    assert f"took the prefix {prefix!r} off" in text
    assert "not used: 2 tensors without it (loss.weight, metric.total)" in text
    assert "not used: callbacks, epoch, global_step" in text


def test_a_lightning_checkpoint_that_wants_code_says_how_to_save_it_again(resnet18, donor, tmp_path):
    arguments = argparse.Namespace(lr=1e-3)
    torch.save(lightning(donor.original_state(), hyper_parameters=arguments), tmp_path / "x.ckpt")
    with pytest.raises(CheckpointError, match=r"argparse\.Namespace, which is refused; .*checkpoint\['state_dict'\]"):
        read_weights(tmp_path / "x.ckpt", model=resnet18)


class Marks:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("suffix", ["pth", "pt", "ckpt"])
@pytest.mark.parametrize("where", ["top", "tensor", "hyper_parameters"])
@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_never_run_wherever_it_hides(resnet18, donor, tmp_path, suffix, where, zipped):
    mark, file = Marks(tmp_path / "ran"), tmp_path / f"x.{suffix}"
    content = {
        "top": mark,
        "tensor": lightning(donor.original_state() | {"conv1.weight": mark}),
        "hyper_parameters": lightning(donor.original_state(), hyper_parameters=mark),
    }[where]
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"wants to run .*open, which is refused; re-save it as a state dict"):
        read_weights(file, model=resnet18)
    assert not (tmp_path / "ran").exists()


def test_a_torchscript_archive_is_refused(resnet18, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is on its way out
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"x\.pt is "):
        read_weights(tmp_path / "x.pt", model=resnet18)


def test_a_file_that_does_not_fit_is_told_block_by_block(resnet18, donor, tmp_path, caplog):
    state = {name: tensor for name, tensor in donor.original_state().items() if not name.startswith("layer2.0.conv")}
    state["conv1.weight"] = torch.ones(64, 1, 7, 7)
    state["layer4.9.conv1.weight"] = torch.ones(2)
    torch.save(state, tmp_path / "x.pth")
    caplog.set_level(logging.INFO)
    with pytest.raises(CheckpointError, match=r"stem: 1 mis-shaped .*; block2: 2 missing .*; block4: 1 unexpected"):
        read_weights(tmp_path / "x.pth", model=resnet18)
    (text,) = caplog.messages
    table = {line.split()[0]: line.split()[1:6] for line in text.splitlines()[1:]}
    assert table["block"] == ["tensors", "matched", "missing", "unexpected", "mis-shaped"]
    assert table["stem"] == ["6", "5", "0", "0", "1"]
    assert table["block1"] == ["24", "24", "0", "0", "0"]
    assert table["block2"] == ["30", "28", "2", "0", "0"]
    assert table["block4"] == ["30", "30", "0", "1", "0"]
