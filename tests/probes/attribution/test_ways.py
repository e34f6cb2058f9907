"""Methods, baselines and blocks by name, and what each says of a network whose map is known."""

import numpy as np
import pytest
import torch
from torch import nn

from tlprobe.errors import ParameterError
from tlprobe.probes.attribution.methods import METHODS
from tlprobe.probes.attribution.ways import Way, explain, require_fitting, ways_of

BLOCKS = ("stem", "block1")


def ways(*methods, baseline="silence", block=None):
    return ways_of(methods, baseline=baseline, block=block, block_names=BLOCKS)


def test_names_stand_for_ways():
    assert ways("integrated-gradients") == (Way("integrated-gradients", baseline="silence"),)
    assert ways("smoothgrad", "grad-cam") == (
        Way("smoothgrad"), Way("grad-cam", block="stem"), Way("grad-cam", block="block1"),
    )  # fmt: skip
    assert ways("grad-cam", block="block1") == (Way("grad-cam", block="block1"),)
    assert ways("deeplift", "gradient-x-input", baseline="all") == (
        *(Way("deeplift", baseline=name) for name in ("silence", "mean", "blurred", "shuffled")),
        Way("gradient-x-input"),
    )
    everything = ways("all")
    assert {way.method for way in everything} == {"integrated-gradients", *METHODS}
    assert len(everything) == len(METHODS) + len(BLOCKS)  # and Integrated Gradients, less grad-cam once
    assert ways("occlusion", "all", "occlusion")[0] == Way("occlusion", baseline="silence")
    assert len(ways("occlusion", "all")) == len(everything)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"methods": ["lime"]}, "method='lime'; choose from integrated-gradients, gradient-x-input"),
        ({"methods": ["deeplift"], "baseline": "zero"}, "baseline='zero'"),
        ({"methods": ["deeplift"], "block": "stem"}, "block='stem' is of grad-cam alone; the method is deeplift"),
        ({"methods": ["grad-cam"], "block": "block9"}, "block='block9' is no block of the network; choose from stem"),
    ],
)
def test_wrong_names(asked, said):
    options = {"baseline": "silence", "block": None, **asked}
    with pytest.raises(ParameterError, match=said):
        ways_of(options.pop("methods"), **options, block_names=BLOCKS)


class Linear(nn.Module):
    """Two logits, a linear map of the image."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("weight", torch.randn(2, 3, 4, 5, generator=generator))

    def forward(self, x):
        return torch.einsum("bchw,kchw->bk", x, self.weight)


@pytest.mark.parametrize("method", ["integrated-gradients", "deeplift"])
def test_complete_methods_have_a_gap_and_are_the_mean_over_baselines(method):
    model, generator = Linear(), torch.Generator().manual_seed(1)
    x = torch.randn(3, 3, 4, 5, generator=generator)
    starts = torch.stack([torch.randn(1, 3, 4, 5, generator=generator).expand(3, -1, -1, -1) for _ in range(2)])
    done = []
    columns = [0, 1, 0]
    found, about = explain(
        Way(method, baseline="shuffled"), model, x, baselines=starts, columns=columns, tolerance=0.01, n_steps=None,
        batch=2, seed=0, on_clip=lambda: done.append(1),
    )  # fmt: skip
    weight = model.weight[columns]
    np.testing.assert_allclose(found, (weight * (x - starts.mean(0))).numpy(), rtol=1e-4, atol=1e-5)
    assert len(done) == 3
    for i, row in enumerate(about):
        assert row["logit"] == pytest.approx(float(model(x)[i, columns[i]]), rel=1e-5)
        assert row["logit_baseline"] == pytest.approx(float((weight[i] * starts.mean(0)[i]).sum()), rel=1e-4)
        assert row["gap"] < 1e-4
        assert row["gap_absolute"] is False
        assert (row["n_steps"] is None) == (method == "deeplift")


@pytest.mark.parametrize("method", ["gradient-x-input", "smoothgrad", "occlusion"])
def test_other_methods_have_no_gap(method):
    model = Linear()
    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    starts = torch.zeros(1, 1, 3, 4, 5) if method == "occlusion" else None
    found, about = explain(
        Way(method), model, x, baselines=starts, columns=[1, 1], tolerance=0.01, n_steps=None, batch=2, seed=0,
        on_clip=lambda: None,
    )  # fmt: skip
    assert found.shape == (2, 3, 4, 5)
    if method == "gradient-x-input":
        np.testing.assert_allclose(found, (model.weight[1] * x).numpy(), rtol=1e-4)
    for row in about:
        assert set(row) == {"logit", "logit_baseline", "gap", "gap_absolute", "reached", "n_steps"}
        assert {name for name, value in row.items() if value is not None} == {"logit"}


def test_options_that_would_be_ignored_are_refused():
    require_fitting(["all"], baseline="mean", n_steps=3)
    require_fitting(["grad-cam"], baseline="silence", n_steps=None)
    with pytest.raises(ParameterError, match="baseline='mean' is of integrated-gradients, deeplift, occlusion"):
        require_fitting(["grad-cam", "smoothgrad"], baseline="mean", n_steps=None)
    with pytest.raises(ParameterError, match="n_steps=3 is of integrated-gradients alone; the method is occlusion"):
        require_fitting(["occlusion"], baseline="mean", n_steps=3)
