"""How records and runs show themselves: small, escaped, typed, and never by themselves."""

import dataclasses
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

import tlprobe
from tlprobe.errors import ParameterError
from tlprobe.records import Record

HOSTILE = '<script>alert("x")</script>'


def record(rows, **changes):
    return Record(**({"probe": "fit", "params": {"secret": 1}, "rows": rows, "provenance": {}} | changes))


def sweep(**changes):
    rows = [
        {"block": block, "sweep": "freeze", "backbone": "small", "init": "imagenet", "accuracy": 0.8, "n": 400}
        | {"ci_low": 0.7, "ci_high": 0.9, "fold": 1, "seed": 0, "epochs": 2}
        for block in ("none", "stem")
    ]
    return record(rows, probe="freeze", params={"block_names": ["stem"]}, **changes)


def test_repr_is_one_line_whatever_the_names():
    shown = repr(record([{"a": 1}], provenance={"data": {"name": "two\nlines"}}))
    assert shown == "Record('fit', 1 row, 'data two lines')"


def test_html_says_what_it_is_and_what_it_rests_on():
    about = {"data": {"name": "esc50", "n_clips": 2000}, "device": "cpu", "versions": {"tlprobe": "0.1.0"}}
    arrays = {"image": np.zeros((2, 3), np.float32)}
    shown = record([{"block": "stem", "value": 0.123456, "x": None}], provenance=about, arrays=arrays)._repr_html_()
    for text in (
        "fit: 1 row",
        "data esc50, 2000 clips, on cpu, tlprobe 0.1.0",
        "arrays: image [2, 3]",
        "<td>0.1235</td>",
    ):
        assert text in shown
    assert "<th>x</th>" not in shown  # nothing in it
    assert "secret" not in shown


def test_html_shows_twenty_rows_and_a_line_on_the_rest():
    shown = record([{"i": i, "fold": 4} for i in range(23)])._repr_html_()
    assert shown.count("<td>") == 20
    assert "… and 3 more of 23 rows" in shown
    assert "in all rows: fold 4" in shown
    assert "more of" not in record([{"i": i} for i in range(20)])._repr_html_()


@pytest.mark.parametrize("rows", [[{"label": HOSTILE}], [{HOSTILE: 1}], [{"i": i, HOSTILE: HOSTILE} for i in (1, 2)]])
def test_hostile_names_are_text(rows):
    about = {"data": {"name": HOSTILE}, "device": HOSTILE, "created": HOSTILE, "versions": {"torch": HOSTILE}}
    shown = record(rows, probe=HOSTILE, provenance=about, arrays={HOSTILE: np.zeros(1, np.float32)})._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    allowed = "div|strong|table|thead|tbody|tr|th|td"
    assert set(re.findall(r"</?(\w+)", shown)) <= set(allowed.split("|"))


@pytest.mark.parametrize("provenance", [{}, {"data": None, "versions": []}, {"data": "esc50"}])
def test_an_empty_record_of_unknown_origin_shows_itself(provenance):
    shown = record([], provenance=provenance)._repr_html_()
    assert "fit: 0 rows" in shown
    assert "what it rests on is not recorded" in shown
    assert "<table" not in shown


def test_to_pandas_types_the_columns():
    rows = [
        {"name": "a", "n": 1, "m": 1, "x": 0.5, "y": 1, "ok": True, "maybe": False, "none": None, "list": [1]},
        {"name": None, "n": 2, "m": None, "x": None, "y": float("nan"), "ok": False, "none": None, "list": []},
        {"name": "c", "n": np.int64(3), "m": 2, "x": np.float32(1), "y": 0.5, "ok": True, "z": 2**70},
    ]
    table = record(rows).to_pandas()
    assert {name: str(kind) for name, kind in table.dtypes.items()} == {
        "name": "string",
        "n": "int64",
        "m": "Int64",
        "x": "float64",
        "y": "float64",
        "ok": "bool",
        "maybe": "boolean",
        "none": "object",
        "list": "object",
        "z": "object",
    }
    assert table["m"].isna().tolist() == [False, True, False]
    assert table["x"].sum() == 1.5
    assert "secret" not in table
    assert record([]).to_pandas().empty
    assert len(record([{}, {}]).to_pandas()) == 2


def test_plot_makes_a_figure_or_fills_what_is_given():
    assert isinstance(sweep().plot(), Figure)
    figure = Figure()
    ax = figure.add_subplot()
    assert sweep().plot(ax) is ax
    assert ax.lines
    other = Figure(layout="constrained")
    assert sweep().plot(figure=other) is other
    assert len(other.axes) == 1


def test_plot_says_what_it_cannot_draw():
    figure = Figure()
    ax = figure.add_subplot()
    with pytest.raises(ParameterError, match="ax and figure are both given"):
        sweep().plot(ax, figure)
    with pytest.raises(ParameterError, match="attribute is drawn on several axes; give figure="):
        record([], probe="attribute").plot(ax)
    with pytest.raises(ParameterError, match="probe='study' has no figure; choose from svcca"):
        record([], probe="study").plot()


def test_showing_and_plotting_print_nothing_and_leave_pyplot_and_pandas_alone():
    code = f"""
import sys
from tlprobe import Record
record = Record("freeze", {sweep().params!r}, {sweep().rows!r}, {{}})
record._repr_html_(), repr(record)
assert not {{"pandas", "matplotlib", "torch"}} & set(sys.modules)
record.plot()
assert not {{"pandas", "matplotlib.pyplot"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_run_shows_itself(tiny_run):
    row = tiny_run.record.rows[0]
    shown = tiny_run._repr_html_()
    for text in ("Run of efficientnet_lite0", f"accuracy {100 * row['accuracy']:.1f} % [", tiny_run.path.name, "n = "):
        assert text in shown


def test_a_run_of_hostile_names_or_without_its_record_still_shows_itself(tiny_run, tmp_path):
    path = tmp_path / "<b>run"
    shutil.copytree(tiny_run.path, path)
    (path / "record.json").unlink()
    config = tiny_run.config.model_copy(update={"backbone": HOSTILE, "init": HOSTILE})
    source = dataclasses.replace(tiny_run.source, name=HOSTILE)
    shown = tlprobe.Run(path=path, config=config, source=source, standardise=tiny_run.standardise)._repr_html_()
    assert "<script" not in shown
    assert "<b>" not in shown
    assert "no accuracy to show: " in shown
    assert "record.json is missing" in shown
