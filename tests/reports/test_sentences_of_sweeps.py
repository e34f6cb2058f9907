"""The sentences of one sweep: what its paired differences say, and the intervals alone where it has none."""

import pytest

from tlprobe.records import Record
from tlprobe.reports.sentences import steps, sweeps
from tlprobe.reports.sentences.said import said_of


def texts(sentences):
    return " ".join(sentence.text for sentence in sentences)


def trial(treatment, block, accuracy, half=0.02):
    ends = {"ci_low": accuracy - half, "ci_high": accuracy + half}
    return {"treatment": treatment, "block": block, "backbone": "net", "init": "imagenet", "accuracy": accuracy, **ends}


def test_a_sweep_says_where_intervals_lie_apart(fake):
    rows = [
        trial("full", "block2", 0.8),
        trial("random", "none", 0.4),
        trial("fuse", "stem", 0.5),
        trial("fuse", "block1", 0.79),
    ]
    said = texts(sweeps.sweep(Record("fuse", {"shape": "prefix"}, rows, {"data": fake.data})))
    assert "from random weights 40.0 % [38.0 to 42.0]: +40.0 points, and the intervals lie apart" in said
    assert (
        "is different, the intervals lie apart, against the whole one's 80.0 % [78.0 to 82.0]: up to stem 50.0 %"
        in said
    )
    assert "no difference that could be shown, the intervals overlap, against the whole one's 80.0 %" in said
    assert said.endswith("up to block1 79.0 % [77.0 to 81.0].")
    rows[1] = trial("random", "none", 0.78)
    assert "intervals overlap" in texts(sweeps.sweep(Record("fuse", {}, rows, {})))


def test_pairs_are_counted():
    rows = [
        {"backbone": "net", "fold": fold, "seed": 0, "treatment": treatment, "accuracy": accuracy}
        for fold, full, random in ((1, 0.8, 0.5), (2, 0.6, 0.7))
        for treatment, accuracy in (("full", full), ("random", random))
    ]
    assert "ahead in 1 of 2 pairs" in texts(sweeps.pairs(Record("pretrained_vs_random", {}, rows, {})))
    assert sweeps.pairs(Record("pretrained_vs_random", {}, rows[:1], {})) == []


def paired(treatment, block, accuracy, difference=None, *, half=0.04, p=0.001, holm=None):
    """A point with intervals so wide that only the paired difference can tell it from another."""
    row = trial(treatment, block, accuracy, half=0.2) | {"shape": "prefix", "difference": difference}
    if difference is not None:
        row |= {"difference_low": difference - half, "difference_high": difference + half}
        row |= {"p_value": p, "p_holm": p if holm is None else holm}
    return row


def swept(fake, probe, *points, random=None):
    full = paired("full", "none" if probe == "freeze" else "block2", 0.8)
    params = {"shape": "prefix", "fold": 4, "recipe": {"epochs": 2}}
    return Record(probe, params, [full, *points, *([random] if random else [])], {"data": fake.data})


def test_a_tested_difference_is_told_though_the_intervals_overlap(fake):
    points = (paired("freeze", "stem", 0.81, 0.01, p=0.9), paired("freeze", "block2", 0.64, -0.16, p=0.01, holm=0.027))
    said = texts(said_of(swept(fake, "freeze", *points)))
    assert "Freezing the blocks up to block2 costs net 16.0 points [12.0 to 20.0; p = 0.027, Holm-adjusted]." in said
    assert (
        "freezing the blocks up to stem costs nothing that could be shown, +1.0 points [-3.0 to +5.0; p = 0.9" in said
    )
    assert "With some blocks frozen" not in said


def test_the_adjusted_p_of_a_sweep_is_what_counts(fake):
    said = texts(sweeps.sweep(swept(fake, "freeze", paired("freeze", "stem", 0.7, -0.1, p=0.03, holm=0.09))))
    assert "costs nothing that could be shown, -10.0 points" in said
    assert "the adjusted p does not" in said


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        ("fuse", "Pretrained only up to block1, net is worse than pretrained everywhere by 16.0 points [12.0 to 20.0;"),
        ("cutoff", "Cut after block1, net names 64.0 % [44.0 to 84.0] right: it loses 16.0 points [12.0 to 20.0;"),
    ],
)
def test_fusion_and_cutoff_are_told_by_their_differences(fake, probe, said):
    record = swept(fake, probe, paired(probe, "block1", 0.64, -0.16))
    text = texts(sweeps.sweep(record))
    assert said in text
    assert "block by block" not in text or probe == "fuse"
    assert "no difference" not in text


def test_random_weights_are_told_by_the_difference_and_alike_beside_every_sweep(fake):
    own = paired("random", None, 0.7, -0.1, p=0.01)
    a_point = paired("random", "none", 0.7, -0.1, p=0.01, holm=0.04)  # of a fusion: Holm over its points
    records = [
        swept(fake, "freeze", paired("freeze", "stem", 0.8, 0.0, p=1.0), random=own),
        swept(fake, "cutoff", paired("cutoff", "stem", 0.5, -0.3), random=own),
        swept(fake, "fuse", paired("fuse", "stem", 0.5, -0.3), random=a_point),
    ]
    said = {s.text for record in records for s in sweeps.sweep(record) if s.topic == "pretraining"}
    assert said == {
        "On birds, net from ImageNet weights names 80.0 % [60.0 to 100.0] of the held-out clips of fold 4 right after "
        "2 epochs, from random weights 70.0 % [50.0 to 90.0]: "
        "pretraining helped by 10.0 points [6.0 to 14.0; p = 0.01]."
    }


def test_a_study_and_a_sweep_say_the_same(fake):
    losses = (0.0, 0.01, 0.2)
    cells = [fake.cell("freeze", 0.81 - x, b, difference=-x) for b, x in zip(fake.blocks, losses, strict=True)]
    rows = [{**row, "treatment": "freeze", "init": "imagenet"} for row in cells]
    sweep = Record("freeze", {}, [{**fake.cell("full", 0.81), "treatment": "full", "init": "imagenet"}, *rows], {})
    assert sweeps.sweep(sweep) == steps.freeze(fake.cells(fake.cell("full", 0.81), *cells))


def test_one_point_alone_is_no_walk_over_blocks(fake):
    record = Record("fuse", {}, [paired("fuse", "stem", 0.5, -0.3), paired("full", None, 0.8)], {})
    said = texts(sweeps.sweep(record))
    assert "Pretrained only up to stem, net is worse than pretrained everywhere by 30.0 points" in said
    assert "block by block" not in said


def test_several_folds_in_one_record_are_not_told_as_points(fake):
    points = [{**paired("freeze", "stem", 0.5, -0.3), "fold": fold} for fold in (1, 2)]
    assert sweeps.sweep(swept(fake, "freeze", *points)) == []
