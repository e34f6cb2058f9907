"""Sweeps: every distinct network is trained once, whatever asks for it, however often."""

import dataclasses

import pytest

from tlprobe.backbones.partition import Partition
from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.studies.sweeps import cutoff, freeze, fuse, levels
from tlprobe.train.fit import fit
from tlprobe.train.loop import Trainer
from tlprobe.train.run import Run

BLOCK_NAMES = ["stem", "block1", "block2", "block3", "block4"]
ROW_TYPES = {
    "treatment": str,
    "shape": (str, type(None)),
    "block": (str, type(None)),
    "rest": (str, type(None)),
    "backbone": str,
    "init": str,
    "fold": int,
    "seed": int,
    "epochs": int,
    "accuracy": float,
    "n": int,
    "ci_low": float,
    "ci_high": float,
}


def upto(last):
    return tuple(BLOCK_NAMES[: BLOCK_NAMES.index(last) + 1])


def check_rows(record):
    for row in record.rows:
        assert row.keys() >= ROW_TYPES.keys()
        for name, kind in ROW_TYPES.items():
            assert isinstance(row[name], kind), name
        assert row["shape"] == ("prefix" if row["block"] is not None else None)
        assert 0 <= row["ci_low"] <= row["accuracy"] <= row["ci_high"] <= 1


def test_three_sweeps_are_fourteen_trainings_beside_the_run(small_run, tmp_path, trained):
    where = {"trials": tmp_path, "device": "cpu", "progress": False}
    fused = fuse(small_run, **where)
    assert [(row["block"], row["treatment"]) for row in fused.rows] == [
        ("none", "random"),
        *((name, "fuse") for name in BLOCK_NAMES[:4]),
        ("block4", "full"),
    ]
    assert [row["rest"] for row in fused.rows] == ["random"] * 6
    assert fused.params["blocks"] == ["none", *BLOCK_NAMES]
    assert trained == [("random", ()), *(("fuse", upto(name)) for name in BLOCK_NAMES[:4])]

    frozen = freeze(small_run, **where)
    assert [(row["block"], row["treatment"]) for row in frozen.rows] == [
        ("none", "full"),
        *((name, "freeze") for name in BLOCK_NAMES),
        (None, "random"),  # a level, found and not trained again
    ]
    assert [row["rest"] for row in frozen.rows] == ["trained"] * 6 + [None]
    cut = cutoff(small_run, **where)
    assert [(row["block"], row["treatment"]) for row in cut.rows] == [
        *((name, "cutoff") for name in BLOCK_NAMES[:4]),
        ("block4", "full"),
        (None, "random"),
    ]
    assert [row["rest"] for row in cut.rows] == [None] * 6
    assert cut.params["blocks"] == BLOCK_NAMES
    assert len(trained) == len(set(trained)) == 14
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 14

    for record in (fused, frozen, cut):
        check_rows(record)
    own = small_run.record.rows[0]["accuracy"]
    assert {
        row["accuracy"] for record in (fused, frozen, cut) for row in record.rows if row["treatment"] == "full"
    } == {own}
    # The random ones share recipe, split and seed with the others.
    configs = [Run.load(path).config for path in tmp_path.iterdir() if path.is_dir()]
    shared = [(item.recipe, item.fold, item.seed, item.data_hash, item.image) for item in configs]
    assert all(item == shared[0] for item in shared)

    again = fuse(small_run.path, **where)  # by path, too
    assert again.rows == fused.rows
    assert len(trained) == 14


def test_without_a_run_the_full_level_is_trained_once(small_options, tmp_path, trained):
    where = {"options": small_options, "trials": tmp_path, "device": "cpu", "progress": False}
    point = freeze(block="block2", **where)
    assert [(row["block"], row["treatment"]) for row in point.rows] == [("block2", "freeze"), (None, "full")]
    assert trained == [("freeze", upto("block2")), ("full", ())]
    freeze(block="none", **where)
    fuse(block="block4", **where)
    cutoff(after="block4", **where)
    assert len(trained) == 2
    found = levels(**where)
    assert (found.full.config.treatment, found.random.config.treatment) == ("full", "random")
    assert trained[2:] == [("random", ())]
    # A fit with the same options is the same run: a sweep over it finds the trials made without it.
    run = fit(small_options, out=tmp_path / "fit", device="cpu", progress=False)
    freeze(run, block="block2", trials=tmp_path, device="cpu", progress=False)
    assert len(trained) == 3


def test_a_random_run_can_be_cut_and_is_its_own_level(random_run, tmp_path, trained):
    record = cutoff(random_run, trials=tmp_path, device="cpu", progress=False)
    assert trained == [("cutoff", upto(name)) for name in BLOCK_NAMES[:4]]
    check_rows(record)
    assert record.rows[4]["block"] == "block4"
    assert {row["run"] for row in record.rows[4:]} == {random_run.path.name}
    assert {row["init"] for row in record.rows} == {"random"}


def test_random_weights_can_be_cut_without_a_run(small_options, tmp_path, trained):
    options = dataclasses.replace(small_options, weights="random")
    cutoff(options=options, after="block4", trials=tmp_path, device="cpu", progress=False)
    assert trained == [("random", ())]


def test_an_interrupted_sweep_goes_on(small_run, tmp_path, epochs, trained, monkeypatch):
    where = {"trials": tmp_path, "device": "cpu", "progress": False}
    quick = Trainer.run_epoch

    def stop_in_the_third_run(self, *, on_step=None):
        if len(epochs) == 5:  # two epochs each: in the second epoch of the third run
            raise KeyboardInterrupt
        return quick(self)

    monkeypatch.setattr(Trainer, "run_epoch", stop_in_the_third_run)
    with pytest.raises(KeyboardInterrupt):
        fuse(small_run, **where)
    assert epochs == [1, 2, 1, 2, 1]
    assert trained == [("random", ()), ("fuse", upto("stem"))]
    monkeypatch.setattr(Trainer, "run_epoch", quick)
    fuse(small_run, **where)
    assert epochs == [1, 2, 1, 2, 1, *[2], *[1, 2] * 2]  # the third goes on with its second epoch
    assert trained == [("random", ()), *(("fuse", upto(name)) for name in BLOCK_NAMES[:4])]


@pytest.mark.parametrize("probe", [fuse, freeze])
def test_an_unknown_block_is_told_before_any_training(small_run, tmp_path, trained, probe):
    with pytest.raises(ParameterError, match="choose from none, stem, block1"):
        probe(small_run, block="block9", trials=tmp_path, device="cpu")
    assert trained == []


def test_what_a_run_says_cannot_be_said_again(small_run, small_options, tmp_path):
    with pytest.raises(ParameterError, match="options beside it would be ignored"):
        freeze(small_run, options=small_options, trials=tmp_path)


def test_a_bare_weight_file_is_no_run(small_run, tmp_path):
    with pytest.raises(CheckpointError, match="start from the file by --weights"):
        freeze(small_run.path / "weights.safetensors", trials=tmp_path)


@pytest.mark.slow
def test_a_sweep_really_trains(tiny_run, tmp_path):
    record = freeze(tiny_run, trials=tmp_path, device="cpu", progress=False)
    check_rows(record)
    trained = [row["n_trained"] for row in record.rows[:6]]
    assert trained == sorted(trained, reverse=True)
    assert trained[5] == 1280 * 3 + 3  # the head alone
    for row in record.rows[1:6]:
        run = Run.load(tmp_path / row["run"])
        before, after = run.state("init"), run.state("weights")
        block_of = run.model("init").block_of()
        changed = {block_of.get(name, "head") for name in before if not before[name].equal(after[name])}
        assert changed == {*BLOCK_NAMES[BLOCK_NAMES.index(row["block"]) + 1 :], "head"}


def test_shapes_and_parts_are_sweeps_that_share_their_trials(small_run, tmp_path, trained):
    where = {"trials": tmp_path, "device": "cpu", "progress": False}
    single = fuse(small_run, shape="single", **where)
    assert [(row["block"], row["treatment"], row["shape"]) for row in single.rows] == [
        ("none", "random", "single"),
        *((name, "fuse", "single") for name in BLOCK_NAMES),
        (None, "full", None),
    ]
    assert len(trained) == 6
    suffix = fuse(small_run, block="block4", shape="suffix", **where)
    assert suffix.rows[0]["run"] == single.rows[5]["run"]  # from the last block on is that block alone
    assert len(trained) == 6
    matched = fuse(small_run, block="none", rest="matched", **where)
    assert (matched.rows[0]["treatment"], matched.rows[0]["rest"]) == ("fuse", "matched")
    assert trained[6:] == [("fuse", ())]
    parts = Partition(by="layers", parts=2)
    divided = fuse(small_run, partition=parts, **where)
    assert [(row["block"], row["treatment"], row["partition"]) for row in divided.rows] == [
        ("none", "random", "layers/2"),
        ("part1", "fuse", "layers/2"),
        ("part2", "full", "layers/2"),
    ]
    assert trained[7:] == [("fuse", ("part1",))]
    half = Run.load(tmp_path / divided.rows[1]["run"])
    assert half.model("init").block_names == ("part1", "part2")
    frozen = freeze(small_run, block="part2", shape="except", partition=parts, **where)
    assert frozen.rows[0]["n_trained"] < frozen.rows[0]["n_weights"]
    assert trained[8:] == [("freeze", ("part1",))]
