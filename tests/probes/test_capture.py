"""Reading layers: values nobody overwrote, hooks that are gone, names that must match, layouts that differ."""

import numpy as np
import pytest
import torch
from torch import nn

from tlprobe.backbones.registry import build
from tlprobe.errors import ParameterError
from tlprobe.probes.capture import Capture, Layer, Reduce, find_layers

SHAPE = (3, 64, 64)


@pytest.fixture(scope="module")
def images():
    return torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", params=["densenet121", "resnet18", "timm/test_efficientnet"])
def model(request):
    return build(request.param, n_classes=4, seed=0, image_shape=SHAPE).eval()


@pytest.fixture(scope="module")
def densenet():
    return build("densenet121", n_classes=4, seed=0, image_shape=SHAPE).eval()


@pytest.fixture(scope="module")
def resnet():
    return build("resnet18", n_classes=4, seed=0, image_shape=SHAPE).eval()


def n_hooks(model):
    return sum(len(module._forward_hooks) for module in model.modules())


@torch.no_grad()
def captured(model, images, layers, reduce=None):
    found = find_layers(model, layers)
    with Capture(found, [reduce or Reduce()] * len(found)) as capture:
        model(images)
        return {layer.name: rows for layer, rows in zip(found, capture.take(), strict=True)}


def as_rows(maps):
    return maps.flatten(2).transpose(1, 2)


@torch.no_grad()
def test_densenet_norm5_is_what_stands_before_the_in_place_relu(densenet, images):
    rows = captured(densenet, images, ["features.norm5"])["features.norm5"]
    x = images
    for name in ("stem", "block1", "block2", "block3"):
        x = densenet.blocks[name](x)
    for unit in list(densenet.blocks["block4"])[:-1]:  # all but the ReLU
        x = unit(x)
    torch.testing.assert_close(rows, as_rows(x), rtol=0, atol=0)
    assert rows.min() < 0


@torch.no_grad()
def test_resnet_bn1_is_what_stands_before_the_in_place_relu(resnet, images):
    rows = captured(resnet, images, ["bn1"])["bn1"]
    modules = resnet.layers()
    x = modules["bn1"][1](modules["conv1"][1](images))
    torch.testing.assert_close(rows, as_rows(x), rtol=0, atol=0)
    assert rows.min() < 0


@pytest.mark.parametrize(
    "backbone",
    [
        "densenet121",
        "resnet18",
        "googlenet",
        "timm/test_efficientnet",
        "timm/mobilenetv3_large_100",
        "timm/convnext_tiny",
    ],
)
def test_blocks_are_their_maps_which_nothing_overwrote(backbone, images, block_maps):
    """Twin: each unit by itself, on a copy of the output before."""
    model = build(backbone, n_classes=4, seed=0, image_shape=SHAPE).eval()
    rows = captured(model, images, "blocks")
    maps = block_maps(model, images)
    assert len(rows) == len(maps) == 5
    for (name, expected), (layer, got) in zip(maps.items(), rows.items(), strict=True):
        assert layer.startswith(f"{name}.")
        torch.testing.assert_close(got, as_rows(expected), rtol=0, atol=0)
    assert maps["block4"].shape[2:] == (2, 2)  # the map before pooling, where layers follow on it too


def test_rows_are_memory_of_their_own(images):
    conv, relu = nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True)
    for layout in (torch.contiguous_format, torch.channels_last):
        for reduce in (Reduce(), Reduce("flatten"), Reduce("pool"), Reduce(keep=(0, 1))):
            with torch.no_grad(), Capture([Layer("conv", "stem", conv)], [reduce]) as capture:
                out = conv(images.contiguous(memory_format=layout))
                rows = capture.take()[0]
                before = rows.clone()
                relu(out).zero_()
            torch.testing.assert_close(rows, before, rtol=0, atol=0)


def test_what_a_map_becomes():
    maps = torch.arange(2 * 3 * 4 * 6, dtype=torch.float32).reshape(2, 3, 4, 6)
    positions = Reduce()(maps)
    assert positions.shape == (2, 24, 3)
    assert torch.equal(positions[1, 7], maps[1, :, 1, 1])
    assert torch.equal(Reduce(keep=(7, 0))(maps), positions[:, [7, 0]])
    pooled = Reduce("pool")(maps)
    assert pooled.shape == (2, 1, 3)
    torch.testing.assert_close(pooled[0, 0], maps[0].mean((1, 2)))
    flat = Reduce("flatten")(maps)
    assert torch.equal(flat[1, 0], maps[1].flatten())
    halved = Reduce(grid=(2, 3))(maps)
    assert halved.shape == (2, 6, 3)
    torch.testing.assert_close(halved[0, 0], maps[0, :, :2, :2].mean((1, 2)))
    assert Reduce("flatten", grid=(2, 3))(maps).shape == (2, 1, 18)


def test_hooks_are_gone_after_use_and_after_an_error(model, images):
    layers = find_layers(model, "all")
    with torch.no_grad(), Capture(layers, [Reduce("pool")] * len(layers)):
        assert n_hooks(model) == len(layers)
        model(images)
    assert n_hooks(model) == 0
    with pytest.raises(RuntimeError), Capture(layers, [Reduce("pool")] * len(layers)):
        model(images[:, :1])  # fails in the first convolution
    assert n_hooks(model) == 0
    with pytest.raises(KeyboardInterrupt), Capture(layers, [Reduce("pool")] * len(layers)):
        raise KeyboardInterrupt
    assert n_hooks(model) == 0


def test_all_are_the_convolutions_of_the_blocks(model):
    convolutions = [module for module in model.blocks.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    found = find_layers(model, "all")
    assert {id(layer.module) for layer in found} == set(map(id, convolutions))
    assert len(found) == len(convolutions)
    for layer in found:
        assert any(layer.module is module for module in model.blocks[layer.block].modules())


def test_names_are_those_of_the_original(densenet, resnet):
    assert {"features.conv0", "features.denseblock3.denselayer7.norm2", "features.norm5"} <= set(densenet.layers())
    assert {"conv1", "layer1.0.bn1", "layer4.1.conv2"} <= set(resnet.layers())
    assert "fc" not in resnet.layers()
    assert [layer.name for layer in find_layers(resnet, ["bn1", "block2", "bn1"])] == ["bn1", "block2.1"]


def test_a_cut_network_has_the_layers_that_are_left():
    model = build("resnet18", n_classes=4, seed=0, image_shape=SHAPE, cut_after="block2")
    assert {layer.block for layer in find_layers(model, "all")} == {"stem", "block1", "block2"}
    with pytest.raises(ParameterError, match=r"layer4\.1\.conv2"):
        find_layers(model, "layer4.1.conv2")


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ("block9", r"layer 'block9' is not in resnet18; choose blocks, all, a block \(stem, block1, .*\) or a layer"),
        (["bn1", "layer1.7.conv1"], r"layer 'layer1.7.conv1' is not in resnet18; .*layer1.0.conv1"),
        ("fc", "layer 'fc' is not in resnet18"),
        ([], "no layer named"),
    ],
)
def test_names_that_match_nothing_are_refused_with_the_choices(resnet, layers, text):
    with pytest.raises(ParameterError, match=text):
        find_layers(resnet, layers)


def test_a_layer_that_is_not_called_is_told():
    conv, other = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)
    with Capture([Layer("used", "stem", conv), Layer("idle", "stem", other)], [Reduce()] * 2) as capture:
        conv(torch.zeros(1, 1, 2, 2))
        with pytest.raises(ParameterError, match=r"^idle: not called"):
            capture.take()


def test_a_layer_that_is_called_twice_is_told():
    conv = nn.Conv2d(1, 1, 1)
    with Capture([Layer("shared", "stem", conv)], [Reduce()]):
        out = conv(torch.zeros(1, 1, 2, 2))
        with pytest.raises(ParameterError, match="shared is called again before its rows were taken"):
            conv(out)


def test_what_is_no_map_is_told():
    class Odd(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.value = value

        def forward(self, x):
            return self.value

    for value, text in ((torch.zeros(1, 2, 3), r"shape \(1, 2, 3\)"), ((1, 2), "tuple")):
        odd = Odd(value)
        with Capture([Layer("odd", "stem", odd)], [Reduce()]), pytest.raises(ParameterError, match=text):
            odd(torch.zeros(1))


def test_features_that_come_last_are_found():
    """Dense layers and layer norms inside ConvNeXt blocks work on (clips, h, w, c)."""
    model = build("timm/test_convnext", n_classes=4, seed=0, image_shape=SHAPE).eval()
    layers = find_layers(model, "all")
    dense = [layer for layer in layers if isinstance(layer.module, nn.Linear)]
    norms = [Layer(n, b, m) for n, (b, m) in model.layers().items() if isinstance(m, nn.LayerNorm)]
    assert dense
    assert norms
    with torch.no_grad(), Capture([*dense, *norms], [Reduce()] * (len(dense) + len(norms))) as capture:
        model(torch.randn(2, *SHAPE))
        rows = capture.take()
    for layer, got in zip(dense, rows, strict=False):
        assert got.shape[2] == layer.module.out_features
    for layer, got in zip(norms, rows[len(dense) :], strict=True):
        assert got.shape[2] == layer.module.normalized_shape[0]
    vectors = nn.Linear(5, 2)
    with torch.no_grad(), Capture([Layer("head", "stem", vectors)], [Reduce()]) as capture:
        vectors(torch.zeros(3, 5))
        assert capture.take()[0].shape == (3, 1, 2)


def test_seconds_and_shapes_are_kept(resnet, images):
    layers = find_layers(resnet, "blocks")
    with torch.no_grad(), Capture(layers, [Reduce("pool")] * len(layers)) as capture:
        resnet(images)
        capture.take()
    assert capture.seconds > 0
    np.testing.assert_array_equal([capture.shapes[i][0] for i in range(5)], [64, 64, 128, 256, 512])
