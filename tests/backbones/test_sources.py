"""ImageNet weights: from the package or a cache without a network, or a line saying what to put where."""

import re
import urllib.error

import pytest
import torch
from huggingface_hub import constants as hub
from safetensors.torch import save_file

from tlprobe.backbones import sources
from tlprobe.backbones.registry import build
from tlprobe.backbones.weights import read_weights
from tlprobe.errors import CheckpointError

SHAPE = (3, 64, 64)


def same(state, other):
    return state.keys() == other.keys() and all(torch.equal(state[k], other[k]) for k in state)


def copied(state):
    return {name: tensor.clone().contiguous() for name, tensor in state.items()}


def old_names(state):
    """The official DenseNet files of 2017: split names, no batch counters."""
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", name): tensor
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }


@pytest.fixture
def offline(monkeypatch):
    """No test may reach for the network."""

    def refuse(*_, **__):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(sources.urllib.request, "urlopen", refuse)


def test_imagenet_of_the_default_network_needs_no_network(offline):
    model = build("efficientnet_lite0", n_classes=50, seed=0)
    starting = read_weights("imagenet", model=model)
    assert starting.init == "imagenet"
    assert len(starting.state) == 294  # 296 entries of the package less the head's two
    assert starting.report[0] == "dropped the head (classifier.bias, classifier.weight)"
    assert re.fullmatch("[0-9a-f]{64}", starting.digest)
    head = model.head.weight.clone()
    model.load_original_state(starting.state, head=False)
    assert same(model.body_state(), starting.state)
    assert torch.equal(model.head.weight, head)


def test_official_torchvision_file_loads_from_its_cache_under_old_names(densenet, offline, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    source = build("densenet121", n_classes=1000, seed=3, image_shape=SHAPE)
    (tmp_path / "checkpoints").mkdir()
    torch.save(
        old_names(source.original_state()),
        tmp_path / "checkpoints" / "densenet121-a639ec97.pth",
        _use_new_zipfile_serialization=False,  # as the official files are
    )
    starting = read_weights("imagenet", model=densenet)
    assert same(starting.state, source.body_state())
    assert "mapped" in starting.report[0]
    assert starting.report[0].endswith("old DenseNet names (norm.1 -> norm1)")
    assert starting.report[1:] == (
        "dropped the head (classifier.bias, classifier.weight)",
        "set 121 missing num_batches_tracked to 0",
        "loaded stem 6, block1 78, block2 150, block3 294, block4 197 tensors",
    )


def test_missing_torchvision_file_says_what_to_put_where(resnet18, offline, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(CheckpointError) as caught:
        read_weights("imagenet", model=resnet18)
    message = str(caught.value)
    assert "https://download.pytorch.org/models/resnet18-f37072fd.pth" in message
    assert str(tmp_path / "checkpoints") in message
    assert "\n" not in message


@pytest.fixture
def hub_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path / "models--timm--mobilenetv3_small_050.lamb_in1k"


def test_timm_file_in_the_hub_cache_is_used_offline(offline, hub_cache):
    name = "timm/mobilenetv3_small_050"
    source = build(name, n_classes=1000, seed=3, image_shape=SHAPE)
    (hub_cache / "refs").mkdir(parents=True)
    (hub_cache / "refs" / "main").write_text("abc")
    (hub_cache / "snapshots" / "abc").mkdir(parents=True)
    path = hub_cache / "snapshots" / "abc" / "model.safetensors"
    save_file(copied(source.original_state()), path)
    model = build(name, n_classes=4, seed=0, image_shape=SHAPE)
    assert same(read_weights("imagenet", model=model).state, source.body_state())
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"model.safetensors is damaged .*; delete it"):
        read_weights("imagenet", model=model)


def test_missing_timm_file_says_what_to_get(offline, hub_cache):
    model = build("timm/mobilenetv3_small_050", n_classes=4, seed=0, image_shape=SHAPE)
    with pytest.raises(CheckpointError) as caught:
        read_weights("imagenet", model=model)
    message = str(caught.value)
    assert "timm/mobilenetv3_small_050.lamb_in1k/resolve/main/model.safetensors" in message
    assert str(hub_cache.parent) in message
