"""The table of predictions: by hand, and refused when damaged."""

import shutil

import numpy as np
import pytest

from tlprobe.errors import CheckpointError
from tlprobe.train.predictions import Predictions
from tlprobe.train.run import Run


@pytest.fixture
def copy(straight, tmp_path):
    """A copy of a finished run, to be damaged."""
    return shutil.copytree(straight.path, tmp_path / "copy")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text.splitlines()[0],
        lambda text: text.replace("high", "haigh", 1),
        lambda text: text.replace("clip,label,predicted,high,low", "clip,label,predicted,low,high"),
        lambda text: text[: text.rindex(",")],
        lambda text: text + "a,b,c,d,e,f\n",
        lambda text: text + "a.wav,high,high,0.5\n",
        lambda text: text + "a.wav,high,high,nan,0.5,0.5\n",
        lambda text: "\udcff" + text,
    ],
)
def test_damaged_predictions(copy, change):
    file = copy / "predictions.csv"
    file.write_bytes(change(file.read_text()).encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match=r"copy/predictions\.csv is damaged: "):
        Run.load(copy).predictions()
    with pytest.raises(CheckpointError, match=r"copy/predictions\.csv is missing or damaged"):
        Predictions.read(file, classes=("high", "low", "noise"))  # without a manifest to go by


def test_missing_predictions(copy):
    (copy / "predictions.csv").unlink()
    with pytest.raises(CheckpointError, match=r"copy/predictions\.csv is missing"):
        Run.load(copy).predictions()


def test_predictions_by_hand(copy):
    table = Predictions(
        clips=("a,b.wav", "c.wav", "d.wav"),
        labels=("high", "low", "noise"),
        classes=("high", "low", "noise"),
        probabilities=np.array([[0.7, 0.2, 0.1], [0.1, 1 / 3, 0.9], [0.0, 1e-12, 1.0]]),
    )
    assert table.predicted == ("high", "noise", "noise")
    assert table.n_correct == 2
    (copy / "predictions.csv").write_text(table.to_csv())
    back = Predictions.read(copy / "predictions.csv", classes=table.classes)
    assert (back.clips, back.labels, back.classes) == (table.clips, table.labels, table.classes)
    np.testing.assert_array_equal(back.probabilities.astype(np.float32), table.probabilities.astype(np.float32))
