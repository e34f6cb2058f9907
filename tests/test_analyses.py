"""Every script in analyses/ answers --help and, given a run, leaves a record and its figure."""

import runpy
import shutil
from pathlib import Path

import pytest

from tlprobe.errors import ParameterError
from tlprobe.records import Record
from tlprobe.studies.sweeps import Levels

ANALYSES = Path(__file__).parents[1] / "analyses"
SCRIPTS = sorted(path.stem for path in ANALYSES.glob("*.py"))
PROBES = {
    "block_freezing": "freeze",
    "integrated_gradients": "attribute",
    "model_cutoff": "cutoff",
    "pretrained_vs_random": "pretrained_vs_random",
    "weight_change": "svcca",
    "weight_fusion": "fuse",
}


def run_script(name, arguments, monkeypatch):
    monkeypatch.setattr("sys.argv", [f"{name}.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ANALYSES / f"{name}.py"), run_name="__main__")
    return end.value.code


def leaves_its_record(name, tiny_run, folder, trials, monkeypatch):
    arguments = ["--ckpt", tiny_run.path, "--trials", trials, "--out", folder, "--device", "cpu", "--quiet"]
    assert run_script(name, arguments, monkeypatch) == 0
    record = Record.load(folder)
    assert record.probe == PROBES[name]
    assert record.rows
    assert (folder / f"{name}.png").stat().st_size > 0
    assert (folder / f"{name}.pdf").stat().st_size > 0
    return record


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    """One folder of trials, so that the scripts share what coincides."""
    return tmp_path_factory.mktemp("trials")


def test_every_analysis_of_the_paper_is_there():
    assert set(SCRIPTS) == set(PROBES)


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_states_the_claim(name, monkeypatch, capsys):
    assert run_script(name, ["--help"], monkeypatch) == 0
    shown = capsys.readouterr().out
    for part in ("Claim", "Command", "Run time", "Paper", "Ours", "--folds", "--ckpt", "--epochs", "--backbone"):
        assert part in shown


@pytest.mark.parametrize("name", SCRIPTS)
def test_header_is_filled_in(name):
    assert "@" not in (ANALYSES / f"{name}.py").read_text(encoding="utf-8").split('"""')[1]


def test_weight_change(tiny_run, tmp_path, trials, monkeypatch):
    record = leaves_its_record("weight_change", tiny_run, tmp_path, trials, monkeypatch)
    assert {row["init"] for row in record.rows} == {"imagenet", "random", "random pair"}
    assert {row["conv"] for row in record.rows} == {"positions", "pool"}
    assert all(row["corrected"] is not None for row in record.rows if row["block"] == "stem")


def test_pretrained_vs_random(tiny_run, tmp_path, trials, monkeypatch):
    record = leaves_its_record("pretrained_vs_random", tiny_run, tmp_path, trials, monkeypatch)
    assert [row["treatment"] for row in record.rows] == ["full", "random"]
    assert [len(curve["held_out_accuracy"]) for curve in record.params["curves"]] == [2, 2]


def test_integrated_gradients(tiny_run, tmp_path, trials, monkeypatch):
    record = leaves_its_record("integrated_gradients", tiny_run, tmp_path, trials, monkeypatch)
    assert len({row["label"] for row in record.rows}) == len(record.rows) == 3  # one a class


def test_a_figure_of_one_network_takes_one_run(tiny_run, tmp_path, trials, monkeypatch, capsys):
    arguments = ["--ckpt", tiny_run.path, "--ckpt", tiny_run.path, "--trials", trials, "--out", tmp_path]
    assert run_script("integrated_gradients", arguments, monkeypatch) == 2
    assert "one --ckpt" in capsys.readouterr().err


def test_nothing_that_is_there_is_lost(tiny_run, tmp_path, trials, monkeypatch, capsys):
    copied = shutil.copytree(tiny_run.path, tmp_path / "run")
    before = (copied / "record.json").read_bytes()
    arguments = ["--ckpt", copied, "--trials", trials, "--quiet", "--out"]
    assert run_script("integrated_gradients", [*arguments, copied], monkeypatch) == 2
    assert "is a run directory" in capsys.readouterr().err
    assert (copied / "record.json").read_bytes() == before
    Record("svcca", {}, [], {}).save(tmp_path / "other")
    assert run_script("integrated_gradients", [*arguments, tmp_path / "other"], monkeypatch) == 2
    assert "holds a finished svcca" in capsys.readouterr().err


@pytest.mark.parametrize("name", SCRIPTS)
def test_options_that_a_run_makes_idle_are_refused(name, tiny_run, tmp_path, monkeypatch, capsys):
    arguments = ["--ckpt", tiny_run.path, "--epochs", 3, "--backbone", "resnet18", "--folds", 2, "--out", tmp_path]
    assert run_script(name, arguments, monkeypatch) == 2
    assert "--backbone, --folds, --epochs would be ignored" in capsys.readouterr().err


@pytest.mark.parametrize("name", SCRIPTS)
def test_data_that_has_moved_is_said_by_data(name, tiny_run, tmp_path, monkeypatch):
    """Every call that opens the run's data set is told where it is; what it computes is not the point here."""
    asked = []

    def levels(*_, data=None, **__):
        asked.append(data)
        return Levels(full=tiny_run, random=tiny_run)

    def probe(*_, data=None, **__):
        asked.append(data)
        raise ParameterError("enough")

    monkeypatch.setattr("tlprobe.studies.sweeps.levels", levels)
    for function in ("studies.sweeps.fuse", "studies.sweeps.freeze", "studies.sweeps.cutoff"):
        monkeypatch.setattr(f"tlprobe.{function}", probe)
    for function in ("probes.svcca.svcca", "probes.attribute.attribute"):
        monkeypatch.setattr(f"tlprobe.{function}", probe)
    arguments = ["--ckpt", tiny_run.path, "--data", tmp_path, "--out", tmp_path / "o"]
    code = run_script(name, arguments, monkeypatch)
    assert code == (0 if name == "pretrained_vs_random" else 2)  # it needs the two runs alone
    assert asked == [tmp_path] * (1 if name in ("pretrained_vs_random", "integrated_gradients") else 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["weight_fusion", "block_freezing", "model_cutoff"])
def test_sweeps(name, tiny_run, tmp_path, trials, monkeypatch):
    record = leaves_its_record(name, tiny_run, tmp_path, trials, monkeypatch)
    assert [row["block"] for row in record.rows if row["block"]] == record.params["blocks"]
