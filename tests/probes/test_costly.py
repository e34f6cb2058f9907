"""Records of costly treatments: what is read from them, and what does not fit is an error or a note."""

import numpy as np
import pytest

from tlprobe.errors import ParameterError
from tlprobe.probes.costly import Wanted, read_treatments
from tlprobe.records import Record

BLOCKS = ("stem", "block1", "block2", "block3", "block4")
WANTED = Wanted("lite", "imagenet", "log-mel3", BLOCKS, "abc")
LEVEL = {"sweep": "full", "block": None, "shape": None, "partition": None, "accuracy": 0.8}


def rows(sweep, values, *, blocks=BLOCKS, **other):
    own = {"sweep": sweep, "shape": "prefix", "partition": None, "backbone": "lite", "start": "imagenet"}
    own |= {"features": "log-mel3", "n": 400, **other}
    ends = [(None, None) if value is None else (value - 0.02, value + 0.02) for value in values]
    return [
        {**own, "block": block, "accuracy": value, "ci_low": low, "ci_high": high}
        for block, value, (low, high) in zip(blocks, values, ends, strict=True)
    ]


CUT = rows("cutoff", [0.1, 0.2, 0.4, 0.7, 0.8])
FROZEN = rows("freeze", [0.8, 0.8, 0.79, 0.75, 0.6, 0.5], blocks=("none", *BLOCKS))


def cells(*found, data="abc"):
    return Record("cells", {"folds": [1, 2]}, [LEVEL, *found], {"data": {"hash": data}})


def read(record, wanted=WANTED):
    return read_treatments(record, wanted, name="study")


def test_both_sweeps_of_a_study_are_read_and_nothing_frozen_is_no_block():
    (cut, frozen), notes = read(cells(*CUT, *FROZEN))
    assert notes == []
    assert (cut.sweep, frozen.sweep, cut.folds) == ("cutoff", "freeze", [1, 2])
    assert cut.blocks == frozen.blocks == list(BLOCKS)
    assert frozen.accuracy.tolist() == [0.8, 0.79, 0.75, 0.6, 0.5]
    assert cut.rows[1] == {"block": "block1", "value": 0.2, "low": 0.2 - 0.02, "high": 0.2 + 0.02, "n": 400}


def test_blocks_are_in_the_networks_order():
    (cut,), _ = read(cells(*CUT[::-1]))
    assert cut.blocks == list(BLOCKS)


def test_the_record_of_a_verb_will_do():
    renamed = [{**row, "init": row["start"], "fold": 3} for row in CUT]
    own = [
        {name: value for name, value in row.items() if name not in ("sweep", "start", "features")} for row in renamed
    ]
    params = {"image": {"features": "log-mel3"}}
    (cut,), notes = read(Record("cutoff", params, [{"block": None}, *own], {"data": {"hash": "abc"}}))
    assert (cut.sweep, cut.accuracy.tolist(), cut.folds, notes) == ("cutoff", [0.1, 0.2, 0.4, 0.7, 0.8], [3], [])


def test_draws_are_as_wide_as_the_intervals():
    (cut,), _ = read(cells(*CUT[:4], {**CUT[4], "ci_low": None, "ci_high": None}))
    drawn = cut.draws(4000, rng=np.random.default_rng(0))
    np.testing.assert_allclose(drawn.mean(0), cut.accuracy, atol=1e-3)
    np.testing.assert_allclose(drawn.std(0), [0.0102] * 4 + [0], rtol=0.05, atol=1e-12)


def test_what_is_not_looked_at_is_noted():
    single = rows("freeze", [0.5] * 5, shape="single")
    fused = rows("fuse", [0.5] * 5)
    _, notes = read(cells(*CUT, *single, *fused, data="12345678"))
    assert notes == [
        "study: 10 rows of other sweeps or networks are not looked at",
        "study is of other data (12345678) than the scores (abc)",
    ]
    (cut,), notes = read(cells(*CUT[:3], {**CUT[3], "accuracy": None}))
    assert cut.blocks == list(BLOCKS[:3])
    assert notes == ["study has no cutoff accuracy of block3, block4"]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (Record("svcca", {}, [], {}), "study is a record of svcca; choose one of cells, cutoff, freeze"),
        (cells(), "study has no accuracies frozen up to a block or cut after it; it has no sweep"),
        (cells(*rows("freeze", [0.5] * 5, shape="single")), r"it has freeze \(single\)"),
        (
            cells(*rows("cutoff", [0.5] * 5, start="random")),
            "is of lite from random on log-mel3; the scores are of lite",
        ),
        (cells(*rows("cutoff", [0.5] * 5, backbone="dense")), "is of dense from imagenet on log-mel3; the scores"),
        (cells(*rows("cutoff", [0.5] * 5, features="mfcc")), "is of lite from imagenet on mfcc; the scores"),
        (cells(*CUT, {**CUT[0], "block": "part1"}), "study has part1; the scores are of stem, block1"),
        (cells(*CUT, CUT[2]), "study has several cutoff rows of block2; one a block can be ranked"),
        (cells(*CUT[:2]), "study has cutoff accuracies of 2 blocks; at least 3 are needed"),
    ],
)
def test_what_does_not_fit_is_refused(record, message):
    with pytest.raises(ParameterError, match=message):
        read(record)
