"""Starting weights: what matches, what is reported, and how another network's file is refused."""

import re

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from tlprobe.backbones.registry import build
from tlprobe.backbones.weights import read_weights, tensor_digest
from tlprobe.errors import CheckpointError
from tlprobe.manifest import entry_of, write_manifest

SHAPE = (3, 64, 64)


def same(state, other):
    return state.keys() == other.keys() and all(torch.equal(state[k], other[k]) for k in state)


def copied(state):
    return {name: tensor.clone().contiguous() for name, tensor in state.items()}


def list_in_manifest(run):
    data = (run / "weights.safetensors").read_bytes()
    write_manifest(run, {"weights.safetensors": entry_of(data)})


def old_names(state):
    """The official DenseNet files of 2017: split names, no batch counters."""
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", name): tensor
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }


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
    assert starting.report == (
        "dropped the head (fc.bias, fc.weight)",
        "loaded stem 6, block1 24, block2 30, block3 30, block4 30 tensors",
    )
    assert starting.digest == tensor_digest(donor.body_state())


def test_a_run_directory_is_its_last_weights(resnet18, donor, tmp_path):
    run = tmp_path / "a"
    run.mkdir()
    save_file(copied(donor.original_state()), run / "weights.safetensors")
    list_in_manifest(run)
    starting = read_weights(str(run), model=resnet18)
    assert starting.init == "a"
    assert same(starting.state, donor.body_state())


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


@pytest.mark.parametrize("name", ["random", "imagenet"])
def test_a_file_or_run_does_not_pass_for_what_its_name_stands_for(resnet18, donor, tmp_path, name):
    (tmp_path / name).mkdir()
    for path in (tmp_path / f"{name}.safetensors", tmp_path / name / "weights.safetensors"):
        save_file(copied(donor.original_state()), path)
    list_in_manifest(tmp_path / name)
    for path in (tmp_path / f"{name}.safetensors", tmp_path / name):
        starting = read_weights(path, model=resnet18)
        assert starting.init == f"{name}-file"
        assert same(starting.state, donor.body_state())


def test_values_too_large_for_the_networks_type_are_refused(resnet18, donor, tmp_path):
    state = {name: tensor.double() for name, tensor in copied(donor.original_state()).items()}
    state["conv1.weight"][0] = 1e300
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"conv1\.weight holds values too large for torch\.float32"):
        read_weights(tmp_path / "a.safetensors", model=resnet18)
