"""The list of runs: a sequence, a table by text and in a notebook, typed columns."""

import dataclasses
from pathlib import Path

import pytest

import tlprobe
from tlprobe.errors import DataError, ParameterError
from tlprobe.train.catalogue import Entry
from tlprobe.train.listing import RunList

FACTS = {"backbone": "small", "init": "imagenet", "treatment": "full", "fold": 1, "seed": 0, "blocks": None}
FACTS |= {"data": "esc50", "epochs": 2}


def entry(name="runs/a", *, state="finished", why="", **changes):
    facts = FACTS | {"accuracy": 0.5, "ci_low": 0.4, "ci_high": 0.6} | changes
    return Entry(Path(name), state, why, facts, n_bytes=1_500_000)


def listing(*entries):
    return RunList(Path("runs"), entries)


def test_it_is_a_sequence():
    runs = listing(entry("runs/a"), entry("runs/b"))
    assert len(runs) == 2
    assert runs[1].path == Path("runs/b")
    assert isinstance(runs[:1], RunList)
    assert [run.path.name for run in runs[:1]] == ["a"]


def test_its_text_is_that_of_the_command_line():
    broken = Entry(Path("runs/b"), "damaged", "record.json is damaged", dict.fromkeys(FACTS), n_bytes=0)
    assert repr(listing(entry(), broken)).splitlines() == [
        "run     backbone  init      treatment  data   fold  seed  epochs  accuracy               MB",
        "runs/a  small     imagenet  full       esc50  1     0     2       50.0 % [40.0 to 60.0]  1.5",
        "runs/b  ?         ?         ?          ?      ?     ?     ?       -                      0.0"
        "  DAMAGED: record.json is damaged",
        "2 runs (1 finished, 1 damaged), 1.5 MB",
    ]


def test_a_long_list_shows_its_beginning_and_its_sum():
    runs = listing(*(entry(f"runs/{i:03d}") for i in range(100)))
    lines = repr(runs).splitlines()
    assert len(lines) == 1 + 60 + 2
    assert lines[-2:] == ["… and 40 more", "100 runs (100 finished), 150.0 MB"]
    assert len(runs.lines()) == 102
    assert "… and 80 more of 100 rows" in runs._repr_html_()


def test_hostile_names_are_text():
    shown = listing(entry("runs/<b>x", data="<script>"), entry(state="damaged", why="<i>"))._repr_html_()
    assert not {"<b>", "<script>", "<i>"} & {shown[i : i + n] for n in (3, 8) for i in range(len(shown))}
    assert "&lt;script&gt;" in shown


def test_to_pandas_has_a_type_a_column():
    broken = Entry(Path("runs/b"), "damaged", "gone", dict.fromkeys(FACTS), n_bytes=0)
    table = listing(entry(), broken).to_pandas()
    assert table["state"].tolist() == ["finished", "damaged"]
    assert str(table["fold"].dtype) == "Int64"
    assert str(table["accuracy"].dtype) == "float64"
    assert listing().to_pandas().empty


def test_what_cannot_be_listed(tmp_path):
    assert repr(tlprobe.list_runs(tmp_path)) == f"no runs in {tmp_path}"
    with pytest.raises(ParameterError, match="'size'; choose from path, accuracy"):
        tlprobe.list_runs(tmp_path, sort="size")
    with pytest.raises(DataError, match="gone is no folder"):
        tlprobe.list_runs(tmp_path / "gone")


def test_entries_without_a_result_come_last_by_accuracy(monkeypatch, tmp_path):
    found = [entry("c", accuracy=None), entry("b", accuracy=0.1), dataclasses.replace(entry("a"), n_bytes=0)]
    monkeypatch.setattr("tlprobe.train.listing.find_runs", lambda folder: found)
    assert [run.path.name for run in tlprobe.list_runs(tmp_path, sort="accuracy")] == ["a", "b", "c"]
