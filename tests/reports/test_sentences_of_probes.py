"""The sentences of single probes, with both outcomes, and what all numbers rest on."""

import pytest

from tlprobe.records import Record
from tlprobe.reports.sentences import basis, care, change, levels, scores
from tlprobe.reports.sentences.said import said_of


def texts(sentences):
    return " ".join(sentence.text for sentence in sentences)


def similar(block, value, null, **more):
    band = {
        "ci_low": value - 0.02,
        "ci_high": value + 0.02,
        "null": null,
        "null_low": null - 0.01,
        "null_high": null + 0.01,
    }
    about = {"run": "a", "init": "imagenet", "measure": "svcca", "conv": "positions", "against": "init", "epoch": None}
    return {**about, "block": block, "layer": f"{block}.0", "value": value, "corrected": value - null, **band, **more}


def test_similarity_is_told_against_its_null():
    rows = [similar("stem", 0.9, 0.1), similar("block1", 0.4, 0.39)]
    said = texts(change.similarity(Record("svcca", {"mode": "change"}, rows, {})))
    assert "similarity is above its null in stem (0.90, null 0.10)" in said
    assert "no similarity beyond chance is shown in block1 (0.40, null 0.39)" in said
    assert "stem (0.80) is most alike, block1 (0.01) least" in said


def test_a_grid_counts_its_pairs():
    rows = [similar("stem", 0.9, 0.1, layer_y="stem.0"), similar("stem", 0.3, 0.3, layer_y="block1.0")]
    said = texts(change.similarity(Record("svcca", {"mode": "grid"}, rows, {})))
    assert "1 of 2 pairs of layers are more alike than their null, 1 of them a layer with itself" in said


def test_over_training_the_first_and_the_last_epoch_are_told():
    rows = [
        similar(block, value, 0.1, epoch=epoch, against="final")
        for epoch, values in ((0, (0.9, 0.4)), (2, (0.95, 0.5)), (5, (1.0, 0.11)))
        for block, value in zip(("stem", "block1"), values, strict=True)
    ]
    (said,) = change.similarity(Record("svcca", {"mode": "training"}, rows, {}))
    assert "SVCCA to the end of training" in said.text
    assert "from epoch 0 to 5: stem 0.80 to 0.90 and block1 0.30 to 0.01; 5 of 6 values are above the null" in said.text
    assert change.similarity(Record("svcca", {"mode": "training"}, rows[:2], {})) == []


def test_weights_moved():
    rows = [{"run": "a", "epoch": None, "block": b, "relative_l2": v} for b, v in (("stem", 0.01), ("block1", 0.2))]
    assert "least in stem (1.0 %) and most in block1 (20.0 %)" in texts(
        change.weights(Record("weight_distance", {}, rows, {}))
    )


def faithfulness(measure, difference, half=0.02):
    row = {"measure": measure, "ranking": "energy", "mean": 0.3, "low": 0.2, "high": 0.4, "n": 50, "p_value": 0.01}
    ends = {"difference_low": difference - half, "difference_high": difference + half}
    return Record("faithfulness", {}, [{**row, "difference": difference, **ends}], {})


@pytest.mark.parametrize(
    ("measure", "difference", "said"),
    [
        ("insertion", 0.1, "do better"),
        ("insertion", -0.1, "do worse"),
        ("deletion", -0.1, "do better"),
        ("deletion", 0.1, "do worse"),
        ("deletion", 0.01, "no difference could be shown"),
    ],
)
def test_attributions_against_loudness(measure, difference, said):
    text = texts(basis.faithful(faithfulness(measure, difference)))
    assert said in text
    assert "loudness alone" in text


def test_the_size_of_attributions_stands_beside_loudness():
    record = faithfulness("insertion", -0.1)
    for measure, ranking, mean in (
        ("deletion", "energy", 0.14),
        ("insertion", "integrated gradients, absolute", 0.25),
        ("deletion", "integrated gradients, absolute", 0.12),
    ):
        record.rows.append({"measure": measure, "ranking": ranking, "mean": mean})
    text = texts(basis.faithful(record))
    assert (
        "areas of 0.250 putting in and 0.120 taking out, loudness alone 0.300 putting in and 0.140 taking out" in text
    )
    assert "not compared clip by clip" in text


@pytest.mark.parametrize(("low", "said"), [(0.1, "does not depend on what was learnt"), (-0.1, "could be shown")])
def test_a_forgetful_network(low, said):
    rows = [
        {"measure": "randomisation", "ranking": name, "mean": 0.3, "low": low, "high": 0.5} for name in ("head", "stem")
    ]
    assert said in texts(basis.forgetful(Record("faithfulness", {}, rows, {})))


def test_what_is_kept_and_complete(fake):
    record = fake.attribute()
    assert "more in 2 of 2 clips" in texts(basis.heard(record))
    assert "none of them miss the tolerance of 1 %" in texts(basis.attributions(record))
    record.rows[0]["gap"] = 0.2
    assert "1 of them misses the tolerance" in texts(basis.attributions(record))
    assert basis.heard(Record("attribute", {}, [{"clip": "a"}], {})) == []


def test_trainings(fake):
    record = fake.fit()
    said = texts(scores.training(record))
    assert "names 80.0 % [75.0 to 85.0] of the held-out clips of fold 1 right after 4 epochs; the best epoch" in said
    together = scores.trainings([record, fake.fit(seed=1, accuracy=0.7), fake.fit(init="random", accuracy=0.3)])
    assert [members for _, members in together] == [[0, 1], [2]]
    assert "2 runs of net from ImageNet weights over 1 fold and 2 seeds name 75.0 %" in together[0][0].text


def test_evaluations():
    row = {"run": "a", "clips": "all", "accuracy": 0.5, "n": 4, "ci_low": 0.2, "ci_high": 0.8, "n_seen": 3}
    said = texts(scores.evaluation(Record("eval", {}, [row], {})))
    assert "a names 50.0 % [20.0 to 80.0] of all" in said
    assert "3 clips of its data lie in files that the network was trained on" in said
    named = {"clip": "x.wav", "predicted": "dog", "probability": 0.9, "accuracy": None}
    assert "names x.wav dog (90.0 %)" in texts(scores.evaluation(Record("eval", {}, [named], {})))


@pytest.mark.parametrize(
    ("single", "said"),
    [
        (0.7, "above what its interval allows for"),
        (0.79, "no difference could"),
        (0.9, "below what its interval allows for"),
    ],
)
def test_ensembles(single, said):
    row = {"members": 5, "accuracy": 0.8, "ci_low": 0.75, "ci_high": 0.85, "single_mean": single, "soup_accuracy": 0.5}
    text = texts(scores.ensemble(Record("ensemble", {}, [row], {})))
    assert said in text
    assert "names 50.0 % right, below the ensemble's interval in 1 of 1" in text


def test_ensembles_without_an_interval():
    row = {"members": 2, "accuracy": 0.8, "ci_low": None, "ci_high": None, "single_mean": 0.7, "soup_accuracy": 0.5}
    text = texts(scores.ensemble(Record("ensemble", {}, [{**row, "fold": 1}], {})))
    assert "one of them 70.0 % on average: there is no interval, so whether they differ cannot be told." in text
    assert "no difference could be shown" not in text
    assert text.endswith("One network with their mean weights names 50.0 % right.")
    rows = [{**row, "fold": 1}, {**row, "fold": 2, "ci_low": 0.75, "ci_high": 0.85}]
    text = texts(scores.ensemble(Record("ensemble", {}, rows, {})))
    assert "1 of them has no interval; in 1 of the others the ensemble's interval lies above" in text
    assert "below the ensemble's interval in 1 of 1." in text


def test_searches():
    rows = [{"number": 0, "state": "complete"}, {"number": 1, "state": "failed"}]
    chosen = {"number": 0, "inner_accuracy": 0.9, "accuracy": 0.8, "ci_low": 0.7, "ci_high": 0.9}
    said = texts(scores.tuning(Record("tune", {"chosen": chosen}, rows, {})))
    assert "number 0 was chosen with 90.0 % on the inner fold; on the held-out fold" in said
    assert "1 failed" in said
    assert scores.tuning(Record("tune", {"chosen": None}, rows[:1], {})) == []


def test_what_numbers_rest_on(fake):
    record = fake.cells(fake.cell("full", 0.8), seeds=[0], folds=[4], n_leaked=13, n_skipped=2)
    said = texts(said_of(record))
    assert "13 of the held-out clips of fold 4 of birds share a sound" in said
    assert "2 recordings of birds could not be used" in said
    assert "Fold 4 of 5 only: a part of the folds, so not the score of birds" in said
    assert "trained with one seed" in said
    whole = texts(said_of(fake.cells(fake.cell("full", 0.8), n_leaked=0)))
    assert "None of the held-out clips of birds shares a sound" in whole
    assert "only" not in whole
    assert "one seed" not in whole


def test_points_of_a_study():
    rows = [{"status": "finished"}, {"status": "failed", "reason": "out of memory"}, {"status": "missing"}]
    said = texts(care.points(Record("study", {}, rows, {})))
    assert "1 of 3 points of the study are finished" in said
    assert "1 point of the study is failed: out of memory" in said
    assert "All 2 points" in texts(care.points(Record("study", {}, [{"status": "finished"}] * 2, {})))


def test_runs_missing(fake):
    record = fake.cells(fake.cell("full", 0.8, n_runs=3), fake.cell("random", 0.4))
    assert "1 of 2 points lack runs" in texts(levels.runs_missing(record))
    assert levels.runs_missing(fake.cells(fake.cell("full", 0.8))) == []


def test_data_sets(fake):
    params = {"name": "birds", "n": 7, "n_classes": 2, "n_groups": 5, "n_unusable": 1, "n_groups_in_several_folds": 2}
    params |= {"leaks": [{}], "copies": [], "noted": {"clipped": ["a", "b"]}}
    said = texts(care.data_set(Record("data_info", params, [{"n": 3}, {"n": 4}], {})))
    for part in ("7 clips of 2 classes, 3 to 4 a class", "1 file of birds cannot", "1 sound of birds lie", "2 clipped"):
        assert part in said
    assert "No two clips of birds are one sound" in said
    assert "in several folds" not in texts(
        care.data_set(Record("data_info", params | {"leaks": None} | {"n_groups_in_several_folds": 0}, [], {}))
    )


def test_a_record_without_numbers_says_nothing():
    for probe in (
        "cells",
        "fuse",
        "svcca",
        "fit",
        "eval",
        "ensemble",
        "faithfulness",
        "attribute",
        "tune",
        "unheard-of",
    ):
        assert said_of(Record(probe, {}, [{}, {"accuracy": None}], {})) == []
