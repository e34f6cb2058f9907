"""Faithfulness: exact on a linear network, whole on a real one, and drawn."""

import copy
import dataclasses
import functools

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from tlprobe.errors import ParameterError
from tlprobe.plots.faithfulness import draw
from tlprobe.plots.figure import render
from tlprobe.probes import faithfulness as module
from tlprobe.probes.attribution import path
from tlprobe.probes.attribution.curves import N_POINTS, area
from tlprobe.probes.attribution.patches import patch_sums
from tlprobe.probes.faithfulness import IG, IG_ABSOLUTE, MEASURES, faithfulness


class Linear(nn.Module):
    """Three logits that are sums over the image."""

    cut_after = None

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
    assert {row["measure"] for row in record.rows} == {*MEASURES, "rank correlation", "channels"}
    assert rows(record, "infidelity")[IG]["mean"] < 1e-5
    assert rows(record, "infidelity beyond number")[IG]["mean"] < 1e-5
    assert max(record.params["gaps"]) < 1e-3
    for name in (IG_ABSOLUTE, "energy", "edges", "random"):
        assert rows(record, "insertion")[name]["difference"] > 0
        assert rows(record, "deletion")[name]["difference"] < 0
        assert rows(record, "infidelity")[name]["difference"] < 0
        assert rows(record, "infidelity beyond number")[name]["difference"] < 0


def test_rows_are_means_over_the_clips_of_the_arrays(record):
    assert record.params["rankings"] == [IG, IG_ABSOLUTE, "energy", "edges", "random"]
    assert all(list(rows(record, measure)) == record.params["rankings"] for measure in MEASURES)
    for kind in ("insertion", "deletion"):
        curves = record.arrays[kind]
        assert curves.shape == (5, 3, N_POINTS)
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


def test_the_absolute_ranking_is_that_of_the_sizes(tiny_run, monkeypatch):
    seen = []
    monkeypatch.setattr(module, "patch_sums", lambda maps: seen.append(maps) or patch_sums(maps))
    faithfulness(tiny_run, n_clips=2, n_steps=1, checks=False, device="cpu", progress=False)
    assert (seen[0] < 0).any()
    np.testing.assert_array_equal(seen[1], np.abs(seen[0]))


def test_channels_are_compared_where_they_have_windows_of_their_own(record, tiny_checkpoint, monkeypatch):
    assert list(rows(record, "channels")) == ["25 ms and 50 ms", "25 ms and 100 ms", "50 ms and 100 ms"]

    def measured(weights, **changes):
        network = Linear(tiny_checkpoint.material.image_shape)
        network.weight.data *= torch.tensor(weights)[:, None, None]
        settings = tiny_checkpoint.material.settings.model_copy(update=changes)
        material = dataclasses.replace(tiny_checkpoint.material, settings=settings)
        found = dataclasses.replace(tiny_checkpoint, material=material, _after=network)
        monkeypatch.setattr(module, "open_checkpoint", lambda path, **_: found)
        return faithfulness("run", n_clips=2, n_steps=1, checks=False, device="cpu", progress=False)

    means = [row["mean"] for row in rows(measured([1.0, 1.0, 0.0]), "channels").values()]
    assert 0 < abs(means[0]) < 1
    assert means[1:] == [0, 0]  # nothing is said of the third
    assert not rows(measured([1.0, 1.0, 1.0], features="log-mel"), "channels")


class Kinked(Linear):
    """The same from a threshold on, which one of three clips meets on its path: few steps miss the kink."""

    def forward(self, x):
        return torch.relu(super().forward(x) - 0.3) * 5


@pytest.fixture
def kinked(tiny_checkpoint, monkeypatch):
    found = dataclasses.replace(tiny_checkpoint, _after=Kinked(tiny_checkpoint.material.image_shape))
    monkeypatch.setattr(module, "open_checkpoint", lambda path, **_: found)
    monkeypatch.setattr(module, "forgetting", lambda *_: ())
    return functools.partial(faithfulness, "run", n_clips=3, device="cpu", progress=False)


def test_each_clip_takes_the_steps_it_needs(kinked, monkeypatch):
    params = kinked(checks=False).params
    assert params["steps"] == [32, 64, 32]
    assert max(params["gaps"]) <= params["tolerance"] == 0.01
    assert (params["n_steps"], params["n_not_reached"]) == (None, 0)
    monkeypatch.setattr(module, "_MAX_STEPS", 32)
    params = kinked(checks=False).params
    assert params["steps"] == [32, 32, 32]
    assert params["n_not_reached"] == 1
    assert params["gaps"][1] > 0.01  # kept as it is
    monkeypatch.setattr(module, "_MAX_STEPS", 5)
    assert kinked(checks=False).params["steps"] == [5, 5, 5]
    params = kinked(checks=False, n_steps=200).params  # asked for: no limit holds
    assert (params["steps"], params["n_steps"], params["n_not_reached"]) == ([200, 200, 200], 200, 0)


@pytest.mark.parametrize(("asked", "compared"), [(None, 32), (64, 32), (2, 2)])
def test_sensitivity_takes_each_clips_own_steps_and_the_other_checks_few(asked, compared, kinked, monkeypatch):
    taken = []

    def spy(*args, n_steps, **options):
        taken.append(n_steps)
        return path.integrated_gradients(*args, n_steps=n_steps, **options)

    monkeypatch.setattr(module, "integrated_gradients", spy)
    monkeypatch.setattr(module, "_RADIUS", 0.0)
    monkeypatch.setattr(module, "_N_MOVES", 1)
    record = kinked(n_steps=asked)
    own = [32, 64, 32] if asked is None else [asked] * 3
    assert taken == [asked, *own, *[compared] * 3]  # its map, sensitivity by clip, three other baselines
    assert rows(record, "sensitivity")[IG]["mean"] < 1e-4  # nothing moved, and the error is the same


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


def test_its_figure_says_steps_and_gaps_and_draws_old_records(record):
    def shown(changes, without=()):
        params = {name: value for name, value in {**record.params, **changes}.items() if name not in without}
        figure = Figure()
        axes = draw(dataclasses.replace(record, params=params), figure=figure)
        return axes, " ".join(figure.get_supxlabel().split())

    axes, note = shown({"steps": [64, 32, 128], "gaps": [0.001, 0.01, 0.02]})
    assert "from silence, 32 to 128 steps; completeness gap at most 1 % in 2 of 3 clips." in note
    names = [label.get_text() for label in axes[1].get_yticklabels()]
    assert names[::-1][3:6] == ["map, 25 ms and 50 ms", "map, 25 ms and 100 ms", "map, 50 ms and 100 ms"]
    old = ("steps", "tolerance", "max_steps", "n_not_reached")
    assert "from silence, 2 steps; completeness gap at most 1 % in" in shown({}, without=old)[1]


def test_a_network_that_was_cut_forgets_as_it_is(tiny_checkpoint, monkeypatch):
    model = copy.deepcopy(tiny_checkpoint.after())
    model.cut("block2", seed=0)
    found = dataclasses.replace(tiny_checkpoint, _after=model)
    monkeypatch.setattr(module, "open_checkpoint", lambda path, **_: found)
    record = faithfulness("run", n_clips=2, n_steps=1, device="cpu", progress=False)
    assert list(rows(record, "randomisation")) == ["head", "block2", "block1", "stem"]
