"""Faithfulness: exact on a linear network, whole on a real one, and drawn."""

import dataclasses

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from tlprobe.errors import ParameterError
from tlprobe.plots.faithfulness import draw
from tlprobe.plots.figure import render
from tlprobe.probes import faithfulness as module
from tlprobe.probes.attribution.curves import N_POINTS, area
from tlprobe.probes.faithfulness import IG, MEASURES, faithfulness


class Linear(nn.Module):
    """Three logits that are sums over the image."""

    def __init__(self, shape):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)) / 300)

    def forward(self, x):
        return torch.einsum("bchw,kchw->bk", x, self.weight)


@pytest.fixture(scope="module")
def record(tiny_run):
    return faithfulness(tiny_run, n_clips=3, n_steps=2, device="cpu", progress=False)


def rows(record, measure):
    return {row["ranking"]: row for row in record.rows if row["measure"] == measure}


def test_a_linear_network_is_explained_wholly_and_nothing_ranks_better(tiny_checkpoint, monkeypatch):
    found = dataclasses.replace(tiny_checkpoint, _after=Linear(tiny_checkpoint.material.image_shape))
    monkeypatch.setattr(module, "open_checkpoint", lambda path, **_: found)
    record = faithfulness("run", n_clips=3, n_steps=2, checks=False, device="cpu", progress=False)
    assert {row["measure"] for row in record.rows} == {*MEASURES, "rank correlation"}
    assert rows(record, "infidelity")[IG]["mean"] < 1e-5
    assert max(record.params["gaps"]) < 1e-3
    for name in ("energy", "edges", "random"):
        assert rows(record, "insertion")[name]["difference"] > 0
        assert rows(record, "deletion")[name]["difference"] < 0
        assert rows(record, "infidelity")[name]["difference"] < 0


def test_rows_are_means_over_the_clips_of_the_arrays(record):
    assert record.params["rankings"] == [IG, "energy", "edges", "random"]
    for kind in ("insertion", "deletion"):
        curves = record.arrays[kind]
        assert curves.shape == (4, 3, N_POINTS)
        assert ((curves >= 0) & (curves <= 1)).all()
        for number, name in enumerate(record.params["rankings"]):
            row = rows(record, kind)[name]
            areas = [area(curve) for curve in curves[number]]
            assert row["mean"] == pytest.approx(np.mean(areas), abs=1e-6)
            assert min(areas) - 1e-6 <= row["low"] <= row["mean"] <= row["high"] <= max(areas) + 1e-6
            if name != IG:
                own = [area(curve) for curve in curves[0]]
                assert row["difference"] == pytest.approx(np.mean(own) - np.mean(areas), abs=1e-6)
                assert 0 < row["p_value"] <= 1
    np.testing.assert_allclose(record.arrays["insertion"][..., -1], record.arrays["deletion"][..., 0], atol=1e-6)
    np.testing.assert_allclose(record.arrays["insertion"][..., 0], record.arrays["deletion"][..., -1], atol=1e-6)


def test_all_checks_are_there(record):
    assert list(rows(record, "rank correlation")) == [
        "attribution and energy",
        "attribution and edges",
        "energy and edges",
    ]
    assert list(rows(record, "agreement")) == ["silence and mean", "silence and blurred", "silence and shuffled"]
    assert list(rows(record, "randomisation")) == ["head", "block4", "block3", "block2", "block1", "stem"]
    assert rows(record, "sensitivity")[IG]["mean"] > 0
    assert all(-1 <= row["mean"] <= 1 for row in rows(record, "randomisation").values())
    assert rows(record, "randomisation")["stem"]["mean"] < 0.999
    assert len(record.params["gaps"]) == 3


def test_the_same_seed_gives_the_same(record, tiny_run):
    again = faithfulness(tiny_run, n_clips=3, n_steps=2, checks=False, device="cpu", progress=False)
    np.testing.assert_allclose(again.arrays["deletion"], record.arrays["deletion"], atol=1e-5)
    other = faithfulness(tiny_run, n_clips=3, n_steps=2, checks=False, seed=1, device="cpu", progress=False)
    random = record.params["rankings"].index("random")
    assert not np.allclose(other.arrays["deletion"][random], record.arrays["deletion"][random], atol=1e-5)


@pytest.mark.parametrize("wrong", [{"n_clips": 1}, {"n_steps": 0}, {"rule": "best"}])
def test_impossible_values(tiny_run, wrong):
    with pytest.raises(ParameterError, match=f"{next(iter(wrong)).replace('rule', 'choose')}="):
        faithfulness(tiny_run, device="cpu", progress=False, **wrong)


def test_its_figure_shows_each_ranking_and_check(record):
    axes = draw(record, figure=Figure())
    assert len(axes) == 3
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == record.params["rankings"]
    solid = [line for line in axes[0].lines if line.get_linestyle() == "-"]
    np.testing.assert_allclose(solid[0].get_ydata(), record.arrays["insertion"][0].mean(axis=0), atol=1e-6)
    assert [label.get_text() for label in axes[2].get_xticklabels()][:2] == ["head", "block4"]
    less = dataclasses.replace(record, rows=[row for row in record.rows if row["measure"] != "randomisation"])
    assert len(draw(less, figure=Figure())) == 2
    render([record])
    assert len(draw(dataclasses.replace(record, arrays={}), figure=Figure())) == 1
