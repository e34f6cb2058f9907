"""Other attribution methods: by hand on small networks, refused where they would be wrong, and nothing is left."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tlprobe.backbones.registry import build
from tlprobe.errors import ParameterError
from tlprobe.probes.attribution import methods as module
from tlprobe.probes.attribution.methods import METHODS, attribute_by

SHAPE = (3, 18, 23)  # neither side is a multiple of a patch or of its stride
MODULE_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Linear(nn.Module):
    """Two logits that are linear in the image, with a constant."""

    def __init__(self, shape=SHAPE):
        super().__init__()
        self.weight = nn.Parameter(drawn(2, *shape, seed=1), requires_grad=False)

    def forward(self, x):
        return torch.einsum("bchw,kchw->bk", x, self.weight) + 3


class Function(nn.Module):
    """Any function of the image as a network."""

    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, part in modules.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


class Blocked(nn.Module):
    """Two named blocks, ReLUs in place, max pooling whose windows overlap, and a head."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            first = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
            second = nn.Sequential(nn.Conv2d(6, 5, 3), nn.BatchNorm2d(5), nn.ReLU(inplace=True))
            self.blocks = nn.ModuleDict({"first": first, "second": second})
            self.head = nn.Linear(5, 2)
        self.eval().requires_grad_(False)

    def forward(self, x):
        return 10 * self.head(self.blocks["second"](self.blocks["first"](x)).mean((2, 3)))


def row(*values):
    """One clip of one row: the same values in the first channel, 0 in the others."""
    x = torch.zeros(1, 3, 1, len(values))
    x[0, 0, 0] = torch.tensor(values)
    return x


def attributed(method, model, x, *, baseline=None, columns=None, **options):
    baseline = torch.zeros_like(x[:1]) if baseline is None else baseline
    columns = [i % 2 for i in range(len(x))] if columns is None else columns
    return attribute_by(method, model, x, baseline=baseline, columns=columns, **{"block": "second", **options})


def test_a_linear_network_by_hand():
    model, x, baseline = Linear(), drawn(3, *SHAPE), drawn(3, *SHAPE, seed=2)
    weight = model.weight[[0, 1, 0]]
    for name, expected in {
        "gradient-x-input": weight * x,
        "smoothgrad": weight,
        "deeplift": weight * (x - baseline),
        "guided-backprop": weight,
    }.items():
        found = attributed(name, model, x, baseline=baseline)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected)


def test_occlusion_of_a_linear_network_is_the_mean_of_its_patches_sums():
    model, x, baseline = Linear(), drawn(2, *SHAPE), drawn(1, *SHAPE, seed=2)
    share = (model.weight * (x - baseline)).double().sum(1)  # clip 0 has logit 0, clip 1 has logit 1
    total, count = torch.zeros_like(share), torch.zeros_like(share)
    for top in (0, 4, 8, 12):  # the last patch begins where the one before still misses a row
        for left in (0, 5, 10, 15):
            patch = (slice(None), slice(top, top + 8), slice(left, left + 10))
            total[patch] += share[patch].sum((1, 2), keepdim=True)
            count[patch] += 1
    expected = (total / count / 3).float()[:, None].expand(-1, 3, -1, -1)  # the channels add up to the fall
    torch.testing.assert_close(attributed("occlusion", model, x, baseline=baseline), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "grad-cam"])
def test_a_network_that_sees_one_point(name):
    model = Function(lambda _, x: torch.stack([3 * x[:, 1, 5, 7], x[:, 0, 0, 0]], 1))
    x = drawn(1, *SHAPE) + 5
    found = attributed(name, model, x)[0]
    assert float(found[1, 5, 7]) > 0
    rows, columns = (slice(0, 12), slice(0, 15)) if name == "occlusion" else (slice(5, 6), slice(7, 8))
    channels = slice(None) if name == "occlusion" else slice(1, 2)
    found[channels, rows, columns] = 0
    assert not found.any()


@pytest.mark.parametrize("name", METHODS)
def test_batch_and_one_by_one_agree(name):
    model, x, baseline = Blocked(), drawn(5, *SHAPE) * torch.arange(1, 6)[:, None, None, None], drawn(5, *SHAPE, seed=2)
    columns = [0, 1, 1, 0, 1]
    together = attributed(name, model, x, baseline=baseline, columns=columns)
    assert together.shape == x.shape
    assert together.abs().sum((1, 2, 3)).min() > 0
    for i, column in enumerate(columns):
        alone = attributed(name, model, x[i : i + 1], baseline=baseline[i : i + 1], columns=[column])
        torch.testing.assert_close(alone[0], together[i], rtol=1e-4, atol=1e-5)
    chunks = attributed(name, model, x, baseline=baseline, columns=columns, batch=11)
    torch.testing.assert_close(chunks, together, rtol=1e-4, atol=1e-5)
    one_baseline = attributed(name, model, x, baseline=baseline[:1], columns=columns)
    repeated = attributed(name, model, x, baseline=baseline[:1].expand_as(x), columns=columns)
    torch.testing.assert_close(one_baseline, repeated)


@pytest.mark.parametrize(("batch", "n"), [(1, 3), (4, 7)])
@pytest.mark.parametrize("name", METHODS)
def test_no_more_images_than_a_batch_are_in_the_network(name, batch, n):
    seen = []
    model = Blocked()
    model.blocks["first"].register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    attributed(name, model, drawn(n, *SHAPE), batch=batch)
    assert max(seen) == max(batch, 2 if name == "deeplift" else 1)  # DeepLift needs a clip and its baseline together


def state_of(model):
    found = {}
    for name, part in model.named_modules():
        attributes = {key: value for key, value in vars(part).items() if not isinstance(value, dict)}
        hooks = {key: len(getattr(part, key)) for key in MODULE_HOOKS}
        found[name] = (attributes, hooks)
    tensors = {key: value.clone() for key, value in model.state_dict().items()}
    flags = [(p.requires_grad, p.grad) for p in model.parameters()]
    return found, tensors, flags


def assert_left(model, before):
    found, tensors, flags = state_of(model)
    assert (found, flags) == (before[0], before[2])
    assert all(not any(hooks.values()) for _, hooks in found.values())
    for key, tensor in tensors.items():
        assert torch.equal(tensor, before[1][key])


@pytest.mark.parametrize("name", METHODS)
def test_nothing_is_left(name):
    model, x, baseline = Blocked(), drawn(2, *SHAPE), drawn(1, *SHAPE, seed=2)
    before, given, state = state_of(model), (x.clone(), baseline.clone()), torch.random.get_rng_state()
    attributed(name, model, x, baseline=baseline)
    assert_left(model, before)
    assert torch.equal(x, given[0])
    assert torch.equal(baseline, given[1])
    assert not x.requires_grad
    assert not baseline.requires_grad
    assert torch.equal(torch.random.get_rng_state(), state)
    assert model.blocks["first"][1].inplace


@pytest.mark.parametrize("name", METHODS)
def test_nothing_works_in_place_meanwhile(name):
    model, seen = Blocked(), set()
    act = model.blocks["first"][1]
    act.register_forward_pre_hook(lambda module, _: seen.add(module.inplace))
    attributed(name, model, drawn(1, *SHAPE))
    assert seen == {False}


FAILURES = [(name, "forward") for name in METHODS] + [(name, "backward") for name in METHODS if name != "occlusion"]


@pytest.mark.parametrize(("name", "when"), FAILURES)
def test_nothing_is_left_after_an_error(name, when):
    class Failing(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise RuntimeError("breaks on purpose")

    class Late(nn.Module):
        def forward(self, x):
            # The pass that only watches has one image and no gradients: let it through.
            if when == "forward" and (len(x) > 1 or x.requires_grad):
                raise RuntimeError("breaks on purpose")
            return Failing.apply(x) if when == "backward" else x

    model = Blocked()
    model.blocks["second"].insert(0, Late())  # between two hooked modules, of which one has run
    before = state_of(model)
    with pytest.raises(RuntimeError, match="breaks on purpose"):
        attributed(name, model, drawn(2, *SHAPE), block="first")
    assert_left(model, before)


def test_nothing_is_left_after_a_refusal():
    model = Function(lambda self, x: F.relu(self.act(x)).sum((2, 3)), act=nn.ReLU(inplace=True))
    for name in ("deeplift", "guided-backprop"):
        before = state_of(model)
        with pytest.raises(
            ParameterError, match=rf"{name} knows modules of .*; Function of Function applies relu; use"
        ):
            attributed(name, model, drawn(1, *SHAPE))
        assert_left(model, before)


def test_unknown_methods_and_arguments_that_do_not_fit():
    model, x = Blocked(), drawn(3, *SHAPE)
    with pytest.raises(ParameterError, match="method='lime'; choose from gradient-x-input, smoothgrad, deeplift, gui"):
        attributed("lime", model, x)
    for wrong in ({"batch": 0}, {"columns": [0]}, {"baseline": x[:2]}, {"baseline": x[:, :, :4]}):
        with pytest.raises(ParameterError, match="do not fit x"):
            attributed("occlusion", model, x, **wrong)
    with pytest.raises(ParameterError, match="do not fit x"):
        attributed("occlusion", model, x[:0], baseline=x[:1], columns=[])


@pytest.mark.parametrize("block", [None, "third"])
def test_grad_cam_needs_a_block(block):
    x = drawn(1, *SHAPE)
    with pytest.raises(ParameterError, match=f"block={block!r}: .* of Blocked; choose from first, second"):
        attribute_by("grad-cam", Blocked(), x, baseline=x, columns=[0], block=block)
    with pytest.raises(ParameterError, match="choose from none: it has no blocks"):
        attribute_by("grad-cam", Linear(), x, baseline=x, columns=[0], block=block)


def test_grad_cam_of_a_block_without_a_map():
    model = Blocked()
    model.blocks["second"].append(nn.AdaptiveAvgPool2d(1))
    with pytest.raises(ParameterError, match="block='second' of Blocked ends in one value a channel, not in a map"):
        attributed("grad-cam", model, drawn(1, *SHAPE))


@pytest.mark.parametrize("block", ["first", "second"])
def test_grad_cam_by_its_formula(block):
    model, x = Blocked(), drawn(3, *SHAPE)
    found = attribute_by("grad-cam", model, x, baseline=x, columns=[0, 1, 1], block=block)
    for i, column in enumerate([0, 1, 1]):
        acts = model.blocks["first"](x[i : i + 1].clone())
        if block == "second":
            acts = model.blocks["second"](acts)
        acts = acts.detach().requires_grad_()
        late = acts if block == "second" else model.blocks["second"](acts)
        logit = 10 * model.head(late.mean((2, 3)))[0, column]
        (gradient,) = torch.autograd.grad(logit, acts)
        cam = torch.zeros(acts.shape[2:])
        for channel in range(acts.shape[1]):
            cam += gradient[0, channel].mean() * acts[0, channel].detach()
        cam = F.interpolate(cam.clamp_min(0)[None, None], SHAPE[1:], mode="bilinear", align_corners=False)[0, 0]
        for channel in range(3):
            torch.testing.assert_close(found[i, channel], cam / 3, rtol=1e-4, atol=1e-6)


def test_grad_cam_sees_a_block_before_what_works_in_place_overwrites_it():
    """Its maps are x and 20, and a ReLU follows: where x < 0 the sum is less than that of a map of 0 there."""
    model = Blocked()
    model.blocks = nn.ModuleDict({"first": nn.Conv2d(3, 2, 1), "second": nn.ReLU(inplace=True)})
    model.head = nn.Linear(2, 2)
    model.requires_grad_(False)
    model.blocks["first"].weight.zero_()[0, 0] = 1.0
    model.blocks["first"].bias.copy_(torch.tensor([0.0, 20.0]))
    model.head.weight.fill_(1.0)
    x = drawn(1, *SHAPE)
    each = 10 / (SHAPE[1] * SHAPE[2])  # the logit is ten times the mean over the points
    cam = each * (x[:, :1] > 0).float().mean() * x[:, :1] + each * 20
    torch.testing.assert_close(attributed("grad-cam", model, x, block="first"), cam.expand_as(x) / 3)


def test_the_noise_of_smoothgrad_follows_a_clips_range_and_the_seed():
    """Of a sum of squares the mean gradient less that of the clip is twice the mean noise."""
    model = Function(lambda _, x: (x * x).sum((2, 3)))
    x = torch.cat([drawn(1, *SHAPE), 100 + 10 * drawn(1, *SHAPE, seed=1)])
    noise = attributed("smoothgrad", model, x, columns=[0, 0])[:, 0] / 2 - x[:, 0]
    for clip, of in zip(x, noise, strict=True):
        assert float(of.std()) == pytest.approx(0.15 * float(clip.max() - clip.min()) / 50**0.5, rel=0.15)
    again = attributed("smoothgrad", model, x, columns=[0, 0])[:, 0] / 2 - x[:, 0]
    other = attributed("smoothgrad", model, x, columns=[0, 0], seed=1)[:, 0] / 2 - x[:, 0]
    assert torch.equal(again, noise)
    assert abs(np.corrcoef(other[0].flatten(), noise[0].flatten())[0, 1]) < 0.2


def test_smoothgrad_of_a_constant_clip_is_its_gradient():
    x = torch.ones(1, *SHAPE)
    torch.testing.assert_close(attributed("smoothgrad", Linear(), x), Linear().weight[:1])


def test_guided_backprop_by_hand():
    """-relu(-2 a) has gradient 2 where a < 0; on the way back it is -1 at the ReLU, which ends it."""
    weight = torch.tensor([1.0, -1.0, 1.0])
    model = Function(lambda self, x: (self.act(2 * x) * weight).sum((2, 3)), act=nn.ReLU(inplace=True))
    found = attributed("guided-backprop", model, row(1.0, 2.0, -3.0))
    torch.testing.assert_close(found, row(2.0, 0.0, 0.0))


def test_what_goes_into_a_relu_may_go_elsewhere_too():
    """Of 3 relu(u) - 5 u: guided backprop drops nothing of the -5; DeepLift has 3 (relu u - relu u') - 5 (u - u')."""

    def forward(self, x):
        u = x * 1
        return (3 * self.act(u) - 5 * u).sum((2, 3))

    x = row(1.0, -2.0)
    model = Function(forward, act=nn.ReLU())
    torch.testing.assert_close(attributed("guided-backprop", model, x), row(-2.0, -5.0))
    found = attributed("deeplift", model, x, baseline=row(-1.0, 1.0))
    torch.testing.assert_close(found, row(3 * 1 - 5 * 2.0, 3 * -1 - 5 * -3.0))


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
def test_guided_backprop_of_a_backbone_is_that_of_other_relus(name, network, monkeypatch):
    """ResNet uses each ReLU twice, which is no problem here."""
    model, x = network(name), drawn(2, 3, 64, 64)
    found = attributed("guided-backprop", model, x, columns=[3, 1])
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, x: Guided.apply(x))
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(leaf)[[0, 1], [3, 1]].sum(), leaf)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("name", ["densenet121", "timm/resnet18"])
def test_deeplift_of_a_backbone_is_complete(name, network):
    model, x, baseline = network(name), drawn(2, 3, 64, 64), torch.full((1, 3, 64, 64), -1.0)
    found = attributed("deeplift", model, x, baseline=baseline, columns=[3, 1])
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
def test_backbones_that_are_refused(name, method, reason, network):
    with pytest.raises(ParameterError) as caught:
        attributed(method, network(name), drawn(1, 3, 64, 64))
    message = str(caught.value)
    assert reason in message
    assert message.endswith("use gradient-x-input, smoothgrad, grad-cam or occlusion")
    assert "\n" not in message


ACTIVATIONS = (
    *(nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.Hardsigmoid, nn.Mish, nn.SELU, nn.CELU, nn.PReLU, nn.RReLU),
    *(nn.Hardtanh, nn.Hardshrink, nn.Softshrink, nn.LogSigmoid, nn.Tanhshrink, nn.Softsign),
)


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations_that_neither_knows_are_refused(kind):
    model = Function(lambda self, x: self.act(x).sum((2, 3)), act=kind()).eval().requires_grad_(False)
    for name in ("deeplift", "guided-backprop"):
        with pytest.raises(ParameterError, match=rf"{name} knows modules of .*; {kind.__name__} of Function applies "):
            attributed(name, model, drawn(1, *SHAPE))


@pytest.mark.parametrize("kind", [nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus])
def test_activations_that_deeplift_knows(kind):
    model = Function(lambda self, x: self.act(x).sum((2, 3)), act=kind())
    x, baseline = drawn(2, *SHAPE), drawn(2, *SHAPE, seed=2)
    found = attributed("deeplift", model, x, baseline=baseline, columns=[0, 0])
    assert not found[:, 1:].any()
    torch.testing.assert_close(found[:, 0], (kind()(x) - kind()(baseline))[:, 0], rtol=1e-4, atol=1e-5)
    with pytest.raises(ParameterError, match=f"knows modules of ReLU only; {kind.__name__} of Function applies"):
        attributed("guided-backprop", model, x)


@pytest.mark.parametrize("function", [lambda x: F.max_pool2d(x, 2), lambda x: F.layer_norm(x, x.shape[1:])])
def test_functions_that_only_deeplift_minds(function):
    model = Function(lambda _, x: function(x).sum((2, 3)))
    with pytest.raises(ParameterError, match=r"deeplift knows modules of .*; Function of Function applies"):
        attributed("deeplift", model, drawn(1, *SHAPE))
    assert attributed("guided-backprop", model, drawn(1, *SHAPE)).any()


def test_deeplift_that_does_not_add_up_is_refused():
    """A product of two parts of the image: each gets the whole of a change of both."""
    model = Function(lambda self, x: (x * self.act(x)).sum((2, 3)), act=nn.Sigmoid())
    message = r"deeplift is wrong for Function: .* miss F\(x\) - F\(baseline\) = .* by .*; use gradient-x-input"
    with pytest.raises(ParameterError, match=message):
        attributed("deeplift", model, drawn(2, *SHAPE) + 2, baseline=drawn(1, *SHAPE, seed=2) - 2, columns=[0, 0])


def test_deeplift_of_max_pooling_by_hand():
    """A rise goes to the clip's largest value, a fall to the baseline's, in each window.

    Windows of (1, 5, 2, 0): 5, 5, 2; of the baseline (4, 0, 3, 1): 4, 3, 3. The rises of 1 and 2 both go to the 5.
    The third falls by 1, at the 3.
    """
    model = Function(lambda self, x: self.pool(self.act(x)).sum((2, 3)), act=nn.ReLU(), pool=nn.MaxPool2d((1, 2), 1))
    found = attributed("deeplift", model, row(1.0, 5.0, 2.0, 0.0), baseline=row(4.0, 0.0, 3.0, 1.0))
    torch.testing.assert_close(found, row(0.0, 3.0, -1.0, 0.0))


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(3, 2, ceil_mode=True)])
def test_deeplift_of_pooling_after_a_relu_is_complete(pool, monkeypatch):
    monkeypatch.setattr(module, "_GAP", 1e-4)
    monkeypatch.setattr(module, "_GAP_ABSOLUTE", 1e-5)
    model = Blocked()
    model.blocks["first"][2] = pool
    baseline = drawn(3, *SHAPE, seed=2)
    x = drawn(3, *SHAPE)
    x[:, :, :6] = baseline[:, :, :6]  # no difference: no quotient
    found = attributed("deeplift", model, x, baseline=baseline)
    assert found.isfinite().all()
    assert not found[:, :, :6].any()
