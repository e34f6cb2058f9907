"""Searches as real processes: killed, stopped by a signal, workers that die or draw the same."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tlprobe.records import Record
from tlprobe.studies.tune_journal import open_study

SMALL = "timm/test_efficientnet"

JOB = """
import sys
from tlprobe.cli.app import run
sys.exit(run(["tune", *sys.argv[1:], "--device", "cpu"]))
"""
LR = "lr: {low: 1.0e-5, high: 1.0e-2, log: true}, label_smoothing: {low: 0.0, high: 0.2}"


def start(tmp_path, tiny_data, *, n_trials, epochs, jobs, searched=LR):
    file = tmp_path / "space.yaml"
    file.write_text(
        f"data: {tiny_data}\nnetwork: {SMALL}\ninit: random\nchanges: {{epochs: {epochs}, batch_size: 8}}\n"
        f"space: {{{searched}}}\n"
    )
    command = [sys.executable, "-W", "error", "-c", JOB, "--space", file, "--trials", n_trials, "--jobs", jobs]
    command += ["--out", tmp_path / "out", "--trials-folder", tmp_path / "runs", "--no-prune"]
    return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def workers_of(process):
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True
    )
    return [int(pid) for pid in listed.stdout.split()]


def wait_for(found, *, process, seconds=200):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if found():
            return
        time.sleep(0.02)
    pytest.fail(f"waited in vain; exit code {process.poll()}: {process.communicate()[1]}")


def epochs_done(tmp_path):
    """Return how many epochs each run has, by name."""
    histories = sorted((tmp_path / "runs").glob("*/history.csv"))
    return {file.parent.name: len(file.read_text().splitlines()) - 1 for file in histories}


def ended(pids, *, seconds=60):
    end = time.monotonic() + seconds
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        assert time.monotonic() < end, "a worker trains on for a search that is gone"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_search_goes_on(tiny_data, tmp_path, jobs):
    options = {"n_trials": 3, "epochs": 12, "jobs": jobs}
    process = start(tmp_path, tiny_data, **options)
    wait_for(lambda: sorted(epochs_done(tmp_path).values())[-jobs:] >= [3] * jobs, process=process)
    workers = workers_of(process) if jobs > 1 else []
    process.kill()
    process.communicate()
    process = start(tmp_path, tiny_data, **options)  # at once: it waits for workers that still save
    said = process.communicate(timeout=280)
    assert process.returncode == 0, said
    ended(workers)
    record = Record.load(tmp_path / "out")
    assert record.params["n_finished"] == 3
    dead = [row for row in record.rows if row["state"] == "failed"]
    assert len(dead) == jobs
    assert all("goes on with it" in row["reason"] for row in dead)
    by_run = {row["run"]: row for row in record.rows if row["state"] == "complete"}
    assert {row["run"] for row in dead} <= by_run.keys()
    assert {row["epochs"] for row in by_run.values()} == {12}
    assert len(epochs_done(tmp_path)) == 3  # no training was begun twice
    if jobs == 1:
        assert "going on after epoch" in said[1]


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(tiny_data, tmp_path):
    process = start(tmp_path, tiny_data, n_trials=3, epochs=12, jobs=2)
    wait_for(lambda: sorted(epochs_done(tmp_path).values())[-2:] >= [2, 2], process=process)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    said = process.communicate(timeout=280)[1]
    assert process.returncode == 0, said
    assert said.count("ended with code -9; there is a new one") == 1
    record = Record.load(tmp_path / "out")
    assert sorted(row["state"] for row in record.rows) == ["complete"] * 3 + ["failed"]
    assert len(epochs_done(tmp_path)) == 3


@pytest.mark.slow
def test_workers_that_draw_the_same_values_share_a_run(tiny_data, tmp_path):
    process = start(tmp_path, tiny_data, n_trials=5, epochs=4, jobs=2, searched="gamma: [0.1]")
    said = process.communicate(timeout=200)[1]
    assert process.returncode == 0, said
    rows = Record.load(tmp_path / "out").rows
    assert [row["state"] for row in rows] == ["complete"] * 5
    assert len({row["run"] for row in rows}) == len(epochs_done(tmp_path)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_search_is_stopped_by_a_signal(tiny_data, tmp_path, jobs):
    process = start(tmp_path, tiny_data, n_trials=2, epochs=200, jobs=jobs)
    wait_for(lambda: len(epochs_done(tmp_path)) == jobs, process=process)
    workers = workers_of(process) if jobs > 1 else []
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "")
    assert "the same command goes on from there" in err
    ended(workers, seconds=1)
    assert len({path.parts[-3] for path in (tmp_path / "runs").glob("*/resume/*")}) == jobs  # saved
    study = open_study(tmp_path / "out", prune=False)
    assert [trial.state.name for trial in study.trials] == ["RUNNING"] * jobs
