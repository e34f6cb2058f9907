"""Checkpoints: a run knows everything, a bare file is asked for what it does not say."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from tlprobe.audio.settings import ImageSettings
from tlprobe.backbones.registry import build
from tlprobe.errors import CheckpointError, DataError, ParameterError
from tlprobe.train.checkpoint import FileOptions, open_checkpoint, open_checkpoints
from tlprobe.train.predict import predict

OPTIONS = FileOptions(backbone="efficientnet_lite0", fold=1)


def same_state(model, state):
    own = model.original_state()
    return own.keys() == state.keys() and all(torch.equal(own[name], tensor) for name, tensor in state.items())


def probabilities(checkpoint):
    logits = predict(
        checkpoint.after(),
        checkpoint.material.images.array,
        checkpoint.held_out,
        standardise=checkpoint.standardise,
        device=torch.device("cpu"),
    )
    return logits.softmax(1).numpy()


def test_a_run(tiny_run):
    for given in (tiny_run, tiny_run.path, str(tiny_run.path)):
        checkpoint = open_checkpoint(given)
        assert checkpoint.run == tiny_run
        assert (checkpoint.name, checkpoint.backbone, checkpoint.init) == ("tiny", "efficientnet_lite0", "imagenet")
        assert (checkpoint.fold, checkpoint.seed, checkpoint.epochs) == (1, 0, 2)
        assert checkpoint.classes == tiny_run.config.classes
    assert same_state(checkpoint.after(), tiny_run.state("weights"))
    assert same_state(checkpoint.before(), tiny_run.state("init"))
    assert not checkpoint.after().training
    assert not checkpoint.before().training
    np.testing.assert_allclose(probabilities(checkpoint), tiny_run.predictions().probabilities, atol=1e-5)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_bare_file_scores_as_its_run_did(tiny_run, tiny_data, tmp_path, suffix):
    file = tmp_path / f"mine.{suffix}"
    if suffix == "pth":
        torch.save({"state_dict": {f"module.{k}": v for k, v in tiny_run.state().items()}, "epoch": 2}, file)
    else:
        shutil.copy(tiny_run.path / "weights.safetensors", file)
    checkpoint = open_checkpoint(file, data=tiny_data, options=OPTIONS)
    assert (checkpoint.name, checkpoint.init, checkpoint.run) == (file.name, "unknown", None)
    assert checkpoint.epochs is None
    assert checkpoint.standardise == tiny_run.standardise
    np.testing.assert_allclose(probabilities(checkpoint), tiny_run.predictions().probabilities, atol=1e-5)
    with pytest.raises(ParameterError, match=rf"mine\.{suffix} is a bare weight file: say .*--before imagenet"):
        checkpoint.before()


def test_a_bare_files_start_is_what_it_is_said_to_be(tiny_run, tiny_data):
    file = tiny_run.path / "weights.safetensors"
    for before, init in (("imagenet", "imagenet"), ("random", "random"), (tiny_run.path / "init.safetensors", "init")):
        options = FileOptions(backbone="efficientnet_lite0", fold=1, before=before, normalize="none")
        checkpoint = open_checkpoint(file, data=tiny_data, options=options)
        assert checkpoint.init == init
        assert same_state(checkpoint.before(), tiny_run.state("init")) is (before != "random")
        assert same_state(checkpoint.after(), tiny_run.state("weights"))
        assert checkpoint.standardise.mean == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("data", "options", "missing"),
    [
        (False, None, "--backbone, --data, --fold"),
        (True, None, "--backbone, --fold"),
        (True, FileOptions(backbone="resnet18"), "--fold"),
        (False, OPTIONS, "--data"),
    ],
)
def test_what_a_bare_file_lacks_is_named(tiny_run, tiny_data, data, options, missing):
    file = tiny_run.path / "weights.safetensors"
    with pytest.raises(ParameterError, match=rf"bare weight file: it needs {missing} as well"):
        open_checkpoint(file, data=tiny_data if data else None, options=options)


@pytest.fixture
def unfit(tmp_path, tiny_run):
    """Make a file that does not fit, by kind."""

    def make(kind):
        file = tmp_path / f"{kind}.safetensors"
        state = load_file(tiny_run.path / "weights.safetensors")
        if kind == "classes":
            state = timm.create_model("tf_efficientnet_lite0", num_classes=4).state_dict()
        elif kind == "network":
            state = build("resnet18", n_classes=3, seed=0).original_state()
        elif kind == "headless":
            state = {name: tensor for name, tensor in state.items() if not name.startswith("classifier")}
        elif kind == "scalar":
            state |= {"classifier.bias": torch.tensor(0.0)}
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, file)
        if kind == "cut":
            file.write_bytes(file.read_bytes()[:1000])
        return file

    return make


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("classes", r"is for 4 classes \(classifier\.weight has shape \(4, 1280\)\); the data set has 3"),
        ("network", "of another network than efficientnet_lite0"),
        ("headless", r"has no classifier\.weight: a fine-tuned network needs its head"),
        ("scalar", r"classifier\.bias"),
        ("cut", "is damaged"),
    ],
)
def test_a_file_that_does_not_fit_is_a_checkpoint_error(unfit, tiny_data, kind, message):
    file = unfit(kind)
    with pytest.raises(CheckpointError, match=rf"{kind}\.safetensors.*{message}"):
        open_checkpoint(file, data=tiny_data, options=OPTIONS)


def test_what_is_not_there(tmp_path, tiny_data):
    with pytest.raises(CheckpointError, match="nothing is neither a run directory nor a weight file"):
        open_checkpoint(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="no run directory"):
        open_checkpoint(tmp_path)
    with pytest.raises(ParameterError, match="--ckpt"):
        open_checkpoints([])


def test_a_run_on_other_clips_is_a_data_error(tiny_run, tiny_data, tmp_path):
    moved = shutil.copytree(tiny_data, tmp_path / "moved")
    assert open_checkpoint(tiny_run, data=moved).run == tiny_run
    (moved / "low" / "3.wav").write_bytes((moved / "low" / "4.wav").read_bytes())
    with pytest.raises(DataError, match="holds other clips"):
        open_checkpoint(tiny_run, data=moved)


def test_checkpoints_of_one_data_set_share_its_images(tiny_run, tiny_data):
    file = tiny_run.path / "best.safetensors"
    opened = open_checkpoints([tiny_run, tiny_run.path, file], data=tiny_data, options=OPTIONS)
    assert len(opened) == 3
    assert len({id(checkpoint.material) for checkpoint in opened}) == 1


@pytest.fixture
def shuffled(tiny_run, tmp_path):
    """The tiny run's weights with the head's outputs in the order noise, high, low, and a file that says so."""
    state = tiny_run.state()
    for name in ("classifier.weight", "classifier.bias"):
        state[name] = state[name][[2, 0, 1]].contiguous()
    save_file(state, tmp_path / "shuffled.safetensors")
    (tmp_path / "classes.txt").write_text("noise\nhigh\n\nlow\n")
    return tmp_path / "shuffled.safetensors", tmp_path / "classes.txt"


def test_a_file_with_classes_in_another_order(tiny_run, tiny_data, shuffled):
    file, classes = shuffled
    options = dataclasses.replace(OPTIONS, classes=classes)
    right = open_checkpoint(file, data=tiny_data, options=options)
    np.testing.assert_allclose(probabilities(right), tiny_run.predictions().probabilities, atol=1e-5)
    wrong = open_checkpoint(file, data=tiny_data, options=OPTIONS)
    np.testing.assert_allclose(probabilities(wrong)[:, [1, 2, 0]], tiny_run.predictions().probabilities, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "word"), [("noise\nhigh\n", "low"), ("noise\nhigh\nlow\nhigh\n", "high"), ("a\nhigh\nlow\n", "a, noise")]
)
def test_a_list_of_other_classes_is_refused(tiny_data, shuffled, text, word):
    file, classes = shuffled
    classes.write_text(text)
    with pytest.raises(ParameterError, match=rf"classes\.txt must name the data set's 3 classes.*{word}"):
        open_checkpoint(file, data=tiny_data, options=dataclasses.replace(OPTIONS, classes=classes))
    with pytest.raises(ParameterError, match="cannot be read"):
        open_checkpoint(file, data=tiny_data, options=dataclasses.replace(OPTIONS, classes=file))


def test_a_files_images_are_made_as_it_is_said(tiny_run, tiny_data):
    file = tiny_run.path / "weights.safetensors"
    options = dataclasses.replace(OPTIONS, sr=4000, clip_s=0.7, width=33, features="log-mel", data_seed=1)
    other = open_checkpoint(file, data=tiny_data, options=options)
    assert other.material.settings == ImageSettings(sr=4000, clip_s=0.7, width=33, features="log-mel")
    assert other.material.source.options.data_seed == 1
    with pytest.raises(ParameterError, match="esc10 needs"):
        open_checkpoint(file, data=tiny_data, options=dataclasses.replace(OPTIONS, dataset="esc10"))


def test_a_damaged_result_is_a_checkpoint_error(tiny_run, tmp_path):
    copied = shutil.copytree(tiny_run.path, tmp_path / "copied")
    body = json.loads((copied / "record.json").read_text())
    for damaged in ("{", json.dumps({**body, "probe": "svcca"}), json.dumps({**body, "rows": []})):
        (copied / "record.json").write_text(damaged)
        with pytest.raises(CheckpointError, match=r"record\.json"):
            _ = open_checkpoint(copied).run.record


def test_a_run_is_named_by_its_folder_from_within_too(tiny_run, monkeypatch):
    monkeypatch.chdir(tiny_run.path)
    assert open_checkpoint(".").name == "tiny"


def test_the_seed_of_a_random_start(tiny_run, tiny_data):
    file = tiny_run.path / "weights.safetensors"
    first, other = (
        open_checkpoint(file, data=tiny_data, options=dataclasses.replace(OPTIONS, before="random", before_seed=seed))
        for seed in (0, 3)
    )
    assert not same_state(first.before(), other.before().original_state())
    assert same_state(first.after(), other.after().original_state())
