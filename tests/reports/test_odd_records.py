"""A record of other columns or values than ours costs its own table or sentence, never the page."""

import json
import math

import pytest

from tlprobe.records import Record
from tlprobe.reports import section
from tlprobe.reports.sentences.said import said_of
from tlprobe.reports.tables import rows_table
from tlprobe.reports.words import cleaned

ODD = [{"block": ["a"], "warnings": "few", "value": 1.0}, {"block": {"b": 1}, "warnings": "few", "value": 2.0}]


@pytest.mark.parametrize("params", [{"mode": "change"}, {"single": ODD}])
def test_blocks_that_are_lists_are_named(page, tmp_path, params):
    Record("svcca", params, ODD, {}).save(tmp_path / "odd")
    assert "Noted in 2 rows, of ['a'] and {'b': 1}: few." in page(tmp_path / "odd").text


@pytest.mark.parametrize(
    ("probe", "missing"), [("cells", "There is no table of the rows"), ("ensemble", "There is no table of members")]
)
def test_a_table_that_cannot_be_made_is_told_and_the_page_goes_on(fake, page, tmp_path, monkeypatch, probe, missing):
    def broken(*args, **more):
        raise TypeError("unhashable type: 'list'")

    monkeypatch.setattr(section, "record_table", broken)
    monkeypatch.setattr(section, "rows_table", broken)
    Record(probe, {"single": [{"a": 1}]}, [{"a": 1}, {"a": 2}], {}).save(tmp_path / "odd")
    fake.study_cells().save(tmp_path / "fine")
    text = page(tmp_path / "odd", tmp_path / "fine").text
    assert f"{missing}: TypeError: unhashable type: 'list'." in text
    assert "pretraining helped by 45.0 points" in text


def test_an_error_of_our_own_is_not_hidden(fake, page, tmp_path, monkeypatch):
    def broken(*args, **more):
        raise AssertionError

    monkeypatch.setattr(section, "rows_table", broken)
    fake.fit().save(tmp_path / "a")
    fake.fit(seed=1).save(tmp_path / "b")
    with pytest.raises(AssertionError):
        page(tmp_path / "a", tmp_path / "b")


def test_remarks_of_blocks_that_cannot_be_hashed():
    assert rows_table(ODD, caption="t").notes[-1] == "Noted in 2 rows, of ['a'] and {'b': 1}: few."


@pytest.mark.parametrize("probe", ["fuse", "freeze", "cutoff", "pretrained_vs_random", "cells", "tune"])
@pytest.mark.parametrize("column", ["block", "fold", "seed", "backbone", "init", "difference", "p_holm"])
def test_odd_values_of_a_sweep_do_not_raise(probe, column):
    point = {"treatment": "freeze", "sweep": "freeze", "block": "stem", "accuracy": 0.5, "difference": -0.1}
    point |= {"difference_low": -0.2, "difference_high": -0.1, "ci_low": 0.4, "ci_high": 0.6}
    full = {"treatment": "full", "sweep": "full", "block": None, "accuracy": 0.8, "ci_low": 0.7, "ci_high": 0.9}
    for odd in (["a"], {"x": 1}, True, "few"):
        said_of(cleaned(Record(probe, {}, [{**point, column: odd}, {**full, column: odd}], {})))


def test_numbers_that_are_not_finite_are_none(fake, page, tmp_path):
    record = fake.fit(epochs=1)
    record.rows[0] |= {"n_leaked": math.inf, "epochs": math.inf}
    text = json.dumps({"schema": 1, **{f: getattr(record, f) for f in ("probe", "params", "rows", "provenance")}})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "record.json").write_text(text)
    assert "names 80.0 % [75.0 to 85.0] of the held-out clips of fold 1 right" in page(tmp_path / "run").text
