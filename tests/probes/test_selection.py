"""Which blocks a shape selects, by hand."""

import pytest

from tlprobe.errors import ParameterError
from tlprobe.probes.selection import NONE, SHAPES, select_blocks, sweep_values

NAMES = ("a", "b", "c")


@pytest.mark.parametrize(
    ("shape", "selected"),
    [
        ("prefix", {"a": "a", "b": "ab", "c": "abc", NONE: ""}),
        ("suffix", {"a": "abc", "b": "bc", "c": "c", NONE: ""}),
        ("single", {"a": "a", "b": "b", "c": "c", NONE: ""}),
        ("except", {"a": "bc", "b": "ac", "c": "ab", NONE: "abc"}),
    ],
)
def test_each_value_by_hand(shape, selected):
    assert {value: "".join(select_blocks(NAMES, shape=shape, block=value)) for value in selected} == selected
    assert set(sweep_values(NAMES, shape=shape)) == set(selected)


@pytest.mark.parametrize("block", NAMES)
def test_except_is_what_single_leaves(block):
    single, others = (select_blocks(NAMES, shape=shape, block=block) for shape in ("single", "except"))
    assert sorted(single + others) == list(NAMES)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_names_no_block_is_told(shape):
    with pytest.raises(ParameterError, match=r"='d' names no block; choose from none, a, b, c"):
        select_blocks(NAMES, shape=shape, block="d")
