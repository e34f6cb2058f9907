import itertools

import pytest
from matplotlib.figure import Figure

from tlprobe.plots.layers import layer_axis, layers_of


def row(layer, block, run="a", **more):
    return {"run": run, "layer": layer, "block": block, **more}


@pytest.fixture
def ax():
    return Figure(figsize=(3.25, 2.4)).subplots()


def rows_of(sizes):
    return [row(f"{block}.{k}", block) for block, size in sizes.items() for k in range(size)]


def test_one_layer_a_block_stands_at_its_block_whatever_its_name():
    rows = [row("stem.2", "stem"), row("b1.5", "block1"), row("conv1", "stem", "b"), row("layer1", "block1", "b")]
    layers = layers_of(rows[::-1], {"blocks": ["stem", "block1"], "layers": ["other"]})
    assert layers.are_blocks
    assert layers.blocks == ("stem", "block1")
    assert [layers.place_of(each) for each in rows] == [0, 1, 0, 1]


def test_several_layers_a_block_stand_in_the_order_of_the_params():
    rows = [row("c", "block1"), row("a", "stem"), row("b", "block1")]
    layers = layers_of(rows, {"layers": ["a", "x", "b", "c"]})
    assert not layers.are_blocks
    assert (layers.place, layers.blocks) == ({"a": 0, "b": 1, "c": 2}, ("stem", "block1", "block1"))


def test_the_other_side_of_a_pair_has_layers_of_its_own():
    rows = [row("a", "stem", layer_y=y, block_y="stem") for y in ("p", "q")]
    assert layers_of(rows, {}, side="_y").place == {"p": 0, "q": 1}
    assert layers_of(rows, {}).place == {"a": 0}


def test_blocks_are_named_in_the_middle_of_their_layers_between_lines(ax):
    layer_axis(ax, layers_of(rows_of({"stem": 10, "block1": 30, "block2": 20}), {}))
    assert list(ax.get_xticks()) == [4.5, 24.5, 49.5]
    assert [line.get_xdata()[0] for line in ax.lines] == [9.5, 39.5]
    assert ax.get_xlim() == (-0.5, 59.5)


@pytest.mark.parametrize("sizes", [(1, 13, 25, 97, 65), (1, 1, 1, 1, 196), (40, 40, 40, 40, 40), (2, 2, 2, 2, 2)])
def test_names_do_not_touch_each_other(ax, sizes):
    names = ["stem", *(f"block{k}" for k in range(1, 5))]
    layers = layers_of(rows_of(dict(zip(names, sizes, strict=True))), {})
    layer_axis(ax, layers)
    layer_axis(ax, layers, axis="y")
    ax.figure.draw_without_rendering()
    assert [label.get_text().strip() for label in ax.get_xticklabels()] == names
    named = [label for label in ax.get_yticklabels() if label.get_text()]
    assert len(named) >= 2
    lines = {}
    for label in ax.get_xticklabels():
        lines.setdefault(label.get_text().count("\n"), []).append(label)
    for on_line in (named, *lines.values()):
        boxes = [label.get_window_extent() for label in on_line]
        assert not any(first.padded(-1).overlaps(second) for first, second in itertools.pairwise(boxes))


def test_long_names_of_blocks_are_shortened(ax):
    layer_axis(ax, layers_of(rows_of({"a" * 50: 30, "b" * 50: 30}), {}))
    assert max(len(label.get_text()) for label in ax.get_xticklabels()) <= 16
