"""Which rows stand side by side, and what is kept when memory is short."""

import numpy as np
import pytest
from torch import nn

from tlprobe.errors import ParameterError, ResourceError
from tlprobe.probes import pairing as module
from tlprobe.probes.capture import Layer
from tlprobe.probes.pairing import Spot, kept_positions, pair_up, require_room_for_moments, share_memory


def spot(name="a", network=0):
    return Spot(network, Layer(name, "stem", nn.Identity()))


def pairing(shape_x, shape_y=None, *, conv="positions", n_clips=100, n_positions=None, seed=0):
    return pair_up(
        spot("x"),
        spot("y", 1),
        shapes=(shape_x, shape_y or shape_x),
        conv=conv,
        n_clips=n_clips,
        n_positions=n_positions,
        seed=seed,
    )


@pytest.mark.parametrize(
    ("conv", "shape_x", "shape_y", "rows", "d", "name", "grid"),
    [
        ("positions", (8, 4, 6), (8, 4, 6), 24, (8, 8), "positions", (4, 6)),
        ("positions", (8, 4, 6), (16, 8, 3), 12, (8, 16), "positions, pooled to 4 x 3", (4, 3)),
        ("pool", (8, 4, 6), (16, 2, 3), 1, (8, 16), "pool", None),
        ("flatten", (8, 4, 6), (8, 4, 6), 1, (192, 192), "flatten", (4, 6)),
        ("flatten", (8, 4, 6), (16, 2, 3), 1, (48, 96), "flatten, pooled to 2 x 3", (2, 3)),
    ],
)
def test_how_maps_become_rows_is_chosen_and_named(conv, shape_x, shape_y, rows, d, name, grid):
    found = pairing(shape_x, shape_y, conv=conv)
    assert (found.x.n_positions, found.y.n_positions) == (rows, rows)
    assert (found.x.d, found.y.d) == d
    assert found.conv == name
    assert found.x.reduce == found.y.reduce
    assert found.x.reduce.grid == grid


def test_the_gram_side_is_for_fewer_samples_than_features():
    assert pairing((500, 1, 1)).by_gram
    assert not pairing((50, 1, 1)).by_gram
    assert not pairing((500, 8, 8)).by_gram
    assert pairing((50, 8, 8), conv="flatten").by_gram


def test_a_draw_of_positions_is_seeded_and_the_same_on_both_sides():
    found = pairing((8, 10, 10), n_positions=7)
    assert found.conv == "positions, 7 of 100"
    assert found.x.n_positions == 7
    assert found.x.reduce.keep == found.y.reduce.keep
    assert len(set(found.x.reduce.keep)) == 7
    assert pairing((8, 10, 10), n_positions=7).x.reduce.keep == found.x.reduce.keep
    assert pairing((8, 10, 10), n_positions=7, seed=1).x.reduce.keep != found.x.reduce.keep
    assert pairing((8, 10, 10), n_positions=100).conv == "positions"


def test_all_rows_are_kept_where_they_fit():
    found = pairing((8, 10, 10))
    room = share_memory([found], n_clips=100, memory=2 * 100 * 100 * 8 * 4, with_null=True)
    assert room == {found.x: 100, found.y: 100}
    assert share_memory([found], n_clips=100, memory=1, with_null=False) == {}


def test_short_memory_is_shared_so_that_small_layers_stay_whole():
    small, large = pairing((8, 2, 2)), pairing((64, 30, 30))
    whole = sum(100 * view.n_positions * view.d * 4 for p in (small, large) for view in (p.x, p.y))
    room = share_memory([small, large], n_clips=100, memory=whole // 4, with_null=True)
    used = sum(100 * n * view.d * 4 for view, n in room.items())
    assert room[small.x] == room[small.y] == 4
    assert 0 < room[large.x] < 900
    assert whole // 4 * 0.95 < used <= whole // 4
    one_each = 2 * 100 * (8 + 64) * 4
    assert set(share_memory([small, large], n_clips=100, memory=one_each, with_null=True).values()) == {1}
    with pytest.raises(ParameterError, match="not even one position of each layer fits into --memory"):
        share_memory([small, large], n_clips=100, memory=one_each - 1, with_null=True)


def test_rows_of_the_gram_side_come_first_and_are_never_cut():
    gram, large = pairing((2000, 1, 1)), pairing((64, 30, 30))
    need = 2 * 100 * 2000 * 4
    room = share_memory([large, gram], n_clips=100, memory=need + 1000 * 64 * 4, with_null=True)
    assert room[gram.x] == 1
    assert room[large.x] < 900
    with pytest.raises(ParameterError, match=r"take 0.00149 GiB; --memory is 0.00149"):
        share_memory([gram], n_clips=100, memory=need - 1, with_null=False)


def test_more_products_than_the_machine_holds_are_refused(monkeypatch):
    pairs = [pairing((64, 30, 30))] * 10
    need = 10 * 3 * 64**2 * 8 * 4
    monkeypatch.setattr(module, "_physical_memory", lambda: 2 * need)
    require_room_for_moments(pairs, n_groups=4)
    with pytest.raises(ResourceError, match="products of 10 pairs of layers take"):
        require_room_for_moments(pairs, n_groups=5)
    monkeypatch.setattr(module, "_physical_memory", lambda: None)
    require_room_for_moments(pairs, n_groups=500)
    monkeypatch.undo()
    assert module._physical_memory() > 2**28


def test_views_that_keep_different_numbers_share_the_first_ones():
    found = pairing((8, 10, 10))
    few, many, all_of_them = (kept_positions(found.x, n, seed=3) for n in (5, 20, 100))
    np.testing.assert_array_equal(few, many[:5])
    np.testing.assert_array_equal(many, all_of_them[:20])
    assert sorted(all_of_them) == list(range(100))
