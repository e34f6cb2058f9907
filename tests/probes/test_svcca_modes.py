"""Run against run, all layers with all, over training, and on which clips."""

import numpy as np
import pytest

from tlprobe.errors import ParameterError
from tlprobe.probes.svcca import svcca
from tlprobe.train.fit import fit
from tlprobe.train.material import FitOptions

BLOCK_NAMES = ["stem", "block1", "block2", "block3", "block4"]


@pytest.fixture(scope="module")
def small_runs(tmp_path_factory, tiny_data):
    """Two seeds of a small network, with kept epochs; and the same on another fold."""
    folder = tmp_path_factory.mktemp("small")
    runs = {}
    for name, changes in {"a": {}, "b": {"seed": 1}, "fold2": {"fold": 2}}.items():
        options = FitOptions(
            data=tiny_data,
            backbone="timm/test_efficientnet",
            weights="random",
            changes={"epochs": 3, "batch_size": 8},
            **changes,
        )
        runs[name] = fit(options, out=folder / name, device="cpu", keep_epochs=[1, 2], progress=False)
    return runs


def quick(ckpt, **options):
    options = {"n_groups": 0, "n_permutations": 0} | options
    return svcca(ckpt, device="cpu", progress=False, **options)


# --- other modes --------------------------------------------------------------------------------------


def test_run_against_run(small_runs):
    record = quick(small_runs["a"], against=small_runs["b"])
    assert record.params["mode"] == "against"
    assert record.params["against"] == "b"
    assert record.params["runs"] == ["a"]
    assert {(row["run"], row["against"]) for row in record.rows} == {("a", "b")}
    same = quick(small_runs["a"], against=small_runs["a"].path)
    assert [row["value"] for row in same.rows] == pytest.approx([1.0] * 5, abs=1e-6)
    back = quick(small_runs["b"], against=small_runs["a"])
    assert [row["value"] for row in back.rows] == pytest.approx([row["value"] for row in record.rows], abs=1e-6)


def test_runs_that_share_no_clips_are_refused(small_runs, tiny_run):
    with pytest.raises(ParameterError, match="a holds out fold 1, fold2 fold 2: their held-out clips are not the same"):
        quick(small_runs["a"], against=small_runs["fold2"])
    rows = quick(small_runs["a"], against=small_runs["fold2"], split="all").rows
    assert rows[0]["n_clips"] == 30
    with pytest.raises(ParameterError, match="do not match one by one"):
        quick(small_runs["a"], against=tiny_run, layers="all")


def test_grid_compares_all_with_all(small_runs):
    record = quick(small_runs["a"], grid=True)
    assert record.params["mode"] == "grid"
    assert [(row["block"], row["block_y"]) for row in record.rows] == [(x, y) for x in BLOCK_NAMES for y in BLOCK_NAMES]
    change = quick(small_runs["a"]).rows
    diagonal = [row for row in record.rows if row["block"] == row["block_y"]]
    assert [row["value"] for row in diagonal] == pytest.approx([row["value"] for row in change], abs=1e-9)
    assert any("pooled to" in row["conv"] for row in record.rows)
    with_other = quick(small_runs["a"], against=small_runs["b"], grid=True)
    assert {row["against"] for row in with_other.rows} == {"b"}
    assert with_other.params["mode"] == "grid"


def test_over_training_goes_from_the_start_to_the_end(small_runs):
    record = quick(small_runs["a"], over_training=True)
    assert record.params["mode"] == "training"
    assert [row["epoch"] for row in record.rows] == [0] * 5 + [1] * 5 + [2] * 5
    assert {row["against"] for row in record.rows} == {"final"}
    change = quick(small_runs["a"]).rows
    start = [row["value"] for row in record.rows[:5]]
    assert start == pytest.approx([row["value"] for row in change], abs=1e-6)
    last = [row["value"] for row in record.rows[10:]]
    assert np.mean(last) > np.mean(start)  # nearer to the end


def test_runs_without_kept_epochs_have_no_training_to_show(tiny_run):
    with pytest.raises(ParameterError, match="tiny kept no epochs to compare; train with `tlprobe fit --keep-epochs`"):
        quick(tiny_run, over_training=True)


# --- clips --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("split", "n"), [("held-out", 6), ("train", 24), ("all", 30)])
def test_splits(small_runs, split, n):
    rows = quick(small_runs["a"], split=split, layers="stem").rows
    assert [row["n_clips"] for row in rows] == [n]


def test_a_draw_of_clips_is_seeded(small_runs):
    def drawn(seed):
        return quick(small_runs["a"], split="all", n_clips=8, layers="stem", seed=seed).rows

    assert drawn(0)[0]["n_clips"] == 8
    assert drawn(0) == drawn(0)
    assert drawn(0)[0]["value"] != drawn(1)[0]["value"]
    with pytest.raises(ParameterError, match="n_clips=7, but the held-out clips of a are 6"):
        quick(small_runs["a"], n_clips=7)
