"""Each verb from options to files: the record scripts rely on, the figure, and quiet streams."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import torch

from tlprobe import __version__
from tlprobe.train.run import Run

NUMBER = (int, float)
SWEEP = {
    "treatment": str,
    "shape": (str, type(None)),
    "block": (str, type(None)),
    "rest": (str, type(None)),
    "backbone": str,
    "init": str,
    "fold": int,
    "seed": int,
    "epochs": int,
    "accuracy": NUMBER,
    "n": int,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
}
FIELDS = {
    "fit": {
        "backbone": str,
        "init": str,
        "fold": int,
        "seed": int,
        "epochs": int,
        "accuracy": NUMBER,
        "best_accuracy": NUMBER,
        "n": int,
        "ci_low": NUMBER,
        "ci_high": NUMBER,
        "duration_s": NUMBER,
    },
    "fuse": SWEEP,
    "freeze": SWEEP,
    "cutoff": SWEEP,
    "svcca": {
        "run": str,
        "init": str,
        "against": str,
        "block": str,
        "layer": str,
        "block_y": str,
        "layer_y": str,
        "measure": str,
        "value": NUMBER,
        "ci_low": NUMBER,
        "ci_high": NUMBER,
        "null": NUMBER,
        "null_low": NUMBER,
        "null_high": NUMBER,
        "n_permutations": int,
        "corrected": NUMBER,
        "warnings": str,
        "n": int,
        "n_clips": int,
        "d_x": int,
        "d_y": int,
        "k_x": int,
        "k_y": int,
        "conv": str,
        "rule": str,
    },
    "attribute": {"clip": str, "label": str, "target": str, "predicted": str, "gap": NUMBER, "array_index": int},
    "ensemble": {
        "members": int,
        "accuracy": NUMBER,
        "nll": NUMBER,
        "calibration_error": NUMBER,
        "single_mean": NUMBER,
        "single_sd": NUMBER,
        "single_nll": NUMBER,
        "single_calibration_error": NUMBER,
        "disagreement": NUMBER,
        "soup_accuracy": (*NUMBER, type(None)),
        "soup_nll": (*NUMBER, type(None)),
        "soup_calibration_error": (*NUMBER, type(None)),
        "n": int,
        "ci_low": NUMBER,
        "ci_high": NUMBER,
    },
    "eval": {"accuracy": NUMBER, "n": int, "ci_low": NUMBER, "ci_high": NUMBER},
    "faithfulness": {"measure": str, "ranking": str, "mean": NUMBER, "low": NUMBER, "high": NUMBER, "n": int},
}


def check(folder, probe, tiny_data):
    """Check what a verb left, and return the rows."""
    body = json.loads((folder / "record.json").read_text())
    assert {"schema", "probe", "params", "rows", "provenance"} <= body.keys()
    assert body["probe"] == probe
    assert body["rows"]
    for row in body["rows"]:
        for name, kind in FIELDS[probe].items():
            assert isinstance(row[name], kind), (name, row[name])
            assert not isinstance(row[name], bool)
    data = body["provenance"]["data"]
    assert (data["name"], data["n_clips"], len(data["hash"])) == ("tiny", 30, 64)
    assert str(tiny_data) not in json.dumps([body["params"], body["rows"], data])  # no path of this machine
    assert (folder / f"{probe}.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / f"{probe}.png").read_bytes().startswith(b"\x89PNG")
    return body["rows"]


def test_version(cli):
    assert cli("--version") == (0, f"tlprobe {__version__}\n", "")


def test_fit(small_run, tiny_data):
    (row,) = check(small_run.path, "fit", tiny_data)
    assert (row["backbone"], row["init"], row["fold"], row["epochs"], row["n"]) == (
        "timm/test_efficientnet",
        "start",
        1,
        2,
        6,
    )


def test_fit_again_is_found_and_says_its_result(cli, fit_arguments, small_run):
    code, out, err = cli(*fit_arguments("--out", small_run.path))
    assert code == 0
    (line,) = out.splitlines()
    assert line.startswith("timm/test_efficientnet from start, fold 1, 2 epochs: ")
    assert re.search(r"% \(95 % interval [\d.]+ to [\d.]+, n = 6\), in \d+ s; run: ", line)
    assert line.endswith(f"run: {small_run.path}   figure: {small_run.path / 'fit.pdf'}")
    assert "is finished; nothing to do" in err


def test_fit_keeps_the_epochs_asked_for(cli, fails, fit_arguments, small_run, tmp_path):
    for asked, kept in (("2", (2,)), ("all", (1, 2))):
        assert cli(*fit_arguments("--out", "run", "--keep-epochs", asked, "--overwrite", "-q"))[0] == 0
        assert Run.load(tmp_path / "run").kept_epochs == kept
    fails(2, fit_arguments("--out", small_run.path, "--keep-epochs", "1,2", "-q"), "past epoch 1", "--overwrite")


def test_freeze_starts_from_init_and_never_from_the_tuned_weights(cli, small_run, tiny_data, tmp_path):
    code, out, err = cli("freeze", "--upto", "block2", "--ckpt", small_run.path, "--out", "o", "--trials", "t", "-q")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["block2", "full", "record:"]
    rows = check(tmp_path / "o", "freeze", tiny_data)
    assert [(row["treatment"], row["block"], row["rest"]) for row in rows] == [
        ("freeze", "block2", "trained"),
        ("full", None, None),
    ]
    trial = Run.load(tmp_path / "t" / rows[0]["run"])
    start, init, tuned = trial.state("init"), small_run.state("init"), small_run.state("weights")
    assert start.keys() == init.keys()
    assert all(torch.equal(start[name], init[name]) for name in init)
    assert not any(torch.equal(start[name], tuned[name]) for name in init if name.endswith("weight"))
    # It was trained, and what is frozen was not.
    end, block_of = trial.state("weights"), trial.model().block_of()
    changed = {block_of.get(name, "head") for name in end if not torch.equal(end[name], start[name])}
    assert changed == {"block3", "block4", "head"}


@pytest.mark.parametrize(("probe", "option"), [("fuse", "--upto"), ("cutoff", "--after")])
def test_the_other_sweeps_of_one_block(cli, small_run, tiny_data, tmp_path, probe, option):
    code, _out, err = cli(probe, option, "block3", "--ckpt", small_run.path, "--out", "o", "--trials", "t", "-q")
    assert (code, err) == (0, "")
    rows = check(tmp_path / "o", probe, tiny_data)
    assert [(row["treatment"], row["block"]) for row in rows] == [(probe, "block3"), ("full", None)]


def test_svcca_of_two_runs(cli, small_run, random_run, tiny_data, tmp_path):
    code, out, err = cli("svcca", "--ckpt", small_run.path, random_run.path, "--out", "o", "-q")
    assert (code, err) == (0, "")
    rows = check(tmp_path / "o", "svcca", tiny_data)
    assert [row["init"] for row in rows] == ["start"] * 5 + ["random"] * 5
    assert len(out.splitlines()) == 12
    line = out.splitlines()[0]
    first = rows[0]
    assert f"svcca {first['value']:.3f} [{first['ci_low']:.3f}, {first['ci_high']:.3f}]" in line
    assert f"null {first['null']:.3f}" in line
    distances = json.loads((tmp_path / "o" / "weights" / "record.json").read_text())
    assert distances["probe"] == "weight_distance"
    assert [row["block"] for row in distances["rows"]] == [row["block"] for row in rows]
    assert (tmp_path / "o" / "weights" / "weight_distance.png").is_file()


def test_svcca_as_asked(cli, small_run, random_run, tmp_path):
    asked = ("svcca", "--ckpt", small_run.path, "--out", "o", "-q", "--groups", 0, "--permutations", 0)
    options = (
        "--measure",
        "cka-debiased",
        "--measure",
        "mean-cca",
        "--conv",
        "pool",
        "--layers",
        "stem",
        "--layers",
        "bn1",
    )
    code, out, err = cli(*asked, *options, "--split", "all", "--clips", 12, "--rule", "sum")
    assert (code, err) == (0, "")
    body = json.loads((tmp_path / "o" / "record.json").read_text())
    assert [(row["layer"], row["measure"], row["n_clips"], row["conv"]) for row in body["rows"]] == [
        (layer, measure, 12, "pool") for layer in ("stem.2", "bn1") for measure in ("mean_cca", "cka_debiased")
    ]
    assert "cka_debiased" in out
    code, _, err = cli(*asked)
    assert code == 2
    assert "--overwrite" in err


def test_svcca_against_another_run_and_as_a_grid(cli, small_run, random_run, tmp_path):
    asked = ("svcca", "--ckpt", small_run.path, "-q", "--groups", 0, "--permutations", 0)
    for name, options, n_rows in (
        ("against", ("--against", random_run.path), 5),
        ("grid", ("--grid",), 25),
        ("both", ("--against", random_run.path, "--grid", "--measure", "cka"), 25),
    ):
        code, out, err = cli(*asked, *options, "--out", name)
        assert (code, err) == (0, "")
        assert len(json.loads((tmp_path / name / "record.json").read_text())["rows"]) == n_rows
        assert (tmp_path / name / "svcca.png").is_file()
        assert not (tmp_path / name / "weights").exists()
    code, out, _ = cli(*asked, "--grid", "--measure", "all", "--out", "long")
    assert code == 0
    assert "110 more in long/record.csv" in out


def test_svcca_over_training(cli, tiny_data, tmp_path):
    fit = ("fit", "--data", tiny_data, "--backbone", "timm/test_efficientnet", "--weights", "random", "--epochs", 2)
    assert cli(*fit, "--keep-epochs", "1", "--out", "run", "-q")[0] == 0
    code, out, err = cli("svcca", "--ckpt", "run", "--over-training", "--groups", 0, "--out", "o", "-q")
    assert (code, err) == (0, "")
    rows = json.loads((tmp_path / "o" / "record.json").read_text())["rows"]
    assert [row["epoch"] for row in rows] == [0] * 5 + [1] * 5
    assert "epoch 1" in out
    distances = json.loads((tmp_path / "o" / "weights" / "record.json").read_text())["rows"]
    assert {row["epoch"] for row in distances} == {1, None}


def test_attribute(cli, small_run, tiny_data, tmp_path):
    asked = ("attribute", "--ckpt", small_run.path, "--n-steps", 50, "--out", "o", "-q")
    code, out, err = cli(*asked, "--clip", "low/1.wav", tiny_data / "high" / "2.wav")
    assert (code, err) == (0, "")
    rows = check(tmp_path / "o", "attribute", tiny_data)
    assert [row["clip"] for row in rows] == ["low/1.wav", "high/2.wav"]
    assert len(out.splitlines()) == 4  # a line a clip, the shares, and where it is
    assert (tmp_path / "o" / "arrays.safetensors").is_file()


def test_ensemble(cli, small_run, random_run, tiny_data, tmp_path):
    code, out, err = cli("ensemble", "--ckpt", small_run.path, "--ckpt", random_run.path, "--out", "o", "-q")
    assert (code, err) == (0, "")
    (row,) = check(tmp_path / "o", "ensemble", tiny_data)
    assert row["members"] == 2
    members, single, soup, disagreement, _record = out.splitlines()
    assert re.match(r"2 members: [\d.]+ % \(95 % interval .*, n = 6\); NLL [\d.]+ nats, ECE [\d.]+ %$", members)
    assert re.match(r"single runs: [\d.]+ ± [\d.]+ % \(mean ± sd\); on average NLL [\d.]+ nats, ECE [\d.]+ %$", single)
    assert soup == "no weight soup: random and small differ in treatment"
    assert re.match(r"two members disagree on [\d.]+ % of the clips", disagreement)


def test_ensemble_with_its_soup(cli, fails, fit_arguments, small_run, tiny_data, tmp_path):
    assert cli(*fit_arguments("--out", "other", "--seed", 1, "-q"))[0] == 0
    asked = ("ensemble", "--ckpt", small_run.path, "other", "--out", "o", "-q")
    code, out, err = cli(*asked, "--soup", "--data", tiny_data, "--device", "cpu")
    assert (code, err) == (0, "")
    (row,) = check(tmp_path / "o", "ensemble", tiny_data)
    soup = out.splitlines()[2]
    assert soup.startswith(f"weight soup: {100 * row['soup_accuracy']:.1f} % (95 % interval ")
    assert soup.endswith(f"NLL {row['soup_nll']:.3f} nats, ECE {100 * row['soup_calibration_error']:.1f} %")
    fails(2, [*asked, "--no-soup"], "finished ensemble of other options")
    code, out, _err = cli(*asked, "--no-soup", "--overwrite")
    assert code == 0
    assert "no weight soup: not asked for" in out.splitlines()
    assert check(tmp_path / "o", "ensemble", tiny_data)[0]["soup_accuracy"] is None


def test_eval(cli, small_run, tiny_data, tmp_path):
    code, _out, err = cli("eval", "--ckpt", small_run.path, "--out", "o", "-q")
    assert (code, err) == (0, "")
    (row,) = check(tmp_path / "o", "eval", tiny_data)
    assert row["accuracy"] == small_run.record.rows[0]["accuracy"]
    assert len((tmp_path / "o" / "predictions.csv").read_text().splitlines()) == 7


def test_eval_names_a_clip(cli, small_run, tiny_data, tmp_path):
    code, out, err = cli("eval", "--ckpt", small_run.path, "--clip", "low/1.wav", "--out", "o", "-q")
    assert (code, err) == (0, "")
    (row,) = json.loads((tmp_path / "o" / "record.json").read_text())["rows"]
    assert row["clip"] == "low/1.wav"
    assert row["accuracy"] is row["n"] is row["ci_low"] is row["ci_high"] is None
    assert out.startswith(f"low/1.wav  {row['predicted']}")


def test_a_weight_file_is_a_checkpoint(cli, small_run, tiny_data, tmp_path):
    about = ("--backbone", "timm/test_efficientnet", "--data", tiny_data, "--fold", 1)
    file = small_run.path / "weights.safetensors"
    code, _out, err = cli("eval", "--ckpt", file, *about, "--out", "o", "-q")
    assert (code, err) == (0, "")
    (row,) = check(tmp_path / "o", "eval", tiny_data)
    assert row["accuracy"] == small_run.record.rows[0]["accuracy"]


def test_notes_and_bars_stay_off_standard_output(cli, fit_arguments, tmp_path):
    code, out, err = cli(*fit_arguments("--out", "run", epochs=1))
    assert code == 0
    assert len(out.splitlines()) == 1
    assert "epoch 1/1: loss" in err
    assert "\r" not in err  # no bar where there is no terminal


def test_figure_draws_records_again_without_torch(small_run, tmp_path):
    folder = small_run.path
    code = (
        "import sys; from tlprobe.cli.app import run; "
        f"code = run(['figure', {str(folder)!r}, {str(folder)!r}, '--out', 'two.pdf']); "
        "print(code, 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert result.stdout.splitlines()[-1] == "0 False"
    assert (tmp_path / "two.pdf").is_file()
    assert (tmp_path / "two.png").is_file()


def test_attributions_are_heard_and_measured(cli, fails, small_run, tiny_data, tmp_path):
    asked = ["--ckpt", small_run.path, "--n-clips", 2, "--n-steps", 4, "--device", "cpu", "-q"]
    code, out, _ = cli("attribute", *asked, "--choose", "extremes", "--listen", "--out", "heard")
    assert code == 0
    assert out.count("of what is kept") == 2
    assert len(list((tmp_path / "heard" / "sounds").glob("*.wav"))) == 4
    code, out, err = cli("faithfulness", *asked, "--choose", "drawn", "--no-checks", "--out", "measured")
    assert (code, err) == (0, "")
    measures = [line.split()[0] for line in out.splitlines()[:20]]
    assert measures == ["insertion"] * 5 + ["deletion"] * 5 + ["infidelity"] * 10
    check(tmp_path / "measured", "faithfulness", tiny_data)
    fails(2, ["attribute", *asked, "--baseline", "zero"], "baseline='zero'", "silence, mean, blurred, shuffled, all")


def test_methods_and_runs_beside_each_other(cli, fails, small_run, tmp_path):
    asked = ["--n-clips", 2, "--n-steps", 2, "--tolerance", 100, "--device", "cpu", "-q"]
    methods = ["--method", "integrated-gradients", "--method", "grad-cam", "--block", "block1"]
    pages = ["--channels", "--waveform", "--contact-sheet"]
    code, out, err = cli("attribute", "--ckpt", small_run.path, *asked, *methods, *pages, "--out", "one")
    assert (code, err) == (0, "")
    assert "grad-cam at block1" in out
    assert (tmp_path / "one" / "contact_sheet.pdf").is_file()
    places = (tmp_path / "one" / "shortcuts.csv").read_text().splitlines()
    assert places[0].startswith("run,way,label,n,n_silent,padding,padding_area,above,")
    assert len(places) == 1 + 2 * 3  # two ways, each all clips and two classes
    other = shutil.copytree(small_run.path, tmp_path / "other" / small_run.path.name)
    both = ["--ckpt", small_run.path, "--ckpt", other]
    code, out, _ = cli("attribute", *both, *asked, "--out", "two")
    assert code == 0
    assert len(json.loads((tmp_path / "two" / "record.json").read_text())["rows"]) == 4
    fails(2, ["attribute", *both, "--method", "lime"], "method='lime'", "choose from integrated-gradients, gradient-x")
    file = small_run.path / "weights.safetensors"
    fails(
        2,
        ["attribute", "--ckpt", file, "--ckpt", file, "--backbone", "timm/test_efficientnet"],
        "a weight file comes alone",
    )
