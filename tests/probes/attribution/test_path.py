"""Integrated Gradients: Captum's own result, complete, the same whatever shares a batch, and nothing left behind."""

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import nn

from tlprobe.backbones.registry import build
from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.probes.attribution import path
from tlprobe.probes.attribution.path import completeness_gap, integrated_gradients, logits_of

SHAPE = (3, 32, 40)


class OnePixel(nn.Module):
    """Reads the square of one input value."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        value = self.weight * x[:, 1, 5, 7] ** 2
        return torch.stack([value, -value], dim=1)


class Sharp(nn.Module):
    """A kink that few steps miss."""

    def forward(self, x):
        value = 50 * torch.relu(x.mean((1, 2, 3)) - 0.9)
        return torch.stack([value, -value], dim=1)


@pytest.fixture
def small():
    model = build("timm/test_efficientnet", n_classes=4, seed=3, image_shape=SHAPE).eval()
    return model.requires_grad_(False)


def clips(n, seed=0):
    return torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed))


def zero(k=1):
    return torch.zeros(k, 1, *SHAPE)


@pytest.mark.parametrize(
    ("total", "difference", "expected"),
    [(3.0, 4.0, (0.25, False)), (-3.0, -4.0, (0.25, False)), (0.5, 0.0625, (0.4375, True)), (0.0, -0.05, (0.05, True))],
)
def test_completeness_gap_by_hand(total, difference, expected):
    assert completeness_gap(total, difference) == expected


def test_a_network_that_reads_one_pixel_is_explained_by_it():
    x = clips(2)
    found = integrated_gradients(OnePixel(), x, baselines=zero(), columns=[0, 1])
    expected = np.zeros((2, *SHAPE), np.float32)
    expected[:, 1, 5, 7] = 2 * x[:, 1, 5, 7] ** 2
    expected[1] *= -1
    np.testing.assert_allclose(found.attributions, expected, rtol=1e-4, atol=1e-7)
    assert (found.gap < 1e-3).all()
    np.testing.assert_allclose(found.logit, expected.sum((1, 2, 3)), rtol=1e-5)
    assert found.n_steps.tolist() == [32, 32]


def test_it_is_captums_own_result_at_the_same_steps(small):
    x = clips(5)
    columns = [0, 1, 2, 3, 0]
    found = integrated_gradients(small, x, baselines=zero(), columns=columns, n_steps=20, batch=7)
    plain = IntegratedGradients(small).attribute(x, baselines=zero()[0], target=torch.tensor(columns), n_steps=20)
    np.testing.assert_allclose(found.attributions, plain.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_batches_and_chunks_change_nothing(small, batch):
    x = clips(11)
    whole = integrated_gradients(small, x, baselines=zero(), columns=[1] * 11, batch=32)
    parts = integrated_gradients(small, x, baselines=zero(), columns=[1] * 11, batch=batch)
    np.testing.assert_allclose(parts.attributions, whole.attributions, atol=1e-5)
    assert parts.n_steps.tolist() == whole.n_steps.tolist()
    for i in (0, 10):
        alone = integrated_gradients(small, x[i : i + 1], baselines=zero(), columns=[1])
        np.testing.assert_allclose(alone.attributions[0], whole.attributions[i], atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "inception_v3", "googlenet", "efficientnet_lite0"])
def test_it_is_complete_on_every_family(name):
    shape = (3, 128, 128)
    model = build(name, n_classes=3, seed=0, image_shape=shape).eval().requires_grad_(False)
    x = torch.randn(1, *shape, generator=torch.Generator().manual_seed(1))
    found = integrated_gradients(model, x, baselines=torch.full((1, 1, *shape), -2.0), columns=[2], tolerance=0.05)
    difference = found.logit[0] - found.logit_baseline[0]
    total = found.attributions.sum(dtype=np.float64)
    assert found.gap[0] <= 0.05
    assert completeness_gap(total, difference)[0] == pytest.approx(found.gap[0], abs=1e-4)


def test_steps_are_added_until_they_suffice_and_the_rest_is_marked(monkeypatch):
    x = torch.stack([torch.full(SHAPE, 1.0), torch.full(SHAPE, 0.5)])
    found = integrated_gradients(Sharp(), x, baselines=zero(), columns=[0, 0], tolerance=0.02)
    assert found.gap[0] <= 0.02
    assert found.n_steps[0] > 32  # the kink is at nine tenths of its way
    assert found.n_steps[1] == 32  # which the other never reaches
    monkeypatch.setattr(path, "MAX_STEPS", 40)
    cut = integrated_gradients(Sharp(), x, baselines=zero(), columns=[0, 0], tolerance=1e-6)
    assert cut.gap[0] > 1e-6
    assert cut.n_steps[0] in (32, 40)  # the better of the two


def test_several_baselines_are_averaged(small):
    x, starts = clips(3), clips(4, seed=9)[:, None]
    together = integrated_gradients(small, x, baselines=starts, columns=[0] * 3, n_steps=40)
    each = [integrated_gradients(small, x, baselines=start[None], columns=[0] * 3, n_steps=40) for start in starts]
    np.testing.assert_allclose(together.attributions, np.mean([found.attributions for found in each], 0), atol=1e-5)
    np.testing.assert_allclose(together.logit_baseline, np.mean([found.logit_baseline for found in each], 0), atol=1e-5)
    own = integrated_gradients(small, x, baselines=x[None], columns=[0] * 3, n_steps=4)  # one a clip: nothing differs
    assert np.abs(own.attributions).max() == 0
    assert own.gap_absolute.all()


def test_nothing_is_left_on_the_network(small):
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    integrated_gradients(small, clips(2), baselines=zero(), columns=[0, 1])
    with pytest.raises(RuntimeError):
        integrated_gradients(small, torch.zeros(1, 5, 8, 8), baselines=torch.zeros(1, 1, 5, 8, 8), columns=[0])
    for module in small.modules():
        assert not module._forward_hooks
        assert not module._backward_hooks
        assert not module._forward_pre_hooks
        assert not module.training
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in small.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in small.state_dict().items())


def test_an_answer_that_is_not_finite_is_an_error():
    class Broken(nn.Module):
        def forward(self, x):
            return x.mean((2, 3)) * float("nan")

    with pytest.raises(CheckpointError, match="answer is not finite"):
        integrated_gradients(Broken(), clips(1), baselines=zero(), columns=[0])
    with pytest.raises(CheckpointError, match="answer is not finite"):
        logits_of(Broken(), clips(1), batch=1)


@pytest.mark.parametrize("wrong", [{"tolerance": 0.0}, {"batch": 0}, {"n_steps": 0}])
def test_impossible_numbers(small, wrong):
    with pytest.raises(ParameterError, match="must be positive"):
        integrated_gradients(small, clips(1), baselines=zero(), columns=[0], **wrong)
