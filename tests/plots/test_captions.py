"""Captions: every kind of record says its question, numbers, n and intervals, and nothing that it does not hold."""

import dataclasses

import pytest

from tlprobe.plots.captions.caption import caption_of
from tlprobe.plots.captions.phrases import estimate, percent_of
from tlprobe.plots.panels import PROBES
from tlprobe.records import Record

DATA = {"data": {"name": "esc50", "n_clips": 2000}}


def of(record, **about):
    return dataclasses.replace(record, provenance=DATA, **about)


@pytest.mark.parametrize(
    ("probe", "question"),
    [("fuse", "pretrained up to"), ("freeze", "frozen up to"), ("cutoff", "network ends after")],
)
def test_a_sweep_says_each_accuracy_with_its_interval(fake, probe, question):
    record = of(fake.sweep(probe))
    text = caption_of([record])
    assert text.startswith(f"Held-out accuracy, {question}: ")
    for row in record.rows:
        if row["treatment"] == probe:
            assert f"{row['block']} {percent_of(row)}" in text
    assert "fully fine-tuned 8" in text
    assert "n = 400 clips, fold 4, 4 epochs" in text
    assert "Bars and brackets hold 95 % intervals over source recordings" in text
    assert text.endswith("Data: esc50 (2000 clips).")


def test_several_runs_of_a_point_are_told_as_their_mean_and_range():
    rows = [
        {"block": "stem", "treatment": "freeze", "fold": fold, "seed": 0, "n": 400, "accuracy": accuracy}
        for fold, accuracy in enumerate((0.8, 0.9), start=1)
    ]
    text = caption_of([Record("freeze", {}, rows, {})])
    assert "stem 85.0 % on average of 2, 80.0 % to 90.0 % (n = 400 clips each, folds 1\N{EN DASH}2)" in text
    assert "hold" not in text


def test_what_all_panels_share_is_told_once(fake):
    text = caption_of([of(fake.sweep("fuse")), of(fake.sweep("freeze")), of(fake.svcca())])
    assert [text.count(letter) for letter in ("(a) H", "(b) H", "(c) S", "Data:")] == [1, 1, 1, 1]
    assert "Bars and brackets in (a), (b) hold 95 % intervals over source recordings" in text
    assert "Bars and brackets in (c) hold 95 % intervals over clips." in text


def test_data_of_their_own_stand_with_the_panels(fake):
    other = dataclasses.replace(fake.fit(), provenance={"data": {"name": "speech_commands"}})
    text = caption_of([of(fake.fit()), other])
    assert "esc50 (2000 clips)). (b)" in text
    assert "speech commands)." in text


def test_a_similarity_says_what_is_drawn(fake):
    record = fake.svcca(conv=("positions", "pool"))
    alone, among = caption_of([record]), caption_of([record, fake.fit()])
    assert alone.startswith("Similarity (SVCCA) of each layer before and after fine-tuning: ImageNet init, positions")
    assert "pool" not in among  # among others, the first samples alone are drawn
    row = record.rows[0]
    assert f"{row['block']} {estimate(row, ('value', 'ci_low', 'ci_high'))}" in alone
    assert "n = 400 clips, fold 4, 10 epochs" in alone
    assert caption_of([fake.svcca_grid()]).startswith("Similarity above that of permuted clips (SVCCA) of every two")
    assert "over the epochs: ImageNet init: " in caption_of([fake.svcca_training()])


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda fake: fake.fit(), ["by epoch: after the last epoch 84", "n = 400 clips", "below: the loss"]),
        (lambda fake: fake.evaluate(4), ["Clips of 4 classes", "n = 32 clips", "Brackets hold"]),
        (lambda fake: fake.ensemble(), ["5 together 88.0 % [", "one on average 85.1 %", "mean weights 86.2 %"]),
        (lambda fake: fake.weight_distance(), ["ImageNet init: stem 1.6 %", "no intervals"]),
        (lambda fake: fake.attribute(2), ["Spectrograms of 2 clips", "dog named dog (98.0 %)", "gap at most 1.2 %"]),
    ],
)
def test_other_kinds(fake, make, parts):
    text = caption_of([make(fake)])
    for part in parts:
        assert part in text


def test_scores_and_their_correlations():
    score = {"kind": "score", "score": "logme", "block": "stem", "value": -0.5, "low": -0.6, "high": -0.4, "n": 9}
    against = {"kind": "correlation", "measure": "kendall", "score": "logme", "sweep": "freeze", "value": 0.8}
    params = {"blocks": ["stem"], "backbone": "small", "init": "imagenet", "fold": 1, "n_train": 1600}
    text = caption_of([Record("transferability", params, [score, {**against, "low": 0.6, "high": 1.0}], {})])
    assert "logme: stem \N{MINUS SIGN}0.50 [\N{MINUS SIGN}0.60 to \N{MINUS SIGN}0.40]" in text
    assert "Kendall's \N{GREEK SMALL LETTER TAU} with freeze 0.80 [0.60 to 1.00]" in text
    assert "small (ImageNet init), fold 1, 1 block, scored on 1600 training clips" in text


def test_a_study_a_search_pairs_data_and_patches():
    cell = {"sweep": "freeze", "partition": None, "backbone": "b", "start": "imagenet", "features": "f", "n": 10}
    cell |= {"data_split": None, "rest": "trained", "block": "stem", "accuracy": 0.5, "ci_low": 0.4, "ci_high": 0.6}
    rows = [{**cell, "shape": shape} for shape in ("prefix", "single")]
    rows.append({**cell, "sweep": "full", "block": None, "shape": None})
    text = caption_of([Record("cells", {"folds": [1, 2], "seeds": [0, 1], "recipe": {"epochs": 3}}, rows, {})])
    assert "frozen up to, frozen alone: up to stem 50.0 % [40.0 to 60.0], alone stem" in text
    assert "fully fine-tuned 50.0 %" in text
    assert "b (ImageNet init), n = 10 clips in all, folds 1\N{EN DASH}2, 3 epochs, 2 seeds" in text
    chosen = {"inner_accuracy": 0.7, "n_inner": 80, "accuracy": 0.6, "ci_low": 0.5, "ci_high": 0.7, "n": 90}
    text = caption_of([Record("tune", {"chosen": chosen, "fold": 1, "inner_fold": 2}, [{}, {}], {})])
    assert "2 trials of a search on the inner fold: the chosen one 70.0 % there" in text
    assert "60.0 % [50.0 to 70.0], n = 90 clips (inner fold 2, n = 80 clips)" in text
    rows = [
        {"init": init, "fold": 1, "seed": k, "n": 4, "accuracy": 0.5}
        for init in ("imagenet", "random")
        for k in range(4)
    ]
    assert "random init 50.0 % on average of 4" in caption_of([Record("pretrained_vs_random", {}, rows, {})])
    params = {"name": "esc50", "n": 40, "n_classes": 2, "n_groups": 30, "folds": {"1": 40}}
    assert caption_of([Record("data_info", params, [], {})]) == (
        "One clip of each class of esc50: 40 clips, 2 classes, 30 source recordings, 1 fold."
    )
    row = {"measure": "insertion", "ranking": "energy", "mean": 0.4, "low": 0.3, "high": 0.5, "n": 50}
    text = caption_of([Record("faithfulness", {"fold": 4, "epochs": 10}, [row], {})])
    assert "putting in: energy 0.40 [0.30 to 0.50] (n = 50 clips, fold 4, 10 epochs)" in text


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("mode", ["change", "against", "grid", "training"])
def test_empty_records_say_so(probe, mode):
    text = caption_of([Record(probe, {"mode": mode}, [], {})])
    assert text.endswith(".")
    assert "nan" not in text
    assert "None" not in text


def test_names_that_cannot_be_seen_or_break_lines_stay_on_one(fake):
    rows = [row | {"init": "a\n\nb\x00\u202ec", "block": "x\ny"} for row in fake.weight_distance().rows]
    text = caption_of([Record("weight_distance", {}, rows, {"data": {"name": "d\n\n\\end{figure}"}})])
    assert text.isprintable()
