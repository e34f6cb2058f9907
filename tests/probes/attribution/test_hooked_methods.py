"""DeepLIFT and guided backprop: by hand, on backbones, and refused where they would be wrong."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tlprobe.backbones.registry import build
from tlprobe.errors import ParameterError
from tlprobe.probes.attribution import methods as module


def test_guided_backprop_by_hand(nets):
    """-relu(-2 a) has gradient 2 where a < 0; on the way back it is -1 at the ReLU, which ends it."""
    weight = torch.tensor([1.0, -1.0, 1.0])
    model = nets.Function(lambda self, x: (self.act(2 * x) * weight).sum((2, 3)), act=nn.ReLU(inplace=True))
    found = nets.attributed("guided-backprop", model, nets.row(1.0, 2.0, -3.0))
    torch.testing.assert_close(found, nets.row(2.0, 0.0, 0.0))


def test_what_goes_into_a_relu_may_go_elsewhere_too(nets):
    """Of 3 relu(u) - 5 u: guided backprop drops nothing of the -5; DeepLift has 3 (relu u - relu u') - 5 (u - u')."""

    def forward(self, x):
        u = x * 1
        return (3 * self.act(u) - 5 * u).sum((2, 3))

    x = nets.row(1.0, -2.0)
    model = nets.Function(forward, act=nn.ReLU())
    torch.testing.assert_close(nets.attributed("guided-backprop", model, x), nets.row(-2.0, -5.0))
    found = nets.attributed("deeplift", model, x, baseline=nets.row(-1.0, 1.0))
    torch.testing.assert_close(found, nets.row(3 * 1 - 5 * 2.0, 3 * -1 - 5 * -3.0))


class Guided(torch.autograd.Function):
    """A ReLU whose gradient is that of guided backprop."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp_min(0)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient.clamp_min(0) * (x > 0)


@pytest.fixture(scope="module")
def network():
    """Backbones, built once."""
    built = {}

    def call(name):
        if name not in built:
            built[name] = build(name, n_classes=5, seed=0, image_shape=(3, 128, 250)).eval().requires_grad_(False)
        return built[name]

    return call


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_guided_backprop_of_a_backbone_is_that_of_other_relus(nets, name, network, monkeypatch):
    """ResNet uses each ReLU twice, which is no problem here."""
    model, x = network(name), nets.drawn(2, 3, 64, 64)
    found = nets.attributed("guided-backprop", model, x, columns=[3, 1])
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, x: Guided.apply(x))
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(leaf)[[0, 1], [3, 1]].sum(), leaf)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("name", ["densenet121", "timm/resnet18"])
def test_deeplift_of_a_backbone_is_complete(nets, name, network):
    model, x, baseline = network(name), nets.drawn(2, 3, 64, 64), torch.full((1, 3, 64, 64), -1.0)
    found = nets.attributed("deeplift", model, x, baseline=baseline, columns=[3, 1])
    difference = (model(x) - model(baseline))[[0, 1], [3, 1]]
    torch.testing.assert_close(found.sum((1, 2, 3)), difference, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "method", "reason"),
    [
        ("efficientnet_lite0", "deeplift", "ReLU6 of BlockedCNN efficientnet_lite0 applies hardtanh"),
        ("efficientnet_lite0", "guided-backprop", "ReLU6 of BlockedCNN efficientnet_lite0 applies hardtanh"),
        ("googlenet", "guided-backprop", "BasicConv2d of BlockedCNN googlenet applies relu"),
        ("resnet18", "deeplift", "BlockedCNN resnet18 uses a ReLU twice"),
    ],
)
def test_backbones_that_are_refused(nets, name, method, reason, network):
    with pytest.raises(ParameterError) as caught:
        nets.attributed(method, network(name), nets.drawn(1, 3, 64, 64))
    message = str(caught.value)
    assert reason in message
    assert message.endswith("use gradient-x-input, smoothgrad, grad-cam or occlusion")
    assert "\n" not in message


ACTIVATIONS = (
    *(nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.Hardsigmoid, nn.Mish, nn.SELU, nn.CELU, nn.PReLU, nn.RReLU),
    *(nn.Hardtanh, nn.Hardshrink, nn.Softshrink, nn.LogSigmoid, nn.Tanhshrink, nn.Softsign),
)


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations_that_neither_knows_are_refused(nets, kind):
    model = nets.Function(lambda self, x: self.act(x).sum((2, 3)), act=kind()).eval().requires_grad_(False)
    for name in ("deeplift", "guided-backprop"):
        with pytest.raises(ParameterError, match=rf"{name} knows modules of .*; {kind.__name__} of Function applies "):
            nets.attributed(name, model, nets.drawn(1, *nets.SHAPE))


@pytest.mark.parametrize("kind", [nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus])
def test_activations_that_deeplift_knows(nets, kind):
    model = nets.Function(lambda self, x: self.act(x).sum((2, 3)), act=kind())
    x, baseline = nets.drawn(2, *nets.SHAPE), nets.drawn(2, *nets.SHAPE, seed=2)
    found = nets.attributed("deeplift", model, x, baseline=baseline, columns=[0, 0])
    assert not found[:, 1:].any()
    torch.testing.assert_close(found[:, 0], (kind()(x) - kind()(baseline))[:, 0], rtol=1e-4, atol=1e-5)
    with pytest.raises(ParameterError, match=f"knows modules of ReLU only; {kind.__name__} of Function applies"):
        nets.attributed("guided-backprop", model, x)


@pytest.mark.parametrize("function", [lambda x: F.max_pool2d(x, 2), lambda x: F.layer_norm(x, x.shape[1:])])
def test_functions_that_only_deeplift_minds(nets, function):
    model = nets.Function(lambda _, x: function(x).sum((2, 3)))
    with pytest.raises(ParameterError, match=r"deeplift knows modules of .*; Function of Function applies"):
        nets.attributed("deeplift", model, nets.drawn(1, *nets.SHAPE))
    assert nets.attributed("guided-backprop", model, nets.drawn(1, *nets.SHAPE)).any()


def test_deeplift_that_does_not_add_up_is_refused(nets):
    """A product of two parts of the image: each gets the whole of a change of both."""
    model = nets.Function(lambda self, x: (x * self.act(x)).sum((2, 3)), act=nn.Sigmoid())
    message = r"deeplift is wrong for Function: .* miss F\(x\) - F\(baseline\) = .* by .*; use gradient-x-input"
    with pytest.raises(ParameterError, match=message):
        nets.attributed(
            "deeplift",
            model,
            nets.drawn(2, *nets.SHAPE) + 2,
            baseline=nets.drawn(1, *nets.SHAPE, seed=2) - 2,
            columns=[0, 0],
        )


def test_deeplift_of_max_pooling_by_hand(nets):
    """A rise goes to the clip's largest value, a fall to the baseline's, in each window.

    Windows of (1, 5, 2, 0): 5, 5, 2; of the baseline (4, 0, 3, 1): 4, 3, 3. The rises of 1 and 2 both go to the 5.
    The third falls by 1, at the 3.
    """
    model = nets.Function(
        lambda self, x: self.pool(self.act(x)).sum((2, 3)), act=nn.ReLU(), pool=nn.MaxPool2d((1, 2), 1)
    )
    found = nets.attributed("deeplift", model, nets.row(1.0, 5.0, 2.0, 0.0), baseline=nets.row(4.0, 0.0, 3.0, 1.0))
    torch.testing.assert_close(found, nets.row(0.0, 3.0, -1.0, 0.0))


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(3, 2, ceil_mode=True)])
def test_deeplift_of_pooling_after_a_relu_is_complete(nets, pool, monkeypatch):
    monkeypatch.setattr(module, "_GAP", 1e-4)
    monkeypatch.setattr(module, "_GAP_ABSOLUTE", 1e-5)
    model = nets.Blocked()
    model.blocks["first"][2] = pool
    baseline = nets.drawn(3, *nets.SHAPE, seed=2)
    x = nets.drawn(3, *nets.SHAPE)
    x[:, :, :6] = baseline[:, :, :6]  # no difference: no quotient
    found = nets.attributed("deeplift", model, x, baseline=baseline)
    assert found.isfinite().all()
    assert not found[:, :, :6].any()
