"""Every script in analyses/ answers --help, has its two studies, and leaves record, figure and table."""

import runpy
import shutil
from pathlib import Path

import pytest

from tlprobe.records import Record
from tlprobe.studies.study_file import load_study

ANALYSES = Path(__file__).parents[1] / "analyses"
SCRIPTS = sorted(path.stem for path in ANALYSES.glob("*.py"))
PROBES = {
    "attributions_across_training": "attribute",
    "block_freezing": "cells",
    "deep_ensembles": "ensemble",
    "equal_parts": "cells",
    "faithfulness": "faithfulness",
    "fusion_shapes": "cells",
    "integrated_gradients": "attribute",
    "model_cutoff": "cells",
    "pretrained_vs_random": "pretrained_vs_random",
    "published_results": "cells",
    "representations": "cells",
    "transferability": "transferability",
    "weight_change": "svcca",
    "weight_fusion": "cells",
}
SMALL = "timm/test_efficientnet"


def run_script(name, arguments, monkeypatch):
    monkeypatch.setattr("sys.argv", [f"{name}.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ANALYSES / f"{name}.py"), run_name="__main__")
    return end.value.code


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    """One folder of trials, so that the scripts share what coincides."""
    return tmp_path_factory.mktemp("trials")


@pytest.fixture
def leave(trials, tiny_data, start_file, tmp_path, monkeypatch):
    """Run a script on a study of the tiny data, and return its record."""

    def run(name, treatments, *, seeds=(0,), inits=None):
        study = tmp_path / "own.yaml"
        study.write_text(
            f"data: {tiny_data}\nnetworks: [{SMALL}]\ninits: [{', '.join(inits or [str(start_file)])}]\nfolds: [1]\n"
            f"seeds: {list(seeds)}\ntreatments: [{treatments}]\nchanges: {{epochs: 1, batch_size: 8}}\n"
        )
        out = tmp_path / "out"
        given = ["--study", study, "--trials", trials, "--out", out, "--device", "cpu", "--quiet"]
        assert run_script(name, given, monkeypatch) == 0
        record = Record.load(out)
        assert record.probe == PROBES[name]
        assert record.rows
        assert (out / f"{name}.png").stat().st_size > 0
        assert (out / f"{name}.pdf").stat().st_size > 0
        assert Record.load(out / "study").probe == "study"
        return record, out

    return run


def test_every_analysis_of_the_paper_is_there():
    assert set(SCRIPTS) == set(PROBES)


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_states_the_claim(name, monkeypatch, capsys):
    assert run_script(name, ["--help"], monkeypatch) == 0
    shown = capsys.readouterr().out
    for part in ("Claim", "Command", "Run time", "Paper", "Ours", "--data", "--scale", "--study", "--jobs"):
        assert part in shown


@pytest.mark.parametrize("name", SCRIPTS)
def test_header_is_filled_in(name):
    assert "@" not in (ANALYSES / f"{name}.py").read_text(encoding="utf-8").split('"""')[1]


@pytest.mark.parametrize("name", SCRIPTS)
def test_its_studies_are_there_and_ask_the_same(name):
    small, paper = (load_study(ANALYSES / f"{name}{suffix}") for suffix in (".yaml", ".paper.yaml"))
    assert small.treatments == paper.treatments
    assert small.inits == paper.inits
    assert (small.recipe, paper.recipe) == ("quick", "paper")
    assert paper.networks[0] == "densenet201"


@pytest.mark.parametrize("file", sorted(ANALYSES.glob("*.medium.yaml")), ids=lambda file: file.name)
def test_the_medium_study_is_the_small_one_on_all_folds(file):
    small, medium = load_study(file.with_name(f"{file.name.split('.')[0]}.yaml")), load_study(file)
    assert (medium.folds, small.folds) == ("all", (4,))
    assert medium.changes["epochs"] > small.changes["epochs"]
    changed = {"folds": small.folds, "seeds": small.seeds, "changes": small.changes, "engine": small.engine}
    assert medium.model_copy(update=changed) == small


def test_weight_change(leave, start_file):
    record, _ = leave("weight_change", "full, random")
    assert {row["init"] for row in record.rows} == {start_file.stem, "random", "random pair"}
    assert {row["conv"] for row in record.rows} == {"positions", "pool"}
    assert all(row["corrected"] is not None for row in record.rows if row["block"] == "stem")


def test_pretrained_vs_random(leave, start_file):
    record, out = leave("pretrained_vs_random", "full", seeds=(0, 1), inits=[str(start_file), "random"])
    assert [row["treatment"] for row in record.rows] == ["full", "random"] * 2
    assert [len(curve["held_out_accuracy"]) for curve in record.params["curves"]] == [1] * 4
    table = (out / "table.md").read_text(encoding="utf-8")
    assert f"| {SMALL} |" in table
    assert "| densenet201 | ESC-50 | 91.2 ± 0.4 | 72.5 | — | — | — | — | — | — |" in table
    assert (out / "table.csv").read_text(encoding="utf-8").startswith("network,data_set,paper_pretrained")


def test_tables_two_and_three(leave):
    record, out = leave("deep_ensembles", "full", seeds=(0, 1))
    assert [(row["backbone"], row["fold"], row["members"]) for row in record.rows] == [(SMALL, 1, 2)]
    assert len(record.params["single"]) == 2
    assert "| resnet50 | GTZAN | 91.1 ± 0.9 | 92.0 | — |" in (out / "table.md").read_text(encoding="utf-8")
    shutil.rmtree(out)
    _, out = leave("published_results", "full", seeds=(0, 1))
    table = (out / "table.md").read_text(encoding="utf-8")
    assert "| ES-ResNet | as cited by the paper | 91.5 | 85.4 | — |" in table
    assert f"| {SMALL}, ensemble of 2 | ours | — | — | — |" in table  # on another data set than the paper's three
    assert (out / "table.tex").read_text(encoding="utf-8").count(r"\\") > 10


def test_integrated_gradients(leave):
    record, _ = leave("integrated_gradients", "full")
    assert len(record.rows) == 6  # of each class the surest and the least sure
    assert len({row["label"] for row in record.rows}) == 3


@pytest.mark.slow
def test_transferability(leave):
    record, _ = leave("transferability", "full, freeze, cutoff")
    assert {row["kind"] for row in record.rows} == {"score", "treatment", "correlation"}
    assert {row["sweep"] for row in record.rows if row["kind"] == "correlation"} == {"freeze", "cutoff"}


def test_attributions_across_training(leave, start_file):
    treatments = "full, {freeze: {blocks: [stem]}}"
    record, out = leave("attributions_across_training", treatments, inits=[str(start_file), "random"])
    assert [row["treatment"] for row in record.rows] == ["full"] * 3 + ["freeze"] * 3 + ["random"] * 3
    assert len(record.arrays["attribution"]) == 9
    assert {row["target"] for row in record.rows} == {"high", "low", "noise"}  # the true class of each clip
    table = (out / "table.md").read_text(encoding="utf-8")
    assert "mean over 3 clips and 95 % bootstrap" in table
    assert table.count("| freeze-stem") == 2  # of the pairs, with full and with random


@pytest.mark.slow
def test_faithfulness(leave):
    record, _ = leave("faithfulness", "full")
    assert len(record.params["clips"]) == 3


def test_a_figure_of_one_network_takes_one_run(leave, capsys):
    with pytest.raises(AssertionError):
        leave("integrated_gradients", "full", seeds=(0, 1))
    assert "the study has 2 fully fine-tuned ones" in capsys.readouterr().err


def test_nothing_that_is_there_is_lost(tiny_run, tmp_path, trials, monkeypatch, capsys):
    copied = shutil.copytree(tiny_run.path, tmp_path / "run")
    before = (copied / "record.json").read_bytes()
    arguments = ["--trials", trials, "--quiet", "--out"]
    assert run_script("integrated_gradients", [*arguments, copied], monkeypatch) == 2
    assert "is a run directory" in capsys.readouterr().err
    assert (copied / "record.json").read_bytes() == before
    Record("svcca", {}, [], {}).save(tmp_path / "other")
    assert run_script("integrated_gradients", [*arguments, tmp_path / "other"], monkeypatch) == 2
    assert "holds a finished svcca" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scale", "large"], "--scale 'large'; choose from small, medium, paper"),
        (["--study", "own.yaml", "--scale", "paper"], "--scale paper would be ignored"),
        (["--study", "missing.yaml"], "study missing.yaml is missing"),
    ],
)
def test_wrong_options_are_told(arguments, message, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run_script("weight_fusion", arguments, monkeypatch) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "treatments", "n_swept"),
    [
        ("weight_fusion", "full, random, fuse", 6),
        ("block_freezing", "full, freeze", 6),
        ("model_cutoff", "full, cutoff", 5),
        ("fusion_shapes", "full, {fuse: {shape: single}}, fuse", 12),
        ("equal_parts", "full, {fuse: {shape: single, partition: params, parts: 2}}", 3),
    ],
)
@pytest.mark.slow
def test_sweeps(name, treatments, n_swept, leave):
    record, out = leave(name, treatments)
    swept = [row for row in record.rows if row["block"] is not None]
    assert len(swept) == n_swept
    assert all(row["accuracy"] is not None for row in swept)
    assert (out / "table.md").read_text(encoding="utf-8").count(SMALL) == len(record.rows)
