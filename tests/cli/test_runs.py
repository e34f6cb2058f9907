"""The verb ``runs``: which runs there are, and what is wrong with some."""

import json
import shutil
import subprocess
import sys

import pytest

from tlprobe.manifest import read_manifest, write_manifest

COLUMNS = ("run", "backbone", "init", "treatment", "data", "fold", "seed", "epochs", "accuracy", "MB")


@pytest.fixture
def folder(small_run, random_run, tmp_path):
    """Two finished runs, one of them a level deeper."""
    shutil.copytree(small_run.path, tmp_path / "runs" / "b")
    shutil.copytree(random_run.path, tmp_path / "runs" / "trials" / "a")
    return tmp_path / "runs"


def _unfinish(run, *, state="00001-000003"):
    for name in ("record.json", "weights.safetensors", "best.safetensors"):
        (run / name).unlink()
    entries = {name: entry for name, entry in read_manifest(run).items() if (run / name).is_file()}
    write_manifest(run, entries)
    if state:
        (run / "resume" / state).mkdir(parents=True)


def test_it_lists_what_runs_are(cli, folder, small_run):
    code, out, err = cli("runs")
    assert (code, err) == (0, "")
    head, first, second, total = out.splitlines()
    assert head.split() == list(COLUMNS)
    row = small_run.record.rows[0]
    accuracy = f"{100 * row['accuracy']:.1f} % [{100 * row['ci_low']:.1f} to {100 * row['ci_high']:.1f}]"
    n_bytes = sum(file.stat().st_size for file in (folder / "b").rglob("*"))
    name = small_run.source.name
    cells = f"runs/b timm/test_efficientnet {row['init']} full {name} 1 0 2 {accuracy} {n_bytes / 1e6:.1f}"
    assert first.split() == cells.split()
    assert second.split()[:4] == ["runs/trials/a", "timm/test_efficientnet", "random", "random"]
    assert total.startswith("2 runs (2 finished), ")


def test_it_sorts(cli, fails, folder, small_run, random_run):
    code, out, _ = cli("runs", folder, "--sort", "accuracy")
    assert code == 0
    found = [float(line.split(" % [")[0].split()[-1]) for line in out.splitlines()[1:3]]
    assert found == sorted(found, reverse=True)
    fails(2, ["runs", folder, "--sort", "size"], "sort='size'", "path, accuracy")


def test_unfinished_runs_say_how_far_they_got(cli, folder):
    _unfinish(folder / "b")
    _unfinish(folder / "trials" / "a", state="")
    code, out, _ = cli("runs", folder, "--sort", "accuracy")
    assert code == 0
    lines = out.splitlines()
    assert lines[1].endswith("UNFINISHED: saved after epoch 1 of 2 and 3 steps")
    assert lines[2].endswith("UNFINISHED: stopped before its first state")
    assert "%" not in "".join(lines[1:])
    assert lines[3].startswith("2 runs (2 unfinished)")


def _edit_record(run):
    (run / "record.json").write_text((run / "record.json").read_text().replace('"accuracy": ', '"accuracy": 1'))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda run: (run / "weights.safetensors").unlink(), "weights.safetensors is missing"),
        (lambda run: (run / "best.safetensors").write_bytes(b"x"), "best.safetensors is damaged: it has 1 bytes"),
        (_edit_record, "record.json is damaged"),
        (lambda run: (run / "record.json").write_text("[" * 100_000), "record.json is damaged"),
        (lambda run: (run / "config.json").write_text("{"), "config.json is damaged"),
        (lambda run: (run / "manifest.json").write_text("{"), "manifest.json is damaged"),
        (lambda run: (run / "manifest.json").unlink(), "manifest.json is missing"),
    ],
)
def test_damaged_runs_say_why(cli, folder, spoil, why):
    spoil(folder / "b")
    code, out, err = cli("runs", folder)
    assert (code, err) == (0, "")
    (line,) = [line for line in out.splitlines() if "DAMAGED" in line]
    assert f"DAMAGED: {why}" in line
    assert out.splitlines()[-1].startswith("2 runs (1 finished, 1 damaged)")


def test_what_is_no_run_is_not_listed(cli, fails, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps({"config": {}, "schema": 1}))
    assert cli("runs", tmp_path)[:2] == (0, f"no runs in {tmp_path}\n")
    fails(3, ["runs"], "runs is no folder")


def test_it_needs_no_torch(folder):
    code = "import sys; from tlprobe.cli.app import run; print(run(['runs']), 'torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder.parent)
    assert result.stdout.splitlines()[-1] == "0 False"
