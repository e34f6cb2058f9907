"""Each verb that reads or explains runs, from options to files: the record, the figure, and what is printed."""

import json
import re
import shutil
import subprocess
import sys


def test_svcca_of_two_runs(check, cli, small_run, random_run, tiny_data, tmp_path):
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


def test_attribute(check, cli, small_run, tiny_data, tmp_path):
    asked = ("attribute", "--ckpt", small_run.path, "--n-steps", 50, "--out", "o", "-q")
    code, out, err = cli(*asked, "--clip", "low/1.wav", tiny_data / "high" / "2.wav")
    assert (code, err) == (0, "")
    rows = check(tmp_path / "o", "attribute", tiny_data)
    assert [row["clip"] for row in rows] == ["low/1.wav", "high/2.wav"]
    assert len(out.splitlines()) == 4  # a line a clip, the shares, and where it is
    assert (tmp_path / "o" / "arrays.safetensors").is_file()


def test_ensemble(check, cli, small_run, random_run, tiny_data, tmp_path):
    code, out, err = cli("ensemble", "--ckpt", small_run.path, "--ckpt", random_run.path, "--out", "o", "-q")
    assert (code, err) == (0, "")
    (row,) = check(tmp_path / "o", "ensemble", tiny_data)
    assert row["members"] == 2
    members, single, soup, disagreement, _record = out.splitlines()
    assert re.match(r"2 members: [\d.]+ % \(95 % interval .*, n = 6\); NLL [\d.]+ nats, ECE [\d.]+ %$", members)
    assert re.match(r"single runs: [\d.]+ ± [\d.]+ % \(mean ± sd\); on average NLL [\d.]+ nats, ECE [\d.]+ %$", single)
    assert soup == "no weight soup: random and small differ in treatment"
    assert re.match(r"two members disagree on [\d.]+ % of the clips", disagreement)


def test_ensemble_with_its_soup(check, cli, fails, fit_arguments, small_run, tiny_data, tmp_path):
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


def test_eval(check, cli, small_run, tiny_data, tmp_path):
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
    assert out.startswith(f"low/1.wav  {row['predicted']} {100 * row['probability']:.1f} %, ")
    shares = [float(share) for share in re.findall(r"([\d.]+) %", out.splitlines()[0])]
    assert len(shares) == 3  # of three classes, so they are all
    assert abs(sum(shares) - 100) < 0.2


def test_a_weight_file_is_a_checkpoint(check, cli, small_run, tiny_data, tmp_path):
    about = ("--backbone", "timm/test_efficientnet", "--data", tiny_data, "--fold", 1)
    file = small_run.path / "weights.safetensors"
    code, _out, err = cli("eval", "--ckpt", file, *about, "--out", "o", "-q")
    assert (code, err) == (0, "")
    (row,) = check(tmp_path / "o", "eval", tiny_data)
    assert row["accuracy"] == small_run.record.rows[0]["accuracy"]


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


def test_attributions_are_heard_and_measured(check, cli, fails, small_run, tiny_data, tmp_path):
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
