"""Every script in analyses/ answers --help and, given a run, leaves a record and its figure."""

import runpy
from pathlib import Path

import pytest

from tlprobe.records import Record

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
    assert {row["init"] for row in record.rows} == {"imagenet", "random"}


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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["weight_fusion", "block_freezing", "model_cutoff"])
def test_sweeps(name, tiny_run, tmp_path, trials, monkeypatch):
    record = leaves_its_record(name, tiny_run, tmp_path, trials, monkeypatch)
    assert [row["block"] for row in record.rows if row["block"]] == record.params["blocks"]
