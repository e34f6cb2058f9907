"""What says whether a map is good: exact where the network is a sum over patches, and by hand elsewhere."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from tlprobe.backbones.registry import build
from tlprobe.probes.attribution.curves import N_POINTS, area, insertion_and_deletion
from tlprobe.probes.attribution.fidelity import changes, sensitivity, unexplained, unexplained_beyond_number
from tlprobe.probes.attribution.nulls import edge_map, energy_map, null_maps, rank_correlation, rank_correlations
from tlprobe.probes.attribution.patches import PATCH, patch_numbers, patch_sums, without
from tlprobe.probes.attribution.path import integrated_gradients
from tlprobe.probes.attribution.randomise import forgetting

SHAPE = (3, 20, 35)  # 3 x 4 patches, the last ones smaller


class Linear(nn.Module):
    """Two logits, a linear map of the image and its negative."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)) / 40)

    def forward(self, x):
        value = torch.einsum("bchw,chw->b", x, self.weight)
        return torch.stack([value, -value], dim=1)


@pytest.fixture
def clip():
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def baseline():
    return torch.full(SHAPE, -1.0)


@pytest.fixture
def scores(clip, baseline):
    """Of Integrated Gradients on the linear network."""
    found = integrated_gradients(Linear(), clip[None], baselines=baseline[None, None], columns=[0])
    return patch_sums(found.attributions.sum(axis=1))[0]


def test_patches_by_hand():
    numbers = patch_numbers(20, 35)
    assert PATCH == (8, 10)
    assert [numbers[0, 0], numbers[7, 9], numbers[8, 0], numbers[0, 10], numbers[19, 34]] == [0, 0, 4, 1, 11]
    assert np.bincount(numbers.ravel()).tolist() == [80, 80, 80, 40] * 2 + [40, 40, 40, 20]
    assert patch_sums(np.ones((2, 20, 35))).tolist() == [[80, 80, 80, 40] * 2 + [40, 40, 40, 20]] * 2


def test_patches_are_replaced_on_all_channels(clip, baseline):
    gone = np.zeros((2, 12), bool)
    gone[1, 5] = True
    copies = without(clip, baseline, gone, patch_numbers(20, 35))
    assert torch.equal(copies[0], clip)
    changed = (copies[1] != clip).numpy()
    assert changed[:, 8:16, 10:20].all()
    assert changed.sum() == 3 * 80
    assert (copies[1][:, 8:16, 10:20] == -1).all()


def test_curves_of_a_linear_network_by_hand(clip, baseline, scores):
    curves = insertion_and_deletion(Linear(), clip, baseline, scores=scores, column=0, batch=7)
    model, order = Linear(), np.argsort(-scores, kind="stable")
    numbers = patch_numbers(20, 35)
    for point in range(N_POINTS):
        n = round(point / (N_POINTS - 1) * 12)
        is_first = torch.from_numpy(np.isin(numbers, order[:n]))
        for row, image in enumerate((torch.where(is_first, clip, baseline), torch.where(is_first, baseline, clip))):
            expected = torch.softmax(model(image[None]), 1)[0, 0].item()
            assert curves[row, point] == pytest.approx(expected, abs=1e-6)
    assert curves[0, -1] == pytest.approx(curves[1, 0])  # all patches, or none gone: the clip
    assert (np.diff(curves[0][: (scores > 0).sum()]) >= -1e-6).all()  # what helps comes first


def test_no_ranking_beats_the_exact_one_on_a_linear_network(clip, baseline, scores):
    def areas(values):
        both = insertion_and_deletion(Linear(), clip, baseline, scores=values, column=0, batch=64)
        return area(both[0]), area(both[1])

    best = areas(scores)
    for seed in range(10):
        insertion, deletion = areas(np.random.default_rng(seed).permutation(scores))
        assert insertion <= best[0] + 1e-9
        assert deletion >= best[1] - 1e-9


def test_a_linear_network_is_explained_whatever_the_scale(clip, baseline, scores):
    rng = np.random.default_rng(0)
    gone, lost = changes(Linear(), clip, baseline, column=0, n=50, rng=rng, batch=16)
    np.testing.assert_allclose(gone @ scores, lost, atol=1e-4)
    assert 0.05 < gone.mean() < 0.6
    for factor in (1.0, 3.0, 1e-3):
        assert unexplained(factor * scores, gone, lost) < 1e-6
    assert unexplained(-scores, gone, lost) == 1
    assert unexplained(np.random.default_rng(1).permutation(scores), gone, lost) > 0.05


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3), st.lists(st.floats(-5, 5), min_size=4, max_size=4))
def test_what_is_unexplained_is_a_share(scores, lost):
    gone = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 1, 1]], bool)
    value = unexplained(scores, gone, lost)
    assert 0 <= value <= 1
    if any(lost) and (gone @ np.array(scores)).any():  # a slow twin: the best factor by least squares
        said, y = gone @ np.array(scores), np.array(lost)
        said, y = said / np.abs(said).max(), y / np.abs(y).max()
        if said @ said > 1e-12 and y @ y > 1e-12:
            factor = max(np.linalg.lstsq(said[:, None], y, rcond=None)[0][0], 0)
            assert value == pytest.approx(np.square(factor * said - y).sum() / (y @ y), abs=1e-6)


def test_nothing_said_and_nothing_lost():
    gone = np.eye(3, dtype=bool)
    assert unexplained([0, 0, 0], gone, [1.0, 2.0, 0.0]) == 1.0
    assert unexplained([1, 2, 3], gone, [0.0, 0.0, 0.0]) == 0.0


PAIRS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], bool)  # one gone, then two


def test_what_the_number_does_not_explain_by_hand():
    # Said, less its mean at one gone and at two: (1, 0, -1, 1, 0, -1); lost: (0, 0, 0, 1, 0, -1). cos^2 = 4 / (4 * 2).
    lost = [5, 5, 5, 9, 8, 7]
    assert unexplained_beyond_number([3, 2, 1], PAIRS, lost) == pytest.approx(0.5)
    assert unexplained_beyond_number([1, 2, 3], PAIRS, lost) == 1  # the contrary explains nothing
    assert unexplained_beyond_number([1, 3, 1], PAIRS, lost) == pytest.approx(1)  # (-2, 4, -2, 2, -4, 2) / 3: cos is 0


def test_it_is_the_textbooks_partial_correlation():
    gone = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 1]], bool)
    said, lost, number = [1, 2, 3, 6], [0, 0, -1, 0], [1, 1, 2, 3]
    (_, ab, ac), (_, _, bc), _ = np.corrcoef([said, lost, number])
    r = (ab - ac * bc) / np.sqrt((1 - ac**2) * (1 - bc**2))
    assert 0.3 < r < 0.95
    assert unexplained_beyond_number([1, 2, 3], gone, lost) == pytest.approx(1 - r**2)


@pytest.mark.parametrize("score", [1.0, 0.1, -7.3, 1e-9, 1e9, 0.0])
def test_equal_scores_explain_nothing_beyond_the_number(score):
    rng = np.random.default_rng(3)
    gone = rng.random((100, 400)) < rng.uniform(0.05, 0.6, size=(100, 1))
    lost = gone @ rng.random(400)
    assert unexplained_beyond_number(np.full(400, score), gone, lost) == 1.0
    if score > 0:
        assert unexplained(np.full(400, score), gone, lost) < 0.01  # though they seem to explain nearly all


def test_the_true_effects_explain_all_whatever_is_added_to_them():
    rng = np.random.default_rng(4)
    gone, effects = rng.random((100, 50)) < rng.uniform(0.05, 0.6, size=(100, 1)), rng.normal(size=50)
    for scores in (effects, 3 * effects, 1e-6 * effects, effects + 5):
        assert unexplained_beyond_number(scores, gone, gone @ effects) < 1e-10
    assert unexplained_beyond_number(-2 * effects - 1, gone, gone @ effects) == 1
    other = rng.normal(size=50)
    value = unexplained_beyond_number(other, gone, gone @ effects)
    assert 0.5 < value < 1
    for scores in (3 * other, 1e-6 * other, other + 5, 0.1 * other - 1):
        assert unexplained_beyond_number(scores, gone, gone @ effects) == pytest.approx(value, abs=1e-9)


def test_nothing_lost_beyond_the_number_comes_first():
    rng = np.random.default_rng(5)
    gone = rng.random((100, 50)) < 0.4
    for lost in (0.1 * gone.sum(axis=1) + 0.3, np.full(100, 0.1), np.zeros(100)):
        for scores in (rng.normal(size=50), np.full(50, 0.1), np.zeros(50)):
            assert unexplained_beyond_number(scores, gone, lost) == 0.0
    assert unexplained_beyond_number([1.0, 2.0], [[True, False]] * 3, [1.0, 2.0, 4.0]) == 1.0  # always the same gone


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6))
def test_what_is_unexplained_beyond_the_number_is_a_share(scores, lost):
    assert 0 <= unexplained_beyond_number(scores, PAIRS, lost) <= 1


def test_sensitivity_by_hand():
    x = torch.ones(3, 4, 5)
    found = np.ones((3, 4, 5), np.float32)
    assert sensitivity(lambda image: np.ones((1, 3, 4, 5), np.float32), x, found, radius=0.1, n=3, seed=0) == 0
    doubled = sensitivity(lambda image: np.full((1, 3, 4, 5), 3.0, np.float32), x, found, radius=0.1, n=1, seed=0)
    assert doubled == pytest.approx(2.0)
    moved = sensitivity(lambda image: image.numpy(), x, found, radius=0.1, n=20, seed=0)
    assert 0.05 < moved < 0.07  # of uniform noise within 0.1: its rms, 0.058
    zeros = np.zeros((3, 4, 5), np.float32)
    assert sensitivity(lambda image: zeros[None], x, zeros, radius=0.1, n=1, seed=0) == 0
    assert sensitivity(lambda image: found[None], x, zeros, radius=0.1, n=1, seed=0) == float("inf")


def test_energy_and_edges_by_hand():
    image = np.full((1, 3, 6, 7), -13.0)
    image[:, :, 2:4, 3:] = 2.0
    energy = energy_map(image, np.full((3, 6, 7), -13.0))
    assert (energy[0, 2:4, 3:] == 15).all()
    assert energy.sum() == 15 * 8
    edges = edge_map(image)[0]
    assert edges[0, 0] == edges[5, 0] == 0
    assert edges[2, 2] > 0
    assert edges[2, 5] == pytest.approx(4 * 15)  # along its upper edge: the rows differ, the columns do not
    names = ["a.wav", "b.wav"]
    both = null_maps(np.concatenate([image, image]), np.zeros((3, 6, 7)), names=names, seed=0)
    alone = null_maps(image, np.zeros((3, 6, 7)), names=["b.wav"], seed=0)
    np.testing.assert_array_equal(both["random"][1], alone["random"][0])
    assert not np.array_equal(both["random"][0], both["random"][1])


def test_maps_that_share_nothing_but_silence_do_not_agree():
    rng = np.random.default_rng(0)
    first, second = np.abs(rng.normal(size=(2, 5, 32, 100)))
    first[:, :, 40:] = second[:, :, 40:] = 0  # attributions from silence, on padding
    sounding = np.tile(np.arange(100) < 40, (5, 1))
    assert np.mean([rank_correlation(a, b) for a, b in zip(first, second, strict=True)]) > 0.6
    assert abs(np.mean(rank_correlations(first, second, sounding))) < 0.05
    assert rank_correlations(first, first, sounding) == pytest.approx([1] * 5)
    assert rank_correlations(first, second, np.zeros((5, 100), bool)) == [0] * 5


def test_rank_correlation_is_spearmans_and_0_of_a_constant():
    a, b = np.random.default_rng(0).normal(size=(2, 5, 6))
    assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a.ravel(), b.ravel()).statistic)
    assert rank_correlation(a, np.exp(a)) == pytest.approx(1)
    assert rank_correlation(np.zeros(9), np.arange(9)) == 0


def test_a_network_forgets_from_the_head_down_and_the_map_changes():
    shape = (3, 64, 64)
    model, random = (build("timm/test_efficientnet", n_classes=3, seed=s, image_shape=shape).eval() for s in (0, 1))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    x = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    own, other = model.state_dict(), random.state_dict()
    maps, names = [], []
    for name, network in forgetting(model, random):
        names.append(name)
        now = network.state_dict()
        for key, tensor in now.items():
            part = key.split(".")[1] if key.startswith("blocks.") else "head"
            source = other if part in names else own
            assert torch.equal(tensor, source[key]), key
        network.requires_grad_(False)
        maps.append(integrated_gradients(network, x, baselines=torch.zeros(1, 1, *shape), columns=[0]).attributions)
    assert names == ["head", "block4", "block3", "block2", "block1", "stem"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    for first, second in itertools.pairwise(maps):
        assert np.abs(first - second).max() > 1e-6
