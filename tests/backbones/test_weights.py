"""Starting weights: what is accepted, what is reported, and how everything else is refused."""

import os
import re
import urllib.error
from pathlib import Path

import pytest
import torch
import torchvision
from huggingface_hub import constants as hub
from safetensors.torch import save_file

from tlprobe.backbones import sources
from tlprobe.backbones.registry import build
from tlprobe.backbones.weights import read_weights, tensor_digest
from tlprobe.errors import CheckpointError

SHAPE = (3, 64, 64)


@pytest.fixture(scope="module")
def donor():
    """Another seed's network, with another number of classes: its file must load without the head."""
    return build("resnet18", n_classes=9, seed=1, image_shape=SHAPE)


@pytest.fixture(scope="module")
def densenet():
    return build("densenet121", n_classes=4, seed=0, image_shape=SHAPE)


@pytest.fixture
def offline(monkeypatch):
    """No test may reach for the network."""

    def refuse(*_, **__):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(sources.urllib.request, "urlopen", refuse)


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


def test_imagenet_of_the_default_network_needs_no_network(offline):
    model = build("efficientnet_lite0", n_classes=50, seed=0)
    starting = read_weights("imagenet", model=model)
    assert starting.init == "imagenet"
    assert len(starting.state) == 294  # 296 entries of the package less the head's two
    assert starting.report == ("dropped the head (classifier.bias, classifier.weight)",)
    assert re.fullmatch("[0-9a-f]{64}", starting.digest)
    head = model.head.weight.clone()
    model.load_original_state(starting.state, head=False)
    assert same(model.body_state(), starting.state)
    assert torch.equal(model.head.weight, head)


def test_random_is_no_state(resnet18):
    starting = read_weights("random", model=resnet18)
    assert (starting.init, starting.state, starting.digest, starting.report) == ("random", None, "random", ())


@pytest.mark.parametrize("suffix", ["safetensors", "pth", "pt"])
def test_files_give_back_the_body_whatever_the_head(resnet18, donor, tmp_path, suffix):
    path = tmp_path / f"mine.{suffix}"
    save = save_file if suffix == "safetensors" else torch.save
    save(copied(donor.original_state()), path)
    starting = read_weights(path, model=resnet18)
    assert starting.init == "mine"
    assert same(starting.state, donor.body_state())
    assert starting.report == ("dropped the head (fc.bias, fc.weight)",)
    assert starting.digest == tensor_digest(donor.body_state())


def test_a_run_directory_is_its_last_weights(resnet18, donor, tmp_path):
    run = tmp_path / "a"
    run.mkdir()
    save_file(copied(donor.original_state()), run / "weights.safetensors")
    starting = read_weights(str(run), model=resnet18)
    assert starting.init == "a"
    assert same(starting.state, donor.body_state())


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
    )


@pytest.mark.parametrize(("backbone", "n_aux"), [("googlenet", 2), ("inception_v3", 1)])
def test_auxiliary_heads_are_dropped_and_reported(backbone, n_aux, tmp_path):
    options = {"aux_logits": True, "init_weights": False}
    official = torchvision.models.get_model(backbone, weights=None, **options).state_dict()
    torch.save(official, tmp_path / "official.pth")
    model = build(backbone, n_classes=4, seed=0, image_shape=(3, 128, 100))
    starting = read_weights(tmp_path / "official.pth", model=model)
    assert starting.report[1].startswith("dropped the auxiliary heads (" + ("aux1." if n_aux == 2 else "AuxLogits."))
    assert starting.state.keys() == model.body_state().keys()


def test_transform_input_is_off(tmp_path):
    """torchvision turns it on for pretrained networks alone: theirs and the random ones would see other images."""
    model = build("googlenet", n_classes=2, seed=0, image_shape=SHAPE).eval()
    torch.save(torchvision.models.googlenet(init_weights=False).state_dict(), tmp_path / "official.pth")
    model.load_original_state(read_weights(tmp_path / "official.pth", model=model).state, head=False)
    seen = []
    model.blocks["stem"][0].conv.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x = torch.randn(1, *SHAPE)
    model(x)
    assert torch.equal(seen[0], x)


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


@pytest.mark.parametrize("content", [b"<html>404</html>", os.urandom(64), b"PK\x03\x04 no zip"])
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
    ):
        with pytest.raises(CheckpointError, match=message):
            read_weights(weights, model=resnet18)


def test_another_networks_file_is_refused_block_by_block(resnet18, densenet, tmp_path):
    deeper = build("resnet34", n_classes=4, seed=0, image_shape=SHAPE)
    save_file(copied(deeper.original_state()), tmp_path / "deeper.safetensors")
    with pytest.raises(CheckpointError, match=r"another network than resnet18: block1: 12 unexpected \(layer1\.2\."):
        read_weights(tmp_path / "deeper.safetensors", model=resnet18)
    with pytest.raises(CheckpointError, match=r"another network than densenet121: stem: 6 missing.*block4:.*other:"):
        read_weights(tmp_path / "deeper.safetensors", model=densenet)


def test_one_missing_weight_is_refused(resnet18, donor, tmp_path):
    state = copied(donor.original_state())
    del state["layer3.1.bn2.running_mean"], state["layer3.1.bn2.num_batches_tracked"]
    save_file(state, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="block3: 2 missing"):
        read_weights(tmp_path / "x.safetensors", model=resnet18)


def test_old_and_new_names_together_are_refused(densenet, tmp_path):
    state = copied(densenet.original_state())
    save_file(state | copied(old_names(state)), tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="under their old and their new names"):
        read_weights(tmp_path / "x.safetensors", model=densenet)


def test_a_cut_networks_file_does_not_fit_the_full_network_but_a_cut_one(densenet, tmp_path):
    cut = build("densenet121", n_classes=4, seed=1, image_shape=SHAPE, cut_after="block2")
    save_file(copied(cut.original_state()), tmp_path / "cut.safetensors")
    with pytest.raises(CheckpointError, match=r"\(a network cut after block2\?\): block3: .* missing"):
        read_weights(tmp_path / "cut.safetensors", model=densenet)
    starting = read_weights(tmp_path / "cut.safetensors", model=cut)
    assert same(starting.state, cut.body_state())
    assert "dropped the norm of a cut network (cut_norm.0.bias, cut_norm.0.num_batches_tracked, ...)" in starting.report


def test_a_full_file_fits_a_cut_network_and_the_rest_is_reported(densenet, tmp_path):
    cut = build("densenet121", n_classes=4, seed=1, image_shape=SHAPE, cut_after="block2")
    save_file(copied(densenet.original_state()), tmp_path / "full.safetensors")
    starting = read_weights(tmp_path / "full.safetensors", model=cut)
    assert starting.state.keys() == cut.body_state().keys()
    assert any(
        re.fullmatch(r"left out block3, block4 \(\d+ tensors\): .*cut after block2", line) for line in starting.report
    )


def test_half_precision_becomes_the_networks_type(resnet18, donor, tmp_path):
    half = {k: v.half() if v.is_floating_point() else v.clone() for k, v in donor.original_state().items()}
    save_file(half, tmp_path / "half.safetensors")
    starting = read_weights(tmp_path / "half.safetensors", model=resnet18)
    assert starting.state["conv1.weight"].dtype == torch.float32


def test_digest_knows_names_shapes_and_values():
    state = {"a": torch.arange(4.0), "b": torch.tensor(1)}
    digest = tensor_digest(state)
    assert digest == tensor_digest(dict(reversed(state.items())))
    for other in (
        {"a": torch.arange(4.0).reshape(2, 2), "b": torch.tensor(1)},
        {"a": torch.arange(4.0), "c": torch.tensor(1)},
        {"a": torch.arange(4.0), "b": torch.tensor(2)},
    ):
        assert digest != tensor_digest(other)
