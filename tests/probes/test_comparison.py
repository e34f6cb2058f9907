"""One pass over several networks: against plain similarities of all activations, by hand."""

import numpy as np
import pytest
import torch

from tlprobe.backbones.registry import build
from tlprobe.data.loader import Standardiser
from tlprobe.errors import ParameterError
from tlprobe.numerics.jackknife import deal_groups, jackknife_interval
from tlprobe.numerics.permutation import derangement
from tlprobe.numerics.seeds import derive_seed
from tlprobe.numerics.similarity import MEASURES, similarity
from tlprobe.probes import comparison
from tlprobe.probes.capture import find_layers
from tlprobe.probes.comparison import Clips, Network, compare
from tlprobe.probes.estimates import Estimate, Settings
from tlprobe.probes.pairing import Spot

SMALL = "timm/test_efficientnet"
SHAPE = (3, 64, 96)
N_CLIPS = 24
BLOCKS = ("stem", "block1", "block2", "block3", "block4")
SOURCES = tuple(f"s{i // 2}" for i in range(N_CLIPS))


@pytest.fixture(scope="module")
def networks():
    """Two networks that see the same images differently standardised."""
    models = [build(SMALL, n_classes=3, seed=seed, image_shape=SHAPE).eval() for seed in (0, 1)]
    return [Network(models[0], Standardiser()), Network(models[1], Standardiser((1.0, 0.5, 0.0), (2.0, 1.0, 1.0)))]


@pytest.fixture(scope="module")
def clips():
    images = np.random.default_rng(0).normal(size=(N_CLIPS + 3, *SHAPE)).astype(np.float32)
    images += np.linspace(0, 2, SHAPE[1])[:, None].astype(np.float32)  # a profile that all clips share
    return Clips(images, np.arange(2, N_CLIPS + 2), SOURCES)


@pytest.fixture(scope="module")
def maps(networks, clips, block_maps):
    """Block -> the maps of both networks, in float64."""
    x = torch.from_numpy(clips.images[clips.index])
    both = [block_maps(network.model, network.standardise(x)) for network in networks]
    return {block: [side[block].double().numpy() for side in both] for block in BLOCKS}


@pytest.fixture
def run(networks, clips):
    def call(*, pairs=None, measures=("svcca",), clips=clips, **changes):
        settings = {
            "variance": 0.99,
            "rule": "squared",
            "conv": "positions",
            "n_positions": None,
            "n_groups": 0,
            "n_permutations": 0,
            "memory": 2**30,
            "seed": 0,
        }
        layers = [find_layers(network.model) for network in networks]
        chosen = pairs or [(i, i) for i in range(5)]
        spots = [(Spot(0, layers[0][i]), Spot(1, layers[1][j])) for i, j in chosen]
        return compare(
            networks,
            spots,
            clips,
            Settings(measures=tuple(measures), **{**settings, **changes}),
            device=torch.device("cpu"),
            title="test",
            progress=False,
        )

    return call


def rows_of(maps):
    return np.moveaxis(maps, 1, -1).reshape(-1, maps.shape[1])


def values(outcomes, name="svcca"):
    return [outcome.estimates[name].value for outcome in outcomes]


TREATMENTS = {
    "positions": rows_of,
    "pool": lambda maps: maps.mean((2, 3)),
    "flatten": lambda maps: maps.reshape(len(maps), -1),
}


@pytest.mark.parametrize("conv", TREATMENTS)
def test_equals_similarity_of_all_activations(run, maps, conv):
    outcomes, _ = run(conv=conv, measures=MEASURES)
    for outcome, block in zip(outcomes, BLOCKS, strict=True):
        x, y = (TREATMENTS[conv](side) for side in maps[block])
        plain = similarity(x, y, measures="all")
        assert (outcome.n, outcome.pairing.x.d, outcome.pairing.y.d) == (plain.n, plain.d_x, plain.d_y)
        assert (outcome.k_x, outcome.k_y) == (plain.k_x, plain.k_y)
        tied = plain.n - 1 < plain.d_x + plain.d_y
        for name in MEASURES:
            tolerance = 1e-2 if tied and name == "pwcca" else 1e-5
            assert outcome.estimates[name].value == pytest.approx(getattr(plain, name), abs=tolerance), name
    assert {outcome.pairing.conv for outcome in outcomes} == {conv}
    assert outcomes[4].pairing.by_gram  # both ways were taken
    assert outcomes[0].pairing.by_gram == (conv == "flatten")


def test_unequal_maps_are_pooled_to_the_smaller(run, maps):
    (outcome,), _ = run(pairs=[(1, 3)], measures=["cka"])
    x, y = maps["block1"][0], maps["block3"][1]
    n, c, h, w = y.shape
    factor = x.shape[2] // h
    pooled = x.reshape(n, -1, h, factor, w, factor).mean((3, 5))
    assert outcome.pairing.conv == f"positions, pooled to {h} x {w}"
    assert outcome.estimates["cka"].value == pytest.approx(
        similarity(rows_of(pooled), rows_of(y), measures="cka").cka, abs=1e-5
    )
    assert (outcome.pairing.x.d, outcome.pairing.y.d) == (x.shape[1], c)


def test_batches_do_not_matter(run, monkeypatch):
    whole, _ = run(measures=("svcca", "cka_debiased"))
    monkeypatch.setattr(comparison, "_BATCH", 5)
    pieces, _ = run(measures=("svcca", "cka_debiased"))
    for name in ("svcca", "cka_debiased"):
        assert values(pieces, name) == pytest.approx(values(whole, name), abs=1e-6)


@pytest.mark.parametrize("conv", ["positions", "pool"])
def test_intervals_leave_out_whole_sources(run, maps, conv):
    outcomes, _ = run(conv=conv, n_groups=4, measures=("svcca", "cka_debiased"))
    groups = deal_groups(SOURCES, 4, seed=derive_seed(0, "groups"))
    for outcome, block in zip(outcomes[1:4], BLOCKS[1:4], strict=True):
        for name, low in (("svcca", 0), ("cka_debiased", -1)):
            deleted = []
            for group in range(4):
                x, y = (TREATMENTS[conv](side[groups != group]) for side in maps[block])
                deleted.append(getattr(similarity(x, y, measures=name), name))
            estimate = outcome.estimates[name]
            expected = jackknife_interval(estimate.value, deleted, low=low)
            assert (estimate.ci_low, estimate.ci_high) == pytest.approx(expected, abs=1e-4)
            assert estimate.ci_low <= estimate.value <= estimate.ci_high


def test_the_null_pairs_different_clips_position_by_position(run, maps):
    """The outcome's clips may stand in any order, so many permutations are compared, not single ones."""
    outcomes, _ = run(n_permutations=200)
    for outcome, block in zip(outcomes[1:3], BLOCKS[1:3], strict=True):
        x, y = maps[block]
        plain = [
            similarity(rows_of(x), rows_of(y[derangement(N_CLIPS, seed=1000 + number)])).svcca for number in range(60)
        ]
        estimate = outcome.estimates["svcca"]
        assert estimate.null == pytest.approx(np.mean(plain), abs=4 * np.std(plain) / np.sqrt(50))
        assert estimate.null_low < estimate.null < estimate.null_high
        assert estimate.null_high - estimate.null_low == pytest.approx(4 * np.std(plain), rel=0.4)
        assert estimate.corrected == pytest.approx((estimate.value - estimate.null) / (1 - estimate.null))


def test_without_permutations_and_groups_there_is_the_value_alone(run):
    outcomes, seconds = run()
    assert {outcome.estimates["svcca"] for outcome in outcomes} == {Estimate(value) for value in values(outcomes)}
    assert {(outcome.n_null, outcome.n_groups) for outcome in outcomes} == {(0, 0)}
    assert all(outcome.estimates["svcca"].corrected is None for outcome in outcomes)
    assert seconds["forward"] > 0
    assert seconds["intervals"] + seconds["nulls"] < seconds["forward"]


def test_short_memory_changes_the_null_alone_and_is_told(run):
    whole, _ = run(n_permutations=20, n_groups=3)
    short, _ = run(n_permutations=20, n_groups=3, memory=1_000_000)
    assert values(short) == values(whole)
    told = [text for outcome in short for text in outcome.warnings if "by --memory" in text]
    assert told
    assert all(outcome.estimates["svcca"].null is not None for outcome in short)
    assert not [text for outcome in whole for text in outcome.warnings if "by --memory" in text]
    large, few = whole[0], short[0]
    assert few.n_null < few.n == large.n == large.n_null
    assert few.estimates["svcca"].null > large.estimates["svcca"].null  # fewer samples: more chance
    assert few.estimates["svcca"].beside_null != few.estimates["svcca"].value


def test_a_draw_of_positions(run, maps):
    outcomes, _ = run(n_positions=10)
    assert outcomes[0].n == N_CLIPS * 10
    assert outcomes[0].pairing.conv == f"positions, 10 of {np.prod(maps['stem'][0].shape[2:])}"
    keep = list(outcomes[0].pairing.x.reduce.keep)
    x, y = (
        rows_of(side).reshape(N_CLIPS, -1, side.shape[1])[:, keep].reshape(-1, side.shape[1]) for side in maps["stem"]
    )
    assert values(outcomes)[0] == pytest.approx(similarity(x, y).svcca, abs=1e-5)


def test_the_order_and_the_identity_of_clips_reach_every_network(run, clips):
    """The same clips in another order give the same numbers; other clips do not."""
    shuffled = Clips(clips.images, clips.index[::-1].copy(), clips.sources[::-1])
    assert values(run(clips=shuffled)[0]) == pytest.approx(values(run()[0]), abs=1e-6)
    others = Clips(clips.images, np.arange(N_CLIPS), clips.sources)
    assert values(run(clips=others)[0]) != pytest.approx(values(run()[0]), abs=1e-6)


def test_a_silent_layer_has_no_value_and_says_why(run, networks, monkeypatch):
    last = find_layers(networks[1].model)[2].module
    handle = last.register_forward_hook(lambda module, inputs, output: output * 0)
    try:
        outcomes, _ = run(n_groups=3, n_permutations=20)
    finally:
        handle.remove()
    assert outcomes[2].estimates["svcca"] == Estimate(None)
    assert outcomes[2].warnings == (f"y constant over all {outcomes[2].n} samples: nothing could correlate",)
    assert outcomes[1].estimates["svcca"].value is not None


@pytest.mark.parametrize("conv", ["positions", "pool"])
def test_two_clips_are_compared_without_an_interval_and_with_what_null_there_is(run, clips, conv):
    two = Clips(clips.images, clips.index[:2], ("a", "b"))
    outcomes, _ = run(clips=two, conv=conv, n_groups=10, n_permutations=20, measures=("svcca", "cka"))
    for outcome in outcomes:
        assert "no interval: without a group of clips, too few are left" in outcome.warnings
        assert "only 1 of 20 permutations of 2 clips differ" in outcome.warnings
        estimate = outcome.estimates["cka"]
        assert estimate.ci_low is None
        assert estimate.null_low == pytest.approx(estimate.null) == estimate.null_high


def test_clips_of_one_source_have_no_interval(run, clips):
    same = Clips(clips.images, clips.index, ("a",) * N_CLIPS)
    outcomes, _ = run(clips=same, n_groups=10, pairs=[(1, 1)])
    assert "no interval: all clips are of one source" in outcomes[0].warnings


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_clips_are_refused(run, clips, n):
    with pytest.raises(ParameterError, match=rf"{n} clip\(s\) to compare networks on; need at least 2"):
        run(clips=Clips(clips.images, clips.index[:n], clips.sources[:n]))


def test_a_null_of_one_leaves_nothing_to_correct():
    assert Estimate(1.0, null=1.0, beside_null=1.0).corrected is None
    assert Estimate(0.2, null=0.6, beside_null=0.2).corrected == pytest.approx(-1.0)
    assert Estimate(0.2, null=0.6).corrected is None
