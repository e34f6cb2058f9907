"""The verb of transferability: its files, its lines, what a study's record adds, and what it refuses."""

import json

import pytest

SMALL = "timm/test_efficientnet"


@pytest.fixture
def arguments(tiny_data, start_file):
    def make(*more):
        given = (
            "--data",
            tiny_data,
            "--backbone",
            SMALL,
            "--weights",
            start_file,
            "--fold",
            1,
            "--device",
            "cpu",
            "-q",
        )
        return ["transferability", *map(str, given), *map(str, more)]

    return make


def test_from_options_to_files(cli, arguments, tiny_data, tmp_path):
    code, out, err = cli(*arguments("--out", "o"))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 5 * 3 + 2
    assert lines[0].startswith("stem    linear_probe ")
    assert " %" in lines[0]
    assert lines[-2].startswith("head    leep ")
    body = json.loads((tmp_path / "o/record.json").read_text())
    assert body["probe"] == "transferability"
    assert {row["kind"] for row in body["rows"]} == {"score"}
    assert str(tiny_data) not in json.dumps([body["params"], body["rows"]])
    assert (tmp_path / "o/transferability.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "o/transferability.png").stat().st_size > 0
    assert (tmp_path / "o/arrays.safetensors").stat().st_size > 0


def test_a_run_gives_its_weights_and_its_own_classes(cli, arguments, small_run, tmp_path):
    assert cli(*arguments("--weights", small_run.path, "--out", "o"))[0] == 0
    rows = json.loads((tmp_path / "o/record.json").read_text())["rows"]
    assert rows[-1]["score"] == "leep"
    assert rows[-1]["n_features"] == 3


@pytest.mark.slow
def test_against_what_a_sweep_gave(cli, arguments, small_run, tmp_path):
    for verb in ("cutoff", "freeze"):
        assert cli(verb, "--ckpt", small_run.path, "--out", verb, "--trials", "t", "--device", "cpu", "-q")[0] == 0
    code, out, err = cli(*arguments("--out", "o", "--against", "cutoff", "freeze"))
    assert (code, err) == (0, "")
    said = [line for line in out.splitlines() if "kendall" in line]
    assert len(said) == 6
    assert said[0].startswith("linear_probe and cutoff of cutoff, kendall: ")
    assert "; the mere order of the 5 blocks has " in said[0]
    rows = json.loads((tmp_path / "o/record.json").read_text())["rows"]
    assert len([row for row in rows if row["kind"] == "treatment" and row["sweep"] == "freeze"]) == 5


def test_what_does_not_fit_is_one_line(fails, arguments, small_run, tmp_path):
    fails(2, ["transferability", "somewhere"], "somewhere: records come after --against")
    fails(3, arguments("--against", tmp_path / "nowhere"), "nowhere holds no record.json")
    fails(2, arguments("--against", small_run.path), "small is a record of fit; choose one of cells, cutoff, freeze")
    fails(2, arguments("--fold", 9), "fold=9 is no fold of tiny; choose from 1, 2, 3, 4, 5")
    fails(2, arguments("--normalize", "rows"), "normalize", "rows")
    fails(2, arguments("--backbone", "resnet"), "backbone='resnet' is unknown")


def test_options_of_training_are_no_options(fails, arguments):
    fails(2, arguments("--epochs", 3), "--epochs")
