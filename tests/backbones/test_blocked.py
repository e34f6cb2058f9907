"""Freezing, cutting, reading and loading: once for all networks, so tested on the awkward ones."""

import copy

import pytest
import torch
from torch import nn

from tlprobe.backbones.registry import build
from tlprobe.errors import CheckpointError, ParameterError

NAMES = ("stem", "block1", "block2", "block3", "block4")
SHAPE = (3, 64, 64)


def one_step(model, images):
    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    nn.functional.cross_entropy(model(images), torch.tensor([0, 1])).backward()
    optimizer.step()


@pytest.mark.parametrize(
    ("backbone", "n_frozen"),
    [("resnet18", 0), ("resnet18", 5), ("densenet121", 2), ("timm/mobilenetv3_large_100", 4)],
)
def test_one_step_changes_only_unfrozen_blocks(backbone, n_frozen, images):
    model = build(backbone, n_classes=4, seed=0, image_shape=SHAPE)
    before = copy.deepcopy(model.blocks.state_dict())
    head = model.head.weight.clone()
    model.frozen = NAMES[:n_frozen]
    one_step(model, images)
    after = model.blocks.state_dict()
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    assert {key.split(".")[0] for key in changed} == set(NAMES) - set(model.frozen)
    if n_frozen < 5:  # running statistics move as well as weights
        assert any(key.endswith("running_mean") for key in changed)
    assert not torch.equal(model.head.weight, head)


def test_train_keeps_frozen_blocks_in_eval(resnet18):
    resnet18.frozen = ("stem", "block1")
    resnet18.train()
    assert not any(m.training for name in resnet18.frozen for m in resnet18.blocks[name].modules())
    assert all(m.training for m in resnet18.blocks["block2"].modules())
    assert resnet18.head.training


def test_frozen_can_be_taken_back_and_keeps_the_order_of_blocks(resnet18):
    resnet18.frozen = ["block1", "stem"]
    assert resnet18.frozen == ("stem", "block1")
    resnet18.frozen = ("stem",)
    assert all(p.requires_grad for p in resnet18.blocks["block1"].parameters())
    assert resnet18.blocks["block1"].training
    resnet18.frozen = ()
    assert all(p.requires_grad for p in resnet18.parameters())


def test_freezing_does_not_turn_on_training(resnet18):
    resnet18.eval()
    resnet18.frozen = ("stem",)
    assert not any(m.training for m in resnet18.modules())


@pytest.mark.parametrize("names", [("block9",), ("head",), "none"])
def test_unknown_frozen_block_is_refused(resnet18, names):
    with pytest.raises(ParameterError, match="choose from stem, block1, block2, block3, block4"):
        resnet18.frozen = names
    assert resnet18.frozen == ()


@pytest.mark.parametrize("backbone", ["timm/convnext_tiny", "timm/mobilenetv3_large_100"])
def test_layers_after_pooling_are_block4s(backbone):
    model = build(backbone, n_classes=4, seed=0, image_shape=SHAPE).eval()
    after = "head.norm.weight" if "convnext" in backbone else "conv_head.weight"
    assert model.block_of()[after] == "block4"


@pytest.mark.parametrize(
    ("backbone", "after"),
    [
        ("resnet18", "stem"),
        ("densenet121", "stem"),
        ("densenet121", "block2"),
        ("densenet121", "block4"),
        ("timm/densenet121", "block2"),
        ("timm/mobilenetv3_large_100", "block2"),
        ("timm/mobilenetv3_large_100", "block4"),
    ],
)
def test_cut_ends_after_the_block(backbone, after, images, block_maps):
    full = build(backbone, n_classes=4, seed=0, image_shape=SHAPE).eval()
    cut = build(backbone, n_classes=4, seed=0, image_shape=SHAPE, cut_after=after).eval()
    kept = NAMES[: NAMES.index(after) + 1]
    assert cut.block_names == kept
    assert cut.cut_after == after
    with torch.no_grad():
        outputs = block_maps(full, images)
        logits = cut(images)
        x = outputs[after]
        if "densenet" in backbone and after == "block2":  # ends in a convolution: fresh norm and ReLU
            x = torch.relu(x / (1 + 1e-5) ** 0.5)
            assert set(cut.original_state()) - set(full.original_state()) == {
                f"cut_norm.0.{k}" for k in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
            }
        expected = cut.head(full.features(images) if after == "block4" else x.mean((2, 3)))
    torch.testing.assert_close(logits, expected)
    assert set(cut.body_state()) == {name for name, block in full.block_of().items() if block in kept}
    # The head of a network cut after its last block is the full network's: the two are one trial.
    assert torch.equal(cut.head.weight, full.head.weight) == (after == "block4")


def test_cut_keeps_mode_and_frozen_and_can_be_repeated(resnet18, images):
    resnet18.frozen = ("stem", "block1", "block2", "block3")
    resnet18.cut("block2", seed=0)
    resnet18.cut("block1", seed=0)
    assert resnet18.frozen == ("stem", "block1")
    assert resnet18.training
    assert resnet18(images).shape == (2, 4)
    with pytest.raises(ParameterError, match="after='block4' names no block of resnet18 cut after block1"):
        resnet18.cut("block4", seed=0)


def test_cut_norm_is_trained_and_never_frozen(images):
    model = build("densenet121", n_classes=4, seed=0, image_shape=SHAPE, cut_after="block1")
    model.frozen = model.block_names
    before = copy.deepcopy(model.cut_norm.state_dict())
    one_step(model, images)
    assert all(not torch.equal(v, before[k]) for k, v in model.cut_norm.state_dict().items())


def test_load_takes_only_the_selected_blocks(resnet18):
    other = build("resnet18", n_classes=4, seed=1, image_shape=SHAPE)
    before = copy.deepcopy(resnet18.original_state())
    resnet18.load_original_state(other.original_state(), blocks=("block1", "block3"), head=False)
    after, source, block_of = resnet18.original_state(), other.original_state(), resnet18.block_of()
    for name, tensor in after.items():
        taken = block_of.get(name) in {"block1", "block3"}
        assert torch.equal(tensor, source[name] if taken else before[name]), name


def test_load_without_selection_takes_the_whole_network(resnet18):
    other = build("resnet18", n_classes=4, seed=1, image_shape=SHAPE)
    resnet18.load_original_state(other.original_state(), head=True)
    source = other.original_state()
    assert all(torch.equal(v, source[k]) for k, v in resnet18.original_state().items())


def test_cut_network_takes_its_own_state_and_the_blocks_of_a_full_one():
    cut = build("densenet121", n_classes=4, seed=0, image_shape=SHAPE, cut_after="block1")
    twin = build("densenet121", n_classes=4, seed=1, image_shape=SHAPE, cut_after="block1")
    twin.load_original_state(cut.original_state(), head=True)
    assert all(torch.equal(v, cut.original_state()[k]) for k, v in twin.original_state().items())
    full = build("densenet121", n_classes=4, seed=2, image_shape=SHAPE)
    twin.load_original_state(full.original_state(), head=False)
    assert torch.equal(twin.body_state()["features.conv0.weight"], full.body_state()["features.conv0.weight"])
    assert torch.equal(twin.head.weight, cut.head.weight)


def broken(state, fault):
    state = dict(state)
    if fault == "missing":
        del state["layer2.0.conv1.weight"]
    elif fault == "mis-shaped":
        state["layer2.0.conv1.weight"] = torch.zeros(1)
    elif fault == "unexpected":
        state["layer2.0.conv9.weight"] = torch.zeros(1)
    return state


@pytest.mark.parametrize("fault", ["missing", "mis-shaped", "unexpected"])
def test_load_refuses_what_does_not_fit_and_changes_nothing(resnet18, fault):
    other = build("resnet18", n_classes=4, seed=1, image_shape=SHAPE)
    before = copy.deepcopy(resnet18.original_state())
    with pytest.raises(CheckpointError, match=rf"resnet18: block2: 1 {fault} \(layer2\.0\.conv"):
        resnet18.load_original_state(broken(other.original_state(), fault), head=True)
    assert all(torch.equal(v, before[k]) for k, v in resnet18.original_state().items())


def test_load_refuses_a_head_of_other_classes_and_unknown_blocks(resnet18):
    other = build("resnet18", n_classes=5, seed=1, image_shape=SHAPE)
    with pytest.raises(CheckpointError, match=r"head: 2 mis-shaped \(fc.bias \(5,\) instead of \(4,\)"):
        resnet18.load_original_state(other.original_state(), head=True)
    with pytest.raises(ParameterError, match="blocks='block7'"):
        resnet18.load_original_state(other.original_state(), blocks=("block7",), head=False)


def test_a_deep_copy_is_a_network_of_its_own(resnet18, images):
    resnet18.frozen = ("stem",)
    twin = copy.deepcopy(resnet18)
    one_step(twin, images)
    assert twin.frozen == ("stem",)
    assert not torch.equal(twin.body_state()["layer4.0.conv1.weight"], resnet18.body_state()["layer4.0.conv1.weight"])
