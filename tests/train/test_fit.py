"""A run directory: what is in it, what it rests on, and when it is refused."""

import csv
import json

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

from tlprobe.backbones.registry import build
from tlprobe.backbones.weights import read_weights
from tlprobe.data.cache import load_images
from tlprobe.errors import CheckpointError, DivergedError, ParameterError, ResourceError
from tlprobe.files import lock_folder
from tlprobe.numerics.intervals import accuracy_interval
from tlprobe.records import Record
from tlprobe.train.fit import fit
from tlprobe.train.loop import Trainer
from tlprobe.train.material import FitOptions
from tlprobe.train.run import RUN_SCHEMA, Run

RUN_FILES = {
    "config.json",
    "init.safetensors",
    "weights.safetensors",
    "best.safetensors",
    "history.csv",
    "predictions.csv",
    "held_out.safetensors",
    "record.csv",
    "record.json",
    "manifest.json",
}


def files(folder):
    return {file.name for file in folder.iterdir() if not file.name.startswith(".")}


def content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@pytest.fixture
def no_training(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("a finished run was trained again")

    monkeypatch.setattr(Trainer, "run_epoch", fail)


@pytest.fixture(scope="module")
def held_out(tiny_run):
    """The standardised images of the held-out clips, as the network sees them."""
    dataset = tiny_run.source.open()
    images = load_images(dataset, tiny_run.config.image).array
    return tiny_run.standardise(torch.from_numpy(np.array(images[dataset.split(1)[1]])))


def test_the_folder_explains_itself(tiny_run):
    assert files(tiny_run.path) == RUN_FILES
    body = json.loads((tiny_run.path / "config.json").read_text())
    assert body["schema"] == RUN_SCHEMA
    assert body["config"]["backbone"] == "efficientnet_lite0"
    assert body["config"]["init"] == "imagenet"
    assert body["config"]["classes"] == ["high", "low", "noise"]
    assert body["config"]["image"]["sr"] == 8000
    assert (body["data"]["name"], body["data"]["n_clips"]) == ("tiny", 30)


def test_the_record_has_what_scripts_rely_on(tiny_run, tiny_data):
    record = tiny_run.record
    assert record.probe == "fit"
    (row,) = record.rows
    promised = {"backbone", "init", "fold", "seed", "epochs", "accuracy", "best_accuracy", "n", "ci_low", "ci_high"}
    assert promised | {"duration_s"} <= row.keys()
    assert (row["treatment"], row["blocks"], row["fold"], row["epochs"], row["n"]) == ("full", None, 1, 2, 6)
    history = record.params["history"]
    assert row["accuracy"] == history[-1]["held_out_accuracy"]
    assert row["best_accuracy"] == max(epoch["held_out_accuracy"] for epoch in history) >= row["accuracy"]
    assert row["duration_s"] == pytest.approx(sum(epoch["duration_s"] for epoch in history))
    predictions = tiny_run.predictions()
    assert row["accuracy"] == predictions.n_correct / 6 == sum(predictions.correct) / 6
    assert (row["ci_low"], row["ci_high"]) == accuracy_interval(predictions.correct, predictions.clips)
    assert row["n_trained"] == row["n_weights"] > 3e6
    assert record.provenance["data"]["n_clips"] == 30
    assert str(tiny_data) not in (tiny_run.path / "record.json").read_text()  # records travel


def test_history_is_one_row_an_epoch(tiny_run):
    with (tiny_run.path / "history.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    stored = tiny_run.record.params["history"]
    assert [{name: float(value) for name, value in row.items()} for row in rows] == stored
    assert [row["epoch"] for row in stored] == [1, 2]


def test_predictions_are_of_the_held_out_clips(tiny_run):
    dataset = tiny_run.source.open()
    held_out = [clip for clip in dataset.clips if clip.fold == 1]
    predictions = tiny_run.predictions()
    assert predictions.clips == tuple(clip.path for clip in held_out)
    assert predictions.labels == tuple(clip.label for clip in held_out)
    np.testing.assert_allclose(predictions.probabilities.sum(1), 1, atol=1e-7)


def test_weights_load_into_plain_timm_and_give_the_same_probabilities(tiny_run, held_out):
    plain = timm.create_model("tf_efficientnet_lite0", num_classes=3)
    plain.load_state_dict(load_file(tiny_run.path / "weights.safetensors"), strict=True)
    with torch.no_grad():
        probabilities = plain.eval()(held_out).softmax(1)
    np.testing.assert_allclose(tiny_run.predictions().probabilities, probabilities.numpy(), atol=1e-4)


def test_best_is_the_state_of_the_best_epoch(tiny_run, held_out):
    with torch.no_grad():
        predicted = tiny_run.model("best")(held_out).argmax(1)
    right = [tiny_run.config.classes[k] for k in predicted] == np.array(tiny_run.predictions().labels)
    assert right.mean() == tiny_run.record.rows[0]["best_accuracy"]


def test_init_is_the_pretrained_body_bit_for_bit_and_a_fresh_head(tiny_run):
    model = build("efficientnet_lite0", n_classes=3, seed=0, image_shape=tiny_run.image_shape)
    pretrained = read_weights("imagenet", model=model)
    init = tiny_run.state("init")
    assert init.keys() == pretrained.state.keys() | {"classifier.weight", "classifier.bias"}
    for name, tensor in pretrained.state.items():
        assert torch.equal(init[name], tensor), name
    assert torch.equal(init["classifier.weight"], model.head.weight)
    assert pretrained.digest == tiny_run.config.init_digest
    assert not torch.equal(tiny_run.state("weights")["conv_stem.weight"], init["conv_stem.weight"])


def test_standardisation_is_of_the_training_clips_alone(tiny_run):
    dataset = tiny_run.source.open()
    images = load_images(dataset, tiny_run.config.image).array
    train = images[[i for i, clip in enumerate(dataset.clips) if clip.fold != 1]].astype(np.float64)
    assert tiny_run.standardise.mean == pytest.approx(train.mean((0, 2, 3)).tolist(), rel=1e-9)
    assert tiny_run.standardise.std == pytest.approx(train.std((0, 2, 3)).tolist(), rel=1e-9)


def test_a_finished_run_is_returned_without_training(tiny_run, tiny_options, no_training):
    before = content(tiny_run.path)
    assert fit(tiny_options, out=tiny_run.path, device="cpu") == tiny_run
    assert content(tiny_run.path) == before


def test_the_same_seed_gives_the_same_run(small, material, straight, tmp_path):
    again = small.train(material, tmp_path)
    for name in ("init", "weights", "best"):
        file = f"{name}.safetensors"
        assert (again.path / file).read_bytes() == (straight.path / file).read_bytes()
    assert again.config == straight.config
    np.testing.assert_array_equal(again.predictions().probabilities, straight.predictions().probabilities)


def test_another_seed_gives_another_run(small, material, straight, tmp_path):
    other = small.train(material, tmp_path, seed=1)
    assert not torch.equal(other.state("init")["fc.weight"], straight.state("init")["fc.weight"])
    assert not torch.equal(other.state("weights")["fc.weight"], straight.state("weights")["fc.weight"])
    assert other.predictions().clips == straight.predictions().clips  # the seed does not move the split


def test_another_fold_is_scored_on_its_own_clips(small, material, straight, tmp_path):
    other = small.train(material, tmp_path, fold=3, changes={"epochs": 1})
    assert not set(other.predictions().clips) & set(straight.predictions().clips)
    assert other.standardise != straight.standardise


def test_without_normalisation_images_stay_as_they_are(small, material, tmp_path):
    run = small.train(material, tmp_path, changes={"epochs": 1, "normalize": "none"})
    assert (run.standardise.mean, run.standardise.std) == ((0.0,) * 3, (1.0,) * 3)


def test_other_settings_are_refused_by_name_and_nothing_is_lost(small, material, straight, no_training):
    before = content(straight.path)
    for options, names in (
        ({"seed": 1}, "seed"),
        ({"changes": {"epochs": 4}}, "recipe.epochs"),
        ({"seed": 2, "fold": 2, "resume": True}, "fold, seed"),
    ):
        with pytest.raises(ParameterError, match=rf"holds a finished run with other {names}; .*--overwrite"):
            small.train(material, straight.path, **options)
    assert content(straight.path) == before


def test_overwrite_replaces_a_run_whole(small, material, tmp_path):
    small.train(material, tmp_path, keep_epochs=[1])
    run = small.train(material, tmp_path, seed=1, changes={"epochs": 1}, overwrite=True)
    assert (run.config.seed, run.record.rows[0]["seed"], len(run.record.params["history"])) == (1, 1, 1)
    assert files(tmp_path) == RUN_FILES


def test_another_verbs_result_is_refused(small, material, tmp_path):
    Record(probe="svcca", params={}, rows=[], provenance={}).save(tmp_path)
    with pytest.raises(ParameterError, match="holds the result of another verb"):
        small.train(material, tmp_path)
    small.train(material, tmp_path, changes={"epochs": 1}, overwrite=True)


def test_a_damaged_config_is_refused(small, material, tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json is damaged"):
        small.train(material, tmp_path)


def test_a_folder_in_use_is_refused(small, material, tmp_path):
    with lock_folder(tmp_path), pytest.raises(ResourceError, match="in use"):
        small.train(material, tmp_path)


def test_a_diverging_training_leaves_nothing_finished(small, material, tmp_path):
    with pytest.raises(DivergedError, match="lr 1e\\+30") as caught:
        small.train(material, tmp_path, changes={"optimizer": "sgd", "schedule": "constant", "lr": 1e30})
    assert caught.value.exit_code == 5
    assert not {"record.json", "weights.safetensors", "resume"} & files(tmp_path)
    with pytest.raises(CheckpointError, match="unfinished"):
        Run.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "efficientnet"}, "efficientnet_lite0"),
        ({"fold": 6}, "fold=6 is no fold of tiny; choose from 1, 2, 3, 4, 5"),
        ({"recipe": "slow"}, "recipe 'slow' is unknown"),
        ({"changes": {"epochs": 0}}, "epochs"),
        ({"weights": "nothing.pth"}, r"nothing\.pth"),
    ],
)
def test_wrong_options_leave_no_folder(tiny_data, tmp_path, changes, message):
    with pytest.raises((ParameterError, CheckpointError), match=message):
        fit(FitOptions(**({"data": tiny_data} | changes)), out=tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_the_library_prints_nothing(small, material, tmp_path, capfd):
    small.train(material, tmp_path, changes={"epochs": 1})
    assert capfd.readouterr() == ("", "")
