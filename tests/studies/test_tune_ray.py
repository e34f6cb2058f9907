"""A search whose workers are tasks of Ray: the same journal, runs and record as that of worker processes."""

import sys

import pytest

from tlprobe.errors import ParameterError
from tlprobe.studies.engine import Engine
from tlprobe.studies.space import Space
from tlprobe.studies.tune import tune
from tlprobe.train.run import Run

SMALL = "timm/test_efficientnet"


@pytest.fixture
def space(tiny_data):
    return Space(
        data=tiny_data,
        network=SMALL,
        init="random",
        changes={"epochs": 1, "batch_size": 8},
        space={"lr": {"low": 1e-5, "high": 1e-1, "log": True}},
    )


def test_a_missing_ray_is_told_in_a_line(space, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ParameterError, match=r"^engine ray needs Ray: pip install 'tlprobe\[ray\]'$"):
        tune(space, out=tmp_path / "out", trials=tmp_path / "runs", n_trials=2, engine=Engine(name="ray"), device="cpu")


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore:.*subprocess .* is still running:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*:pytest.PytestUnraisableExceptionWarning")
def test_workers_on_ray_share_a_search(space, tmp_path):
    record = tune(
        space,
        out=tmp_path / "out",
        trials=tmp_path / "runs",
        n_trials=4,
        sampler="random",
        engine=Engine(name="ray", jobs=2),
        device="cpu",
        progress=False,
    )
    assert [row["state"] for row in record.rows] == ["complete"] * 4
    assert len({row["lr"] for row in record.rows}) == 4
    best = max(record.rows, key=lambda row: row["inner_accuracy"])
    assert record.params["chosen"]["inner_accuracy"] == best["inner_accuracy"]
    for row in record.rows:
        run = Run.load(tmp_path / "runs" / row["run"])
        assert run.config.recipe.lr == row["lr"]
        assert run.record.rows[0]["inner_accuracy"] == row["inner_accuracy"]
