"""Files: wrappers are opened, damage and code are refused."""

import os
import re
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
    assert all(f"prefix {part + '.'!r}" in text for part in prefix.split(".")[:-1])
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
