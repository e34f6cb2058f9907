"""Each verb that trains, from options to files: the record scripts rely on, the figure, and quiet streams."""

import re

import pytest
import torch

from tlprobe import __version__
from tlprobe.train.run import Run


def test_version(cli):
    assert cli("--version") == (0, f"tlprobe {__version__}\n", "")


def test_fit(check, small_run, tiny_data):
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


def test_freeze_starts_from_init_and_never_from_the_tuned_weights(check, cli, small_run, tiny_data, tmp_path):
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
def test_the_other_sweeps_of_one_block(check, cli, small_run, tiny_data, tmp_path, probe, option):
    code, _out, err = cli(probe, option, "block3", "--ckpt", small_run.path, "--out", "o", "--trials", "t", "-q")
    assert (code, err) == (0, "")
    rows = check(tmp_path / "o", probe, tiny_data)
    assert [(row["treatment"], row["block"]) for row in rows] == [(probe, "block3"), ("full", None)]


def test_notes_and_bars_stay_off_standard_output(cli, fit_arguments, tmp_path):
    code, out, err = cli(*fit_arguments("--out", "run", epochs=1))
    assert code == 0
    assert len(out.splitlines()) == 1
    assert "epoch 1/1: loss" in err
    assert "\r" not in err  # no bar where there is no terminal
