"""``tlprobe study``: plan, run, status, tables, from a file."""

import json
import sys

import pytest

SMALL = "timm/test_efficientnet"


@pytest.fixture
def file(tiny_data, tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(
        f"data: {tiny_data}\nnetworks: [{SMALL}]\ninits: [random]\ntreatments: [full, {{cutoff: {{blocks: [stem]}}}}]\n"
        "changes: {epochs: 1, batch_size: 8}\n"
    )
    return path


def test_from_plan_to_tables(cli, file, tmp_path):
    where = ("--trials", "t", "-q")
    code, out, err = cli("study", "plan", file, *where)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "2 points are 2 trials; 2 left; no finished trial tells how long they take"
    assert [line.split()[0] for line in out.splitlines()[:-1]] == ["missing"] * 2
    code, out, err = cli("study", "run", file, "--out", "o", "--device", "cpu", *where)
    assert (code, err) == (0, "")
    rows = json.loads((tmp_path / "o" / "record.json").read_text())["rows"]
    assert [row["status"] for row in rows] == ["finished"] * 2
    code, out, err = cli("study", "status", file, *where)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "2 of 2 points are finished"
    assert f"cutoff prefix stem: {100 * rows[1]['accuracy']:.1f} %" in out
    code, out, err = cli("study", "plan", file, *where)
    assert out.splitlines()[-1] == "2 points are 2 trials; nothing is left"
    code, out, err = cli("study", "tables", file, "--out", "tables", *where)
    assert (code, err) == (0, "")
    assert {path.name for path in (tmp_path / "tables").iterdir()} >= {"record.csv", "table.md", "table.tex"}
    assert f"{100 * rows[0]['accuracy']:.1f}" in (tmp_path / "tables" / "table.md").read_text()


def test_a_wrong_file_is_told_in_a_line(cli, tmp_path):
    (tmp_path / "bad.yaml").write_text("networks: [resnet]\ntreatments: [fuze]\n")
    for verb in ("plan", "run", "status", "tables"):
        code, out, err = cli("study", verb, tmp_path / "bad.yaml")
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 1
        assert "did you mean resnet50?" in err
        assert "unknown treatment; choose from full" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--engine", "spark"), "engine: name: Input should be 'local' or 'ray' (given: 'spark')"),
        (("--address", "auto"), "engine: address: of engine ray alone, and this is engine local"),
        (("--engine", "ray"), "engine ray needs Ray: pip install 'tlprobe[ray]'"),
    ],
)
def test_a_wrong_engine_is_told_in_a_line(cli, file, monkeypatch, options, said):
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not installed
    code, out, err = cli("study", "run", file, "--trials", "t", "-q", *options)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert said in err


def test_tables_of_nothing_are_refused(cli, file):
    code, _out, err = cli("study", "tables", file, "--trials", "t", "-q")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "no trial of the study is finished in t" in err
