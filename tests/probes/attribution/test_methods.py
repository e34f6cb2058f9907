"""Other attribution methods: by hand on small networks, one by one as in batches, and nothing is left."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tlprobe.errors import ParameterError
from tlprobe.probes.attribution.methods import METHODS, attribute_by

MODULE_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def test_a_linear_network_by_hand(nets):
    model, x, baseline = nets.Linear(), nets.drawn(3, *nets.SHAPE), nets.drawn(3, *nets.SHAPE, seed=2)
    weight = model.weight[[0, 1, 0]]
    for name, expected in {
        "gradient-x-input": weight * x,
        "smoothgrad": weight,
        "deeplift": weight * (x - baseline),
        "guided-backprop": weight,
    }.items():
        found = nets.attributed(name, model, x, baseline=baseline)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected)


def test_occlusion_of_a_linear_network_is_the_mean_of_its_patches_sums(nets):
    model, x, baseline = nets.Linear(), nets.drawn(2, *nets.SHAPE), nets.drawn(1, *nets.SHAPE, seed=2)
    share = (model.weight * (x - baseline)).double().sum(1)  # clip 0 has logit 0, clip 1 has logit 1
    total, count = torch.zeros_like(share), torch.zeros_like(share)
    for top in (0, 4, 8, 12):  # the last patch begins where the one before still misses a row
        for left in (0, 5, 10, 15):
            patch = (slice(None), slice(top, top + 8), slice(left, left + 10))
            total[patch] += share[patch].sum((1, 2), keepdim=True)
            count[patch] += 1
    expected = (total / count / 3).float()[:, None].expand(-1, 3, -1, -1)  # the channels add up to the fall
    torch.testing.assert_close(
        nets.attributed("occlusion", model, x, baseline=baseline), expected, rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("name", [name for name in METHODS if name != "grad-cam"])
def test_a_network_that_sees_one_point(nets, name):
    model = nets.Function(lambda _, x: torch.stack([3 * x[:, 1, 5, 7], x[:, 0, 0, 0]], 1))
    x = nets.drawn(1, *nets.SHAPE) + 5
    found = nets.attributed(name, model, x)[0]
    assert float(found[1, 5, 7]) > 0
    rows, columns = (slice(0, 12), slice(0, 15)) if name == "occlusion" else (slice(5, 6), slice(7, 8))
    channels = slice(None) if name == "occlusion" else slice(1, 2)
    found[channels, rows, columns] = 0
    assert not found.any()


@pytest.mark.parametrize("name", METHODS)
def test_batch_and_one_by_one_agree(nets, name):
    model, x, baseline = (
        nets.Blocked(),
        nets.drawn(5, *nets.SHAPE) * torch.arange(1, 6)[:, None, None, None],
        nets.drawn(5, *nets.SHAPE, seed=2),
    )
    columns = [0, 1, 1, 0, 1]
    together = nets.attributed(name, model, x, baseline=baseline, columns=columns)
    assert together.shape == x.shape
    assert together.abs().sum((1, 2, 3)).min() > 0
    for i, column in enumerate(columns):
        alone = nets.attributed(name, model, x[i : i + 1], baseline=baseline[i : i + 1], columns=[column])
        torch.testing.assert_close(alone[0], together[i], rtol=1e-4, atol=1e-5)
    chunks = nets.attributed(name, model, x, baseline=baseline, columns=columns, batch=11)
    torch.testing.assert_close(chunks, together, rtol=1e-4, atol=1e-5)
    one_baseline = nets.attributed(name, model, x, baseline=baseline[:1], columns=columns)
    repeated = nets.attributed(name, model, x, baseline=baseline[:1].expand_as(x), columns=columns)
    torch.testing.assert_close(one_baseline, repeated)


@pytest.mark.parametrize(("batch", "n"), [(1, 3), (4, 7)])
@pytest.mark.parametrize("name", METHODS)
def test_no_more_images_than_a_batch_are_in_the_network(nets, name, batch, n):
    seen = []
    model = nets.Blocked()
    model.blocks["first"].register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    nets.attributed(name, model, nets.drawn(n, *nets.SHAPE), batch=batch)
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
def test_nothing_is_left(nets, name):
    model, x, baseline = nets.Blocked(), nets.drawn(2, *nets.SHAPE), nets.drawn(1, *nets.SHAPE, seed=2)
    before, given, state = state_of(model), (x.clone(), baseline.clone()), torch.random.get_rng_state()
    nets.attributed(name, model, x, baseline=baseline)
    assert_left(model, before)
    assert torch.equal(x, given[0])
    assert torch.equal(baseline, given[1])
    assert not x.requires_grad
    assert not baseline.requires_grad
    assert torch.equal(torch.random.get_rng_state(), state)
    assert model.blocks["first"][1].inplace


@pytest.mark.parametrize("name", METHODS)
def test_nothing_works_in_place_meanwhile(nets, name):
    model, seen = nets.Blocked(), set()
    act = model.blocks["first"][1]
    act.register_forward_pre_hook(lambda module, _: seen.add(module.inplace))
    nets.attributed(name, model, nets.drawn(1, *nets.SHAPE))
    assert seen == {False}


FAILURES = [(name, "forward") for name in METHODS] + [(name, "backward") for name in METHODS if name != "occlusion"]


@pytest.mark.parametrize(("name", "when"), FAILURES)
def test_nothing_is_left_after_an_error(nets, name, when):
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

    model = nets.Blocked()
    model.blocks["second"].insert(0, Late())  # between two hooked modules, of which one has run
    before = state_of(model)
    with pytest.raises(RuntimeError, match="breaks on purpose"):
        nets.attributed(name, model, nets.drawn(2, *nets.SHAPE), block="first")
    assert_left(model, before)


def test_nothing_is_left_after_a_refusal(nets):
    model = nets.Function(lambda self, x: F.relu(self.act(x)).sum((2, 3)), act=nn.ReLU(inplace=True))
    for name in ("deeplift", "guided-backprop"):
        before = state_of(model)
        with pytest.raises(
            ParameterError, match=rf"{name} knows modules of .*; Function of Function applies relu; use"
        ):
            nets.attributed(name, model, nets.drawn(1, *nets.SHAPE))
        assert_left(model, before)


def test_unknown_methods_and_arguments_that_do_not_fit(nets):
    model, x = nets.Blocked(), nets.drawn(3, *nets.SHAPE)
    with pytest.raises(ParameterError, match="method='lime'; choose from gradient-x-input, smoothgrad, deeplift, gui"):
        nets.attributed("lime", model, x)
    for wrong in ({"batch": 0}, {"columns": [0]}, {"baseline": x[:2]}, {"baseline": x[:, :, :4]}):
        with pytest.raises(ParameterError, match="do not fit x"):
            nets.attributed("occlusion", model, x, **wrong)
    with pytest.raises(ParameterError, match="do not fit x"):
        nets.attributed("occlusion", model, x[:0], baseline=x[:1], columns=[])


@pytest.mark.parametrize("block", [None, "third"])
def test_grad_cam_needs_a_block(nets, block):
    x = nets.drawn(1, *nets.SHAPE)
    with pytest.raises(ParameterError, match=f"block={block!r}: .* of Blocked; choose from first, second"):
        attribute_by("grad-cam", nets.Blocked(), x, baseline=x, columns=[0], block=block)
    with pytest.raises(ParameterError, match="choose from none: it has no blocks"):
        attribute_by("grad-cam", nets.Linear(), x, baseline=x, columns=[0], block=block)


def test_grad_cam_of_a_block_without_a_map(nets):
    model = nets.Blocked()
    model.blocks["second"].append(nn.AdaptiveAvgPool2d(1))
    with pytest.raises(ParameterError, match="block='second' of Blocked ends in one value a channel, not in a map"):
        nets.attributed("grad-cam", model, nets.drawn(1, *nets.SHAPE))


@pytest.mark.parametrize("block", ["first", "second"])
def test_grad_cam_by_its_formula(nets, block):
    model, x = nets.Blocked(), nets.drawn(3, *nets.SHAPE)
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
        cam = F.interpolate(cam.clamp_min(0)[None, None], nets.SHAPE[1:], mode="bilinear", align_corners=False)[0, 0]
        for channel in range(3):
            torch.testing.assert_close(found[i, channel], cam / 3, rtol=1e-4, atol=1e-6)


def test_grad_cam_sees_a_block_before_what_works_in_place_overwrites_it(nets):
    """Its maps are x and 20, and a ReLU follows: where x < 0 the sum is less than that of a map of 0 there."""
    model = nets.Blocked()
    model.blocks = nn.ModuleDict({"first": nn.Conv2d(3, 2, 1), "second": nn.ReLU(inplace=True)})
    model.head = nn.Linear(2, 2)
    model.requires_grad_(False)
    model.blocks["first"].weight.zero_()[0, 0] = 1.0
    model.blocks["first"].bias.copy_(torch.tensor([0.0, 20.0]))
    model.head.weight.fill_(1.0)
    x = nets.drawn(1, *nets.SHAPE)
    each = 10 / (nets.SHAPE[1] * nets.SHAPE[2])  # the logit is ten times the mean over the points
    cam = each * (x[:, :1] > 0).float().mean() * x[:, :1] + each * 20
    torch.testing.assert_close(nets.attributed("grad-cam", model, x, block="first"), cam.expand_as(x) / 3)


def test_the_noise_of_smoothgrad_follows_a_clips_range_and_the_seed(nets):
    """Of a sum of squares the mean gradient less that of the clip is twice the mean noise."""
    model = nets.Function(lambda _, x: (x * x).sum((2, 3)))
    x = torch.cat([nets.drawn(1, *nets.SHAPE), 100 + 10 * nets.drawn(1, *nets.SHAPE, seed=1)])
    noise = nets.attributed("smoothgrad", model, x, columns=[0, 0])[:, 0] / 2 - x[:, 0]
    for clip, of in zip(x, noise, strict=True):
        assert float(of.std()) == pytest.approx(0.15 * float(clip.max() - clip.min()) / 50**0.5, rel=0.15)
    again = nets.attributed("smoothgrad", model, x, columns=[0, 0])[:, 0] / 2 - x[:, 0]
    other = nets.attributed("smoothgrad", model, x, columns=[0, 0], seed=1)[:, 0] / 2 - x[:, 0]
    assert torch.equal(again, noise)
    assert abs(np.corrcoef(other[0].flatten(), noise[0].flatten())[0, 1]) < 0.2


def test_smoothgrad_of_a_constant_clip_is_its_gradient(nets):
    x = torch.ones(1, *nets.SHAPE)
    torch.testing.assert_close(nets.attributed("smoothgrad", nets.Linear(), x), nets.Linear().weight[:1])
