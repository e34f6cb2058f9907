"""The sentences on scores before any training: each expected number is in the hand-made rows above it."""

import pytest

from tlprobe.records import Record
from tlprobe.reports.alt import alt_of
from tlprobe.reports.sentences import transferability
from tlprobe.reports.sentences.said import said_of


def texts(sentences):
    return " ".join(sentence.text for sentence in sentences)


def probe(block, value, *, difference=None, half=0.04, p=0.001, null=0.02, **more):
    row = {"kind": "score", "score": "linear_probe", "block": block, "value": value, "low": value - 0.05}
    row |= {"high": value + 0.05, "null": null, "n": 400, "difference": difference, "p_value": None}
    if difference is not None:
        row |= {"difference_low": difference - half, "difference_high": difference + half, "p_value": p}
    return row | more


def correlation(score, value, half=0.2, *, null=1.0, sweep="cutoff", n=5, **more):
    row = {"kind": "correlation", "score": score, "measure": "kendall", "value": value, "null": null, "n_blocks": n}
    return row | {"low": value - half, "high": value + half, "sweep": sweep, "against": f"a_{sweep}", **more}


def record(fake, *rows, **params):
    about = {"backbone": "net", "init": "imagenet", "fold": 1, "n_leaked": 3, **params}
    return Record("transferability", about, list(rows), {"data": fake.data})


def test_what_the_probe_reaches_on_each_block(fake):
    rows = [probe("stem", 0.3, null=0.02), probe("block1", 0.5, null=0.03)]
    said = texts(transferability.probed(record(fake, *rows)))
    assert (
        "on a block's output of net from ImageNet weights names this share of 400 held-out clips of birds right: "
        in said
    )
    assert "right: stem 30.0 % [25.0 to 35.0] and block1 50.0 % [45.0 to 55.0];" in said
    assert said.endswith("with permuted labels 2.0 % to 3.0 %.")


def test_a_probe_at_the_level_of_chance_is_named(fake):
    said = texts(transferability.probed(record(fake, probe("stem", 0.06, null=0.02), probe("block1", 0.5, null=0.02))))
    assert said.endswith("with permuted labels 2.0 %. No more than chance is shown on stem.")


def test_of_many_blocks_the_first_the_best_and_the_last_are_named(fake):
    values = (0.1, 0.2, 0.3, 0.6, 0.5, 0.4, 0.35)
    said = texts(transferability.probed(record(fake, *(probe(f"u{k}", value) for k, value in enumerate(values)))))
    assert "u0 10.0 % [5.0 to 15.0], u3 60.0 % [55.0 to 65.0] and u6 35.0 % [30.0 to 40.0]" in said
    assert "u1" not in said


def test_where_the_probe_no_longer_gains(fake):
    rows = [
        probe("stem", 0.3),
        probe("block1", 0.5, difference=0.2),
        probe("block2", 0.49, difference=-0.01, p=0.6),
        probe("block3", 0.4, difference=-0.09),
    ]
    said = texts(transferability.probe_steps(record(fake, *rows)))
    assert "the probe gains with block1 (20.0 points [16.0 to 24.0; p = 0.001])" in said
    assert "the probe loses with block3 (9.0 points [5.0 to 13.0; p = 0.001])" in said
    assert "no difference could be shown with block2 (-1.0 points [-5.0 to +3.0; p = 0.6])" in said
    assert said.endswith("The p values are not adjusted for the number of blocks.")
    one = texts(transferability.probe_steps(record(fake, *rows[:2])))
    assert "adjusted" not in one
    assert transferability.probe_steps(record(fake, rows[0])) == []


def test_source_classes(fake):
    row = {"kind": "score", "score": "leep", "block": "head", "value": -3.1, "low": -3.2, "high": -3.0, "null": -3.6}
    said = texts(transferability.source_classes(record(fake, row | {"n_features": 1000})))
    assert "its 1000 source classes tell of the labels, LEEP, is -3.10 [-3.20 to -3.00] nats" in said
    assert "with permuted labels -3.60" in said


@pytest.mark.parametrize(
    ("value", "sweep", "said"),
    [
        (
            0.8,
            "cutoff",
            "Blocks that score higher also reach more when networks are cut after them (a_cutoff, 5 blocks)",
        ),
        (
            -0.6,
            "freeze",
            "Blocks that score higher reach less when networks are frozen up to them (a_freeze, 5 blocks)",
        ),
        (0.1, "cutoff", "Whether blocks that score higher reach more could not be shown when networks are cut"),
        (0.2, "cutoff", "Whether blocks that score higher reach more could not be shown when networks are cut"),
    ],
)
def test_whether_training_ranks_the_blocks_alike(fake, value, sweep, said):
    rows = [correlation("linear_probe", value, sweep=sweep), correlation("logme", value, sweep=sweep)]
    text = texts(transferability.foretold(record(fake, *rows)))
    assert text.startswith(said)
    ends = f"{value:+.2f} [{value - 0.2:+.2f} to {value + 0.2:+.2f}]"
    assert f"τ is {ends} for the linear probe and {ends} for LogME" in text
    assert "The mere order of the blocks has +1.00; whether a score does better was not tested." in text


def test_few_blocks_test_nothing(fake):
    text = texts(transferability.foretold(record(fake, correlation("h_score", 0.8, n=4))))
    assert "over 4 blocks no p value can be below 0.083" in text  # 2 / 4!
    many = texts(transferability.foretold(record(fake, correlation("h_score", 0.8, n=16))))
    assert "p value" not in many


@pytest.mark.parametrize(("value", "order"), [(0.8, 0.2), (-0.2, -0.6)])
def test_no_verdict_on_a_score_and_the_mere_order(fake, value, order):
    # The order's correlation rests on the same accuracies, and below 0 the higher of two is not the better.
    text = texts(transferability.foretold(record(fake, correlation("logme", value, 0.05, null=order))))
    assert f"{order:+.2f}; whether a score does better was not tested" in text
    assert "LogME does" not in text


def without_an_interval(score, value):
    return correlation(score, value) | {"low": None, "high": None}


def test_scores_without_an_interval_do_not_disagree(fake):
    text = texts(transferability.foretold(record(fake, without_an_interval("logme", 0.8))))
    assert text.startswith("Whether blocks that score higher reach more cannot be told without an interval when")
    assert "τ is +0.80 (no interval) for LogME" in text


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([correlation("logme", 0.8), correlation("h_score", -0.8)], "The scores do not agree on which blocks"),
        (
            [correlation("logme", 0.8), correlation("h_score", 0.2)],
            "By LogME, though not shown by the H-score, blocks that score higher also reach more when",
        ),
        (
            [correlation("logme", -0.8), without_an_interval("h_score", -0.8)],
            "By LogME, though not shown by the H-score, blocks that score higher reach less when",
        ),
    ],
)
def test_scores_that_do_not_all_tell(fake, rows, said):
    assert texts(transferability.foretold(record(fake, *rows))).startswith(said)


def test_a_correlation_that_is_not_defined(fake):
    row = correlation("logme", 0.0) | {"value": None, "low": None, "high": None}
    assert "is not defined: too many are equal" in texts(transferability.foretold(record(fake, row)))


def test_without_a_sweep_nothing_is_foretold(fake):
    found = record(fake, probe("stem", 0.3), probe("block1", 0.5, difference=0.2))
    said = texts(said_of(found))
    assert "Kendall" not in said
    assert "Fold 1 of 5 only" in said
    assert "3 of the held-out clips of fold 1 of birds share a sound" in said
    assert alt_of(found).startswith("Scores by block, before any fine-tuning. linear probe: stem 0.30 (0.02 by chance)")


def test_hostile_values_say_nothing_or_stay_text(fake):
    bad = [{}, {"kind": "score", "score": "linear_probe", "value": "much", "block": ["x"]}]
    bad += [{"kind": "score", "score": "leep", "value": None}, {"kind": "correlation", "measure": "kendall"}]
    said = said_of(Record("transferability", {"backbone": {}}, bad, {}))
    assert [sentence.text for sentence in said] == [
        "How scores rank blocks in the sweep None (None) is not defined: too many are equal."
    ]
    name = "<script>" + "x" * 5000
    text = texts(said_of(record(fake, probe(name, 0.3), correlation(name, 0.8, against=name), backbone=name)))
    assert "x" * 100 not in text


def test_a_report_of_it_is_made(fake, page, tmp_path):
    record(fake, probe("stem", 0.3), blocks=["stem"], classes=50, n_train=100, notes=[], folds_against={}).save(
        tmp_path
    )
    found = page(tmp_path)
    assert "What could be told before any training?" in found.text
    assert any("stem 0.30" in attrs["alt"] for attrs in found.all("img"))
