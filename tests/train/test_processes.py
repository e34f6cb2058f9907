"""Several processes that train one network end as one process does."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tlprobe.errors import ParameterError
from tlprobe.train.processes import Processes
from tlprobe.train.run import Run

JOB = Path(__file__).with_name("ddp_job.py")


def launch(n, *arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}", JOB]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.mark.parametrize("n_positions", [4, 5, 8, 9, 31, 32])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_parts_cover_a_batch_once_and_hold_mirror_images_together(n_positions, n):
    if n_positions // n < 2:
        with pytest.raises(ParameterError, match="too small for"):
            [Processes(rank, n).part(n_positions) for rank in range(n)]
        return
    try:
        parts = [Processes(rank, n).part(n_positions) for rank in range(n)]
    except ParameterError:
        assert n_positions < 4 * n
        return
    assert sorted(np.concatenate(parts)) == list(range(n_positions))
    for part in parts:
        assert list(part) == sorted(part)
        assert set(n_positions - 1 - part) == set(part)  # the flip of a part is that of the batch


def test_two_processes_give_what_one_gives(tiny_data, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    launch(1, tiny_data, one, "frozen-norm")
    launch(2, tiny_data, two, "frozen-norm")
    alone, together = Run.load(one), Run.load(two)
    for name, tensor in alone.state().items():
        torch.testing.assert_close(together.state()[name], tensor, atol=1e-6, rtol=1e-5)
    init = alone.state("init")
    assert any(not torch.allclose(init[name], tensor, atol=1e-3) for name, tensor in alone.state().items())  # trained
    np.testing.assert_allclose(together.predictions().probabilities, alone.predictions().probabilities, atol=1e-6)
    for a, b in zip(alone.record.params["history"], together.record.params["history"], strict=True):
        for name in ("train_loss", "train_accuracy", "held_out_loss", "held_out_accuracy"):
            assert b[name] == pytest.approx(a[name], abs=1e-6)
    assert together.record.provenance["n_processes"] == 2


@pytest.mark.slow
def test_with_batch_norm_the_run_says_that_statistics_are_of_each_part(tiny_data, tmp_path):
    launch(2, tiny_data, tmp_path / "run", "plain")
    about = Run.load(tmp_path / "run").record.provenance
    assert about["batch_norm"] == "statistics of each process's part"
