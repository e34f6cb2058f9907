"""What a run keeps of every epoch."""

import shutil

import numpy as np
import pytest
import torch

from tlprobe.errors import CheckpointError
from tlprobe.numerics.cross_fitting import cross_fitted
from tlprobe.train.held_out import HELD_OUT, HeldOut, packed
from tlprobe.train.run import Run


def test_packing_keeps_the_predicted_class_and_the_soft_max():
    logits = 30 * torch.randn(500, 50, generator=torch.Generator().manual_seed(0))
    logits[:, 1] = logits[:, 0] * (1 + 1e-6)  # neighbours that float16 alone would make equal
    stored = torch.from_numpy(packed(logits).astype(np.float32))
    assert torch.equal(stored.argmax(1), logits.argmax(1))
    assert torch.allclose(stored.softmax(1), logits.softmax(1), atol=2e-3)
    assert float(stored.max()) == 0


def test_a_run_keeps_every_epochs_answers(tiny_run):
    found = tiny_run.held_out()
    row, history = tiny_run.record.rows[0], tiny_run.record.params["history"]
    assert found.logits.shape == (len(history), row["n"], 3)
    assert found.logits.dtype == np.float16
    assert found.correct.mean(axis=1) == pytest.approx([epoch["held_out_accuracy"] for epoch in history])
    assert row["accuracy"] == pytest.approx(found.correct[-1].mean())
    assert row["best_accuracy"] == pytest.approx(found.correct.mean(axis=1).max())
    assert row["cross_fitted_accuracy"] == pytest.approx(cross_fitted(found.correct, found.groups).mean())
    table = tiny_run.predictions()
    assert found.clips == table.clips
    assert [tiny_run.config.classes[i] for i in found.labels] == list(table.labels)
    last = torch.from_numpy(found.logits[-1].astype(np.float64)).softmax(1)
    assert np.allclose(last, table.probabilities, atol=2e-3)


def test_what_is_written_is_read():
    logits = np.array([[[0, -1], [-2, 0]]], dtype=np.float16)
    written = HeldOut(("a/ü.wav", "b.wav"), ("a", "b"), np.array([0, 0]), logits)
    read = HeldOut.from_bytes(written.to_bytes(), source="here")
    assert (read.clips, read.groups) == (written.clips, written.groups)
    assert np.array_equal(read.labels, written.labels)
    assert np.array_equal(read.logits, logits)
    assert read.correct.tolist() == [[True, False]]


@pytest.mark.parametrize("cut", [0, 5, 100])
def test_a_damaged_file_is_told(cut):
    data = HeldOut(("a",), ("a",), np.array([0]), np.zeros((1, 1, 2), np.float16)).to_bytes()
    with pytest.raises(CheckpointError, match="here is damaged"):
        HeldOut.from_bytes(data[:cut], source="here")


def test_a_missing_file_is_told(tiny_run, tmp_path):
    shutil.copytree(tiny_run.path, tmp_path / "copy")
    (tmp_path / "copy" / HELD_OUT).unlink()
    with pytest.raises(CheckpointError, match=r"held_out\.safetensors is missing"):
        Run.load(tmp_path / "copy").held_out()
