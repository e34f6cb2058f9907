"""Records on disk: whole or refused, plain JSON, and never over somebody else's result."""

import csv
import json
import os
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from tlprobe.errors import DataError, ParameterError
from tlprobe.records import RECORD_SCHEMA, Record, check_out, dump_json, provenance, table_csv


def record(**changes):
    fields = {
        "probe": "svcca",
        "params": {"blocks": ["stem", "block1"], "variance": 0.99, "data": None},
        "rows": [
            {"run": "a", "block": "stem", "value": 0.5, "n": 10, "ok": True},
            {"run": "ä,b", "block": "block1", "value": None, "n": 10},
        ],
        "provenance": {"data": {"name": "tiny"}},
    }
    return Record(**(fields | changes))


def damaged(folder, **changes):
    """Write a good record, then change top-level entries of its JSON; None takes one out."""
    record().save(folder)
    body = json.loads((folder / "record.json").read_text()) | changes
    (folder / "record.json").write_text(json.dumps({k: v for k, v in body.items() if v is not None}))
    return folder


def test_round_trip(tmp_path):
    arrays = {"spectrogram": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "empty": np.zeros((0, 2), np.float32)}
    before = record(arrays=arrays)
    assert before.save(tmp_path / "out") == tmp_path / "out" / "record.json"
    for where in (tmp_path / "out", str(tmp_path / "out"), tmp_path / "out" / "record.json"):
        after = Record.load(where)
        assert (after.probe, after.params, after.rows, after.provenance) == (
            before.probe,
            before.params,
            before.rows,
            before.provenance,
        )
        assert after.arrays.keys() == arrays.keys()
        for name, array in arrays.items():
            assert after.arrays[name].dtype == np.float32
            np.testing.assert_array_equal(after.arrays[name], array)


def test_the_layout_scripts_rely_on(tmp_path):
    record().save(tmp_path)
    body = json.loads((tmp_path / "record.json").read_text())
    assert list(body) == ["schema", "probe", "params", "rows", "provenance"]
    assert body["schema"] == RECORD_SCHEMA == 1
    assert sorted(os.listdir(tmp_path)) == ["record.csv", "record.json"]


def test_a_new_record_without_arrays_takes_the_old_arrays_away(tmp_path):
    record(arrays={"a": np.ones((1, 2), np.float32)}).save(tmp_path)
    record().save(tmp_path)
    assert Record.load(tmp_path).arrays == {}


def test_arrays_that_are_not_contiguous_or_not_float32_are_stored_rightly(tmp_path):
    array = np.arange(12, dtype=np.float64).reshape(3, 4).T
    record(arrays={"a": array}).save(tmp_path)
    np.testing.assert_array_equal(Record.load(tmp_path).arrays["a"], array.astype(np.float32))


def test_numpy_paths_and_what_is_not_finite_become_plain_json(tmp_path):
    values = {
        "nan": float("nan"),
        "inf": -np.inf,
        "float32": np.float32(0.5),
        "int64": np.int64(3),
        "bool": np.bool_(True),
        "path": Path("a") / "b.wav",
        "nested": {"t": (1, np.nan), 5: [np.float64(2)]},
    }
    plain = {
        "nan": None,
        "inf": None,
        "float32": 0.5,
        "int64": 3,
        "bool": True,
        "path": "a/b.wav",
        "nested": {"t": [1, None], "5": [2.0]},
    }
    assert json.loads(dump_json(values)) == plain
    record(rows=[values], params=values).save(tmp_path)
    assert Record.load(tmp_path).rows == [plain]
    assert Record.load(tmp_path).params == plain


def test_csv_has_a_column_for_every_field_and_quotes_what_needs_it():
    text = table_csv(record().rows)
    rows = list(csv.DictReader(text.splitlines()))
    assert list(rows[0]) == ["run", "block", "value", "n", "ok"]
    assert rows[1] == {"run": "ä,b", "block": "block1", "value": "", "n": "10", "ok": ""}
    assert table_csv([{"x": float("nan")}]) == 'x\n""\n'


@pytest.mark.parametrize("where", ["nothing", "nothing/record.json", "."])
def test_no_record_is_a_data_error(tmp_path, where):
    with pytest.raises(DataError, match=r"holds no record\.json"):
        Record.load(tmp_path / where)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '{"schema": 1}', b"\xff\xfe"])
def test_a_damaged_record_is_a_data_error(tmp_path, text):
    content = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "record.json").write_bytes(content)
    with pytest.raises(DataError, match=r"record\.json is not a tlprobe record"):
        Record.load(tmp_path)


@pytest.mark.parametrize("name", ["schema", "probe", "params", "rows", "provenance"])
def test_a_record_without_one_of_its_parts_is_a_data_error(tmp_path, name):
    with pytest.raises(DataError, match=rf"record\.json is not a tlprobe record.*{name}"):
        Record.load(damaged(tmp_path, **{name: None}))


@pytest.mark.parametrize(
    "changes", [{"rows": {"a": 1}}, {"rows": [1]}, {"params": []}, {"probe": 3}, {"provenance": "x"}]
)
def test_a_record_with_parts_of_another_kind_is_a_data_error(tmp_path, changes):
    with pytest.raises(DataError, match=rf"record\.json is not a tlprobe record.*{next(iter(changes))}"):
        Record.load(damaged(tmp_path, **changes))


@pytest.mark.parametrize("schema", [2, 0, "1"])
def test_another_schema_is_refused_and_named(tmp_path, schema):
    with pytest.raises(DataError, match=rf"has schema {schema!r}; this tlprobe reads 1"):
        Record.load(damaged(tmp_path, schema=schema))


def test_damaged_arrays_are_a_data_error(tmp_path):
    record(arrays={"a": np.ones((2, 2), np.float32)}).save(tmp_path)
    file = tmp_path / "arrays.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(DataError, match=r"arrays\.safetensors is damaged"):
        Record.load(tmp_path)


class TestCheckOut:
    def test_a_new_folder_and_the_same_request_pass(self, tmp_path):
        check_out(tmp_path / "new", probe="svcca", request="1", overwrite=False)
        asked = record()
        asked.params["request"] = "1"
        asked.save(tmp_path)
        check_out(tmp_path, probe="svcca", request="1", overwrite=False)

    def test_another_request_is_refused(self, tmp_path):
        record().save(tmp_path)
        with pytest.raises(ParameterError, match=r"finished svcca of other options; .*--overwrite"):
            check_out(tmp_path, probe="svcca", request="1", overwrite=False)

    def test_another_verb_is_named(self, tmp_path):
        record().save(tmp_path)
        with pytest.raises(ParameterError, match="holds a finished svcca"):
            check_out(tmp_path, probe="freeze", request="1", overwrite=False)

    def test_overwrite_passes_whatever_is_there(self, tmp_path):
        (tmp_path / "record.json").write_text("damaged")
        check_out(tmp_path, probe="freeze", request="1", overwrite=True)

    def test_a_damaged_result_is_not_written_over(self, tmp_path):
        (tmp_path / "record.json").write_text("damaged")
        with pytest.raises(DataError, match=r"record\.json"):
            check_out(tmp_path, probe="freeze", request="1", overwrite=False)


def test_provenance_names_versions_command_time_and_data():
    about = provenance(data={"name": "tiny", "n_clips": 3, "hash": "abc"}, device="cpu")
    assert about["data"] == {"name": "tiny", "n_clips": 3, "hash": "abc"}
    assert about["device"] == "cpu"
    assert {"python", "tlprobe", "torch", "timm", "numpy"} <= about["versions"].keys()
    assert datetime.fromisoformat(about["created"]).utcoffset().total_seconds() == 0
    assert provenance()["data"] is None


def test_the_command_keeps_no_folders_of_this_machine(monkeypatch):
    monkeypatch.setattr(
        "sys.argv", ["/home/me/bin/tlprobe", "fit", "--data", "/mnt/esc", "--out=../../a", "b/c", "x=1"]
    )
    assert provenance()["command"] == ["tlprobe", "fit", "--data", "esc", "--out=a", "b/c", "x=1"]
