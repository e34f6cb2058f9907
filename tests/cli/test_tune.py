"""``tlprobe tune``: from a space file to a recipe that `tlprobe fit` takes."""

import json
import subprocess
import sys

import pytest

SMALL = "timm/test_efficientnet"


@pytest.fixture
def file(tiny_data, tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(
        f"data: {tiny_data}\nnetwork: {SMALL}\ninit: random\nchanges: {{epochs: 1, batch_size: 8}}\n"
        "space: {lr: {low: 1.0e-4, high: 1.0e-2, log: true}, optimizer: [adam, sgd]}\n"
    )
    return path


def test_from_a_space_to_a_recipe(cli, file, tmp_path, tiny_data):
    arguments = ("tune", "--space", file, "--trials-folder", "t", "--out", "o", "--device", "cpu", "-q")
    code, out, err = cli(*arguments, "--trials", 2)
    assert (code, err) == (0, "")
    record = json.loads((tmp_path / "o" / "record.json").read_text())
    assert [row["state"] for row in record["rows"]] == ["complete"] * 2
    assert record["provenance"]["optuna"].startswith("5.")
    chosen = record["params"]["chosen"]
    lines = out.splitlines()
    assert lines[0].startswith(f"chosen: trial {chosen['number']} (lr: ")
    assert lines[0].endswith(f"{100 * chosen['inner_accuracy']:.1f} % of 6 clips of the inner fold, which chose it")
    assert lines[1].startswith("on the held-out fold, which was never looked at for a choice: ")
    assert f"{100 * chosen['accuracy']:.1f} % (95 % interval " in lines[1]
    assert lines[2] == f"recipe: o/best.yaml   run: t/{chosen['run']}"
    assert {path.name for path in (tmp_path / "o").iterdir()} >= {"best.yaml", "record.csv", "tune.pdf", "tune.png"}
    assert sorted(path.name for path in (tmp_path / "t").iterdir()) == sorted(row["run"] for row in record["rows"])
    again = cli(*arguments, "--trials", 2)
    assert again == (code, out, err)
    fit = ("fit", "--data", tiny_data, "--backbone", SMALL, "--weights", "random", "--recipe", "o/best.yaml")
    code, _out, err = cli(*fit, "--out", "run", "--device", "cpu", "-q")
    assert (code, err) == (0, "")
    config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]["recipe"]
    assert (config["lr"], config["optimizer"], config["epochs"]) == (*chosen["values"].values(), 1)
    assert cli("figure", "o", "--out", "again", "-q")[0] == 0
    code, out, err = cli(*arguments, "--trials", 2, "--sampler", "tpe")
    assert (code, out) == (2, "")
    assert err == "tlprobe: o holds a search with other sampler; give another --out\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--sampler", "grid"), "sampler: Input should be 'gp', 'tpe' or 'random' (given: 'grid')"),
        (("--trials", "0"), "given: --trials 0"),
        (("--jobs", "0"), "given: --jobs 0"),
        (("--data", "nowhere"), "nowhere"),
    ],
)
def test_wrong_options_are_told_in_a_line(cli, file, options, said):
    code, out, err = cli("tune", "--space", file, "-q", *options)
    assert out == ""
    assert code in (2, 3)
    assert len(err.splitlines()) == 1
    assert said in err


def test_a_wrong_file_is_told_in_a_line(fails, tmp_path):
    (tmp_path / "bad.yaml").write_text("network: resnet\nspace: {lrr: [1]}\n")
    fails(2, ("tune", "--space", tmp_path / "bad.yaml"), "did you mean resnet50?", "space.lrr.[key]: no recipe value")
    fails(2, ("tune", "--space", "none.yaml"), "space none.yaml is missing")
    fails(2, ("tune",), "--space")


def test_without_optuna_the_extra_is_named(file):
    code = "import sys; sys.modules['optuna'] = None; from tlprobe.cli.app import run; sys.exit(run(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "tune", "--space", file], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "tlprobe: a search needs Optuna: pip install 'tlprobe[tune]'\n"
