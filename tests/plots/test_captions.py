"""Captions: every kind of record says its question, numbers, n and intervals, and nothing that it does not hold."""

import dataclasses

import pytest
from matplotlib.container import ErrorbarContainer

from tlprobe.plots.captions.caption import caption_of
from tlprobe.plots.captions.phrases import estimate, percent_of
from tlprobe.plots.figure import render
from tlprobe.plots.panels import PROBES
from tlprobe.records import Record

EN_DASH = "\N{EN DASH}"
RECORDINGS = {"intervals": "bootstrap over source recordings"}
DATA = {"data": {"name": "esc50", "n_clips": 2000}}


def of(record, **about):
    return dataclasses.replace(record, provenance=DATA, **about)


@pytest.mark.parametrize(
    ("probe", "question"),
    [("fuse", "pretrained up to"), ("freeze", "frozen up to"), ("cutoff", "network ends after")],
)
def test_a_sweep_says_each_accuracy_with_its_interval(fake, probe, question):
    record = fake.sweep(probe)
    text = caption_of([of(record, params=record.params | RECORDINGS)])
    assert text.startswith(f"Held-out accuracy, {question}: ")
    for row in record.rows:
        if row["treatment"] == probe:
            assert f"{row['block']} {percent_of(row)}" in text
    assert "fully fine-tuned 8" in text
    assert "n = 400 clips, fold 4, 4 epochs" in text
    assert "Bars and brackets hold 95 % intervals (bootstrap over source recordings); how" in text
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
    sweeps = [of(record, params=record.params | RECORDINGS) for record in map(fake.sweep, ("fuse", "freeze"))]
    text = caption_of([*sweeps, of(fake.svcca())])
    assert [text.count(letter) for letter in ("(a) H", "(b) H", "(c) S", "Data:")] == [1, 1, 1, 1]
    assert "Bars and brackets in (a), (b) hold 95 % intervals (bootstrap over source recordings)" in text
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
    assert "LogME (nats): stem \N{MINUS SIGN}0.50 [\N{MINUS SIGN}0.60 to \N{MINUS SIGN}0.40]" in text
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


def cell(sweep, accuracy, **about):
    """A cell of a study, with its interval; a level unless it has a block."""
    common = {"backbone": "lite", "start": "imagenet", "features": "log-mel3", "data_split": None, "n": 2000}
    common |= dict.fromkeys(("block", "shape", "rest", "partition")) | {"n_runs": 5, "n_planned": 5}
    return common | {"sweep": sweep, "accuracy": accuracy, "ci_low": accuracy, "ci_high": accuracy} | about


def study(*rows):
    return caption_of([Record("cells", {"folds": [1, 2, 3, 4, 5], "seeds": [0], "recipe": {"epochs": 3}}, rows, {})])


def test_an_unfinished_study_claims_no_more_than_it_has():
    rows = [cell("full", 0.8), cell("random", 0.2, n=400, n_runs=1)]
    text = study(*rows)
    assert f"n = 400{EN_DASH}2000 clips a cell, 3 epochs, folds 1{EN_DASH}5 and 1 seed planned" in text
    assert "1 of 2 cells lacks runs)" in text
    none = cell("freeze", 0.5, block="stem", n=0, n_runs=0) | dict.fromkeys(("accuracy", "ci_low", "ci_high"))
    assert "2 of 3 cells lack runs)" in study(*rows, none)  # a cell that has no run at all has no number to tell
    assert f"n = 2000 clips in all, folds 1{EN_DASH}5, 3 epochs, 1 seed)" in study(rows[0])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ({"rest": "random"}, "pretrained up to: "),
        ({"rest": "shuffled"}, "pretrained up to (rest shuffled): "),
        ({"partition": "params/4"}, "pretrained up to (parts equal by params): "),
        ({"rest": "matched", "partition": "macs/2"}, "pretrained up to (rest matched, parts equal by macs): "),
    ],
)
def test_a_caption_says_of_a_sweep_what_its_axis_says(fake, kind, words):
    record = fake.sweep("fuse")
    record = dataclasses.replace(record, params=record.params | kind)
    assert caption_of([record]).startswith(f"Held-out accuracy, {words}")
    assert f"{render([record]).axes[0].get_xlabel()}: " == words
    swept = cell("fuse", 0.5, block="stem", shape="prefix", **kind)
    assert study(swept).startswith(f"Held-out accuracy, {words}stem 50.0 %")  # told once, as no cell differs in it


def test_cells_that_differ_in_rest_or_parts_say_in_what():
    common = {"block": "stem", "shape": "prefix"}
    text = study(*(cell("fuse", k / 10, rest=rest, **common) for k, rest in enumerate(("random", "matched"), start=1)))
    assert "rest random stem 10.0 % [10.0 to 10.0], rest matched stem 20.0 %" in text
    rows = [cell("freeze", n / 10, partition=f"params/{n}", **(common | {"block": "part1"})) for n in (2, 4)]
    assert "2 parts equal by params part1 20.0 % [20.0 to 20.0], 4 parts equal by params part1 40.0 %" in study(*rows)
    rows = [cell("freeze", 0.1, rest="trained", **common), cell("cutoff", 0.2, **common)]
    assert "frozen up to stem 10.0 % [10.0 to 10.0], network ends after stem 20.0 %" in study(*rows)


def test_bars_are_told_where_the_plot_draws_them(fake):
    def bars(record):
        drawn = [one for ax in render([record]).axes for one in ax.containers if isinstance(one, ErrorbarContainer)]
        return bool(drawn), "Bars" in caption_of([record])

    one, several = fake.sweep("fuse"), fake.sweep("fuse", folds=(3, 4, 5))
    assert bars(one) == (True, True)
    assert bars(several) == (False, False)  # single trials in their place, and bands from the least to the greatest
    some = [row for row in several.rows if row["fold"] == 4 or row["block"] != "stem"]  # of one block a single run
    assert bars(dataclasses.replace(several, rows=some)) == (True, True)
    levels = [row for row in one.rows if row["treatment"] != "fuse"]
    points = [row | {"ci_low": None, "ci_high": None} for row in one.rows if row["treatment"] == "fuse"]
    rows = [row | {"block": None} for row in levels] + points  # bands have intervals, and no point has a bar
    assert bars(dataclasses.replace(one, rows=rows)) == (False, False)
    params = {"block_names": {"lite": ["stem"]}, "folds": [1], "seeds": [0]}
    swept = cell("freeze", 0.5, block="stem", shape="prefix")
    assert bars(Record("cells", params, [swept, cell("full", 0.8)], {})) == (True, True)
    swept |= {"ci_low": None, "ci_high": None}
    assert bars(Record("cells", params, [swept, cell("full", 0.8)], {})) == (False, False)
    assert bars(Record("cells", params, [cell("full", 0.8)], {})) == (True, True)


def test_runs_of_equal_accuracy_are_all_counted():
    row = {"treatment": "freeze", "block": "stem", "backbone": "lite", "fold": 1, "seed": 0, "epochs": 4, "n": 400}
    found = zip(("imagenet", "audioset.pth", "x.pth"), (0.8, 0.8, 0.6), strict=True)
    rows = [{**row, "init": init, "accuracy": accuracy} for init, accuracy in found]
    # (80 + 80 + 60) / 3 = 73.33
    assert "stem 73.3 % on average of 3, 60.0 % to 80.0 %" in caption_of([Record("freeze", {}, rows, {})])
    rows = [{**row, "init": "imagenet", "run": run, "accuracy": 0.8} for run in ("a", "b", "b")]
    assert "stem 80.0 % on average of 2, " in caption_of([Record("freeze", {}, rows, {})])  # b is listed twice


def test_scores_have_the_units_that_they_are_in():
    units = {"linear_probe": 0.305, "logme": 0.567, "h_score": 2.97, "leep": -3.13}
    row = {"kind": "score", "block": "stem", "n": 400}
    rows = [{**row, "score": score, "value": at, "low": at - 0.05, "high": at + 0.05} for score, at in units.items()]
    rows.append({**row, "score": "linear_probe", "block": "block1", "value": 0.5, "low": None, "high": None})
    params = {"blocks": ["stem", "block1"], "backbone": "small", "init": "imagenet", "fold": 1, "n_train": 1600}
    text = caption_of([Record("transferability", params, rows, {})])
    assert "linear probe: stem 30.5 % [25.5 to 35.5], block1 50.0 %; " in text
    assert "LogME (nats): stem 0.57 [0.52 to 0.62]; H-score (no unit): stem 2.97 [2.92 to 3.02]; " in text
    assert "LEEP (nats): stem \N{MINUS SIGN}3.13 [" in text
    text = caption_of([Record("transferability", params, rows[-1:], {})])
    assert "linear probe: block1 50.0 % (" in text
    assert "hold" not in text  # clips of one recording have no interval, and no bar


def test_networks_from_random_weights_are_said_to_be_that_once():
    rows = [cell("full", 0.8), cell("random", 0.2), cell("full", 0.5, start="random")]
    text = study(*rows)
    assert "networks: fully fine-tuned 80.0 % [80.0 to 80.0], from random weights 20.0 % [20.0 to 20.0], " in text
    assert ", from random weights 50.0 %" in text
    assert "networks: from random weights 50.0 %" in study(rows[2])
    text = study(*rows, cell("full", 0.7, start="audioset.pth"))
    assert "ImageNet init fully fine-tuned 80.0 % [80.0 to 80.0], from random weights 20.0 %" in text
    assert "audioset.pth init fully fine-tuned 70.0 %" in text
    assert "fine-tuned 20.0 %" not in text
    same = [cell("random", 0.2), cell("full", 0.2, start="random")]  # one network by two names
    assert study(*same).count("from random weights 20.0 %") == 1


@pytest.mark.parametrize("make", ["sweep", "fit", "ensemble", "evaluate"])
def test_what_an_interval_is_over_is_said_where_the_record_says_it(fake, make):
    record = getattr(fake, make)()  # as older records, which hold Wilson's intervals over clips, or others
    text = caption_of([record])
    assert "rackets hold 95 % intervals; how trainings with other seeds differ is not in them." in text
    assert "recordings" not in text
    text = caption_of([dataclasses.replace(record, params=record.params | {"intervals": "Wilson's over clips"})])
    assert "rackets hold 95 % intervals (Wilson's over clips); how" in text


def test_cells_have_never_had_other_intervals():
    assert "hold 95 % intervals (bootstrap over source recordings); how" in study(cell("full", 0.8))


@pytest.mark.parametrize(
    ("probe", "mode"),
    [
        *((probe, None) for probe in PROBES if probe != "svcca"),
        *(("svcca", mode) for mode in ("change", "against", "grid", "training")),
    ],
)
def test_empty_records_say_so(probe, mode):
    text = caption_of([Record(probe, {"mode": mode}, [], {})])
    assert text.endswith(".")
    assert "nan" not in text
    assert "None" not in text


def test_names_that_cannot_be_seen_or_break_lines_stay_on_one(fake):
    rows = [row | {"init": "a\n\nb\x00\u202ec", "block": "x\ny"} for row in fake.weight_distance().rows]
    text = caption_of([Record("weight_distance", {}, rows, {"data": {"name": "d\n\n\\end{figure}"}})])
    assert text.isprintable()
