"""Points: which trial each is, and which coincide."""

import pytest

from tlprobe.backbones.partition import Partition
from tlprobe.errors import ParameterError
from tlprobe.studies.points import Point, TrialKind, canonical, points_of

BLOCK_NAMES = ("stem", "block1", "block2", "block3", "block4")
PARTS = Partition(by="params", parts=3)


@pytest.mark.parametrize(
    ("point", "trial"),
    [
        (Point("full"), TrialKind("full")),
        (Point("random"), TrialKind("random")),
        (Point("fuse", "none"), TrialKind("random")),
        (Point("fuse", "stem"), TrialKind("fuse", ("stem",), "random")),
        (Point("fuse", "block1"), TrialKind("fuse", ("stem", "block1"), "random")),
        (Point("fuse", "block4"), TrialKind("full")),
        (Point("fuse", "block3", "suffix"), TrialKind("fuse", ("block3", "block4"), "random")),
        (Point("fuse", "stem", "suffix"), TrialKind("full")),
        (Point("fuse", "none", "suffix"), TrialKind("random")),
        (Point("fuse", "block2", "single"), TrialKind("fuse", ("block2",), "random")),
        (Point("fuse", "block2", "except"), TrialKind("fuse", ("stem", "block1", "block3", "block4"), "random")),
        (Point("fuse", "none", "except"), TrialKind("full")),
        (Point("fuse", "none", rest="matched"), TrialKind("fuse", (), "matched")),  # not what the random network is
        (Point("fuse", "block4", rest="shuffled"), TrialKind("full")),
        (Point("fuse", "part2", partition=PARTS), TrialKind("fuse", ("part1", "part2"), "random", PARTS)),
        (Point("fuse", "part3", partition=PARTS), TrialKind("full")),
        (Point("freeze", "none"), TrialKind("full")),
        (Point("freeze", "stem"), TrialKind("freeze", ("stem",))),
        (Point("freeze", "block4"), TrialKind("freeze", BLOCK_NAMES)),  # only the head is trained: no other does that
        (Point("freeze", "block3", "single"), TrialKind("freeze", ("block3",))),
        (Point("freeze", "none", "except"), TrialKind("freeze", BLOCK_NAMES)),
        (Point("freeze", "part1", "except", partition=PARTS), TrialKind("freeze", ("part2", "part3"), None, PARTS)),
        (Point("cutoff", "stem"), TrialKind("cutoff", ("stem",))),
        (Point("cutoff", "block3"), TrialKind("cutoff", BLOCK_NAMES[:4])),
        (Point("cutoff", "block4"), TrialKind("full")),
    ],
)
def test_which_trial_a_point_is(point, trial):
    assert canonical(point, block_names=BLOCK_NAMES) == trial


def test_all_prefix_sweeps_together_are_fifteen_trials():
    points = [item for sweep in ("fuse", "freeze", "cutoff") for item in points_of(sweep, block_names=BLOCK_NAMES)]
    assert len(points) == 17
    assert len({canonical(point, block_names=BLOCK_NAMES) for point in points}) == 15


def test_the_four_shapes_of_fusion_share_what_coincides():
    """6 points a shape; the ends coincide, and so do the first and the last block with their complements."""
    points = [
        item
        for shape in ("prefix", "suffix", "single", "except")
        for item in points_of("fuse", block_names=BLOCK_NAMES, shape=shape)
    ]
    assert len(points) == 24
    trials = {canonical(point, block_names=BLOCK_NAMES) for point in points}
    # prefixes stem..block3 (4), suffixes block1..block4 (4), singles block1..3 (3), all but block1..3 (3), two levels
    assert len(trials) == 4 + 4 + 3 + 3 + 2


@pytest.mark.parametrize(
    ("point", "said"),
    [
        (
            Point("fuse", "block5"),
            "upto='block5' names no block; choose from none, stem, block1, block2, block3, block4",
        ),
        (Point("fuse", "block5", "suffix"), "from='block5' names no block; choose from none, stem"),
        (Point("freeze", "block5", "single"), "only='block5' names no block; choose from none, stem"),
        (Point("freeze", "stem", partition=PARTS), "upto='stem' names no block; choose from none, part1, part2, part3"),
        (Point("freeze", "stem", "middle"), "shape='middle' is unknown; choose from prefix, suffix, single, except"),
        (Point("cutoff", "none"), "after='none' names no block; choose from stem, block1, block2, block3, block4"),
    ],
)
def test_a_block_that_is_no_value_of_the_sweep(point, said):
    with pytest.raises(ParameterError, match=said):
        canonical(point, block_names=BLOCK_NAMES)


@pytest.mark.parametrize("kind", [{"shape": "suffix"}, {"partition": PARTS}])
def test_a_network_is_cut_after_named_blocks_only(kind):
    with pytest.raises(ParameterError, match="shape and partition are of fuse and freeze"):
        points_of("cutoff", block_names=BLOCK_NAMES, **kind)


def test_values_rise_with_what_is_selected():
    def values(shape):
        return [point.block for point in points_of("fuse", block_names=BLOCK_NAMES, shape=shape)]

    assert values("prefix") == ["none", *BLOCK_NAMES]
    assert values("suffix") == [*BLOCK_NAMES, "none"]
    assert values("single") == values("except") == ["none", *BLOCK_NAMES]
    assert [point.block for point in points_of("cutoff", block_names=BLOCK_NAMES)] == list(BLOCK_NAMES)
