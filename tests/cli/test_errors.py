"""Wrong input: one line that names the value and the choices, and the exit code of its kind."""

import csv
import json
import pickle
import shutil

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from tlprobe.backbones.registry import build

SMALL = "timm/test_efficientnet"


class Code:
    """A pickle that would run `open(NAME, "w")` when it is read."""

    def __reduce__(self):
        return open, ("ran.txt", "w")


@pytest.fixture
def folder(tmp_path):
    """A folder data set of two classes, to be spoilt."""
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(5):
            soundfile.write(tmp_path / "data" / label / f"{i}.wav", rng.normal(0, 0.1, 6400), 8000)
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "--epoch-count", "3"], ["--epoch-count", "tlprobe fit --help"]),
        (["fitt"], ["fitt"]),
        (["fit", "--epochs", "many"], ["--epochs", "many"]),
        (["fit", "--epochs=many"], ["--epochs=many"]),
        (["fit", "extra"], ["extra"]),
        (["svcca"], ["--ckpt"]),
        (["figure"], ["folders"]),
        (["figure", ".", "--width", "huge"], ["huge", "single, double"]),
        (["fit", "--seed", "-1"], ["--seed -1"]),
        (["fit", "--milestones", "3,x"], ["3,x"]),
        (["fit", "--keep-epochs", "1,x"], ["--keep-epochs", "1,x", "1 to the recipe's last", "all"]),
        (["fit", "--keep-epochs", "none"], ["--keep-epochs", "none", "all"]),
        (["fit", "--keep-epochs", ""], ["--keep-epochs", "''", "all"]),
        (["fit", "--epochs", "3", "--keep-epochs", "0,3"], ["--keep-epochs 0:", "1 to 3"]),
        (["fit", "--epochs", "3", "--keep-epochs", "2,4,-1"], ["--keep-epochs 4, -1:", "1 to 3"]),
        (["fit", "--recipe", "fast"], ["fast", "quick, paper, paper-scratch"]),
        (["fit", "--recipe", "r" * 300], ["rrr", "cannot be read"]),
        (["fit", "--device", "tpu"], ["tpu", "auto, cpu, cuda"]),
        (["fit", "--lr", "-1"], ["lr", "-1"]),
        (["fit", "--lr", "nan"], ["lr", "nan"]),
        (
            ["fit", "--epochs", "0", "--batch-size", "1", "--optimizer", "lion"],
            ["epochs", "batch_size", "lion", "adamw"],
        ),
        (["attribute", "--ckpt", "x", "--n-steps", "0"], ["--n-steps", "0"]),
        (["demo", "--epochs", "0"], ["--epochs", "0"]),
    ],
)
def test_usage(fails, arguments, words):
    fails(2, [*arguments] if "figure" in arguments else [*arguments, "-q"], *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--backbone", "densenet200"], ["densenet200", "did you mean densenet201", "resnet18"]),
        (["--fold", "9"], ["9", "1, 2, 3, 4, 5"]),
        (["--clip-s", "-2"], ["clip_s", "-2"]),
        (["--width", "8"], ["8", "32"]),
        (["--features", "five"], ["five", "log-mel3", "log-mel", "log-spec", "mfcc", "gammatone"]),
        (["--dataset", "esc10"], ["esc10"]),
    ],
)
def test_values_that_do_not_fit_the_data(fails, tiny_data, tmp_path, options, words):
    fails(2, ["fit", "--data", tiny_data, *options, "-q"], *words)
    assert not (tmp_path / "runs" / "fit" / "config.json").exists()


@pytest.mark.parametrize("probe", ["fuse", "freeze", "cutoff"])
def test_blocks(fails, small_run, probe):
    option = "--after" if probe == "cutoff" else "--upto"
    fails(
        2, [probe, option, "block9", "--ckpt", small_run.path, "-q"], "block9", "stem, block1, block2, block3, block4"
    )


@pytest.mark.parametrize("probe", ["fuse", "freeze"])
def test_a_random_run_has_nothing_to_transfer(fails, cli, random_run, probe):
    fails(2, [probe, "--ckpt", random_run.path, "-q"], random_run.path, "random")


def test_options_that_a_checkpoint_knows_itself(fails, small_run):
    given = ["freeze", "--ckpt", small_run.path, "--epochs", "3", "--time-roll", "-q"]
    fails(2, given, small_run.path, "--epochs, --time-roll would be ignored")
    fails(2, ["eval", "--ckpt", small_run.path, "--fold", "3", "-q"], small_run.path, "--fold would be ignored")
    fails(2, ["svcca", "--ckpt", small_run.path, "--before", "random", "-q"], "--before would be ignored")
    fails(2, ["svcca", "--ckpt", small_run.path, "--before-seed", "3", "-q"], "--before-seed would be ignored")


def test_a_weight_file_without_its_facts(fails, small_run, tiny_data):
    file = small_run.path / "weights.safetensors"
    fails(2, ["eval", "--ckpt", file, "-q"], file, "--backbone, --data, --fold")
    fails(2, ["eval", "--ckpt", file, "--backbone", SMALL, "--data", tiny_data, "-q"], "needs --fold as well")
    about = ["--backbone", SMALL, "--data", tiny_data, "--fold", "1", "-q"]
    fails(2, ["svcca", "--ckpt", file, *about], "--before imagenet|random|FILE")
    seeded = ["svcca", "--ckpt", file, *about, "--before", file, "--before-seed", "3"]
    fails(2, seeded, "--before-seed 3", "--before random")
    fails(2, ["eval", "--ckpt", file, *about, "--normalize", "rows"], "rows", "channel, none")


def test_a_missing_folder(fails, tmp_path):
    fails(3, ["fit", "--data", tmp_path / "nowhere", "-q"], tmp_path / "nowhere")
    fails(3, ["figure", tmp_path / "nowhere"], tmp_path / "nowhere")
    (tmp_path / "hollow").mkdir()
    fails(3, ["fit", "--data", tmp_path / "hollow", "-q"], tmp_path / "hollow", "meta/esc50.csv", "sub-folder a class")


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        (["filename", "target", "category"], ["a.wav", "0", "dog"], ["'fold'", "filename, target, category"]),
        (["filename", "fold", "category"], ["../../secret.wav", "1", "dog"], ["../../secret.wav", "leads out of"]),
        (["filename", "fold", "category"], ["/etc/hostname", "1", "dog"], ["/etc/hostname", "leads out of"]),
        (["filename", "fold", "category"], ["gone.wav", "1", "dog"], ["gone.wav", "is not in"]),
    ],
)
def test_a_table_that_cannot_be_used(fails, tmp_path, header, row, words):
    (tmp_path / "esc" / "meta").mkdir(parents=True)
    (tmp_path / "esc" / "audio").mkdir()
    soundfile.write(tmp_path / "secret.wav", np.ones(100), 8000)
    with (tmp_path / "esc" / "meta" / "esc50.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, row])
    fails(3, ["fit", "--data", tmp_path / "esc", "-q"], *words)


def _truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(b"this is no sound" * 50), "no recording"),
        (_truncate, "truncated"),
        (lambda path: soundfile.write(path, np.full(6400, np.nan), 8000, subtype="FLOAT"), "NaN"),
    ],
    ids=["empty", "noise", "truncated", "nan"],
)
def test_a_recording_that_cannot_be_used(fails, folder, tmp_path, spoil, word):
    spoil(folder / "dog" / "3.wav")
    fails(3, ["fit", "--data", folder, "-q"], folder / "dog" / "3.wav", word)
    assert not (tmp_path / "runs" / "fit" / "record.json").exists()


def test_a_clip_that_is_missing(fails, small_run):
    fails(3, ["attribute", "--ckpt", small_run.path, "--clip", "low/99.wav", "-q"], "low/99.wav")
    fails(3, ["eval", "--ckpt", small_run.path, "--clip", "low/99.wav", "-q"], "low/99.wav")


def test_data_with_other_clips(fails, small_run, folder):
    fails(3, ["eval", "--ckpt", small_run.path, "--data", folder, "-q"], folder, "cat, dog")
    fails(3, ["svcca", "--ckpt", small_run.path, "--data", folder, "-q"], folder, "other clips than the run")


def test_what_is_no_checkpoint(fails, tmp_path):
    (tmp_path / "hollow").mkdir()
    for ckpt in (tmp_path / "nowhere", tmp_path / "hollow"):
        for verb in ("eval", "svcca", "attribute", "freeze"):
            fails(4, [verb, "--ckpt", ckpt, "-q"], ckpt)


@pytest.mark.parametrize("probe", ["fuse", "freeze", "cutoff"])
def test_a_weight_file_has_no_known_start_to_sweep_from(fails, small_run, tiny_data, probe):
    file = small_run.path / "weights.safetensors"
    for about in ([], ["--backbone", SMALL, "--data", tiny_data, "--fold", "1"]):
        fails(4, [probe, "--ckpt", file, *about, "-q"], file, "what it started from is not known", "--weights")
    fails(4, [probe, "--ckpt", "nowhere", "--epochs", "1", "-q"], "nowhere")


def test_a_damaged_result_of_a_run(fails, small_run, tmp_path):
    copied = shutil.copytree(small_run.path, tmp_path / "copy")
    (copied / "record.json").write_text("{")
    fails(4, ["freeze", "--upto", "none", "--ckpt", copied, "-q"], copied / "record.json")


def test_weights_of_another_network(fails, small_run, tiny_data, tmp_path, relist):
    other = tmp_path / "other.safetensors"
    save_file(build("timm/test_resnet", n_classes=3, seed=0, image_shape=(3, 128, 40)).original_state(), other)
    fails(4, ["fit", "--data", tiny_data, "--backbone", SMALL, "--weights", other, "-q"], other, SMALL)
    about = ["--backbone", SMALL, "--data", tiny_data, "--fold", "1", "-q"]
    fails(4, ["eval", "--ckpt", other, *about], other, SMALL)
    copied = tmp_path / "copy"
    shutil.copytree(small_run.path, copied)
    body = json.loads((copied / "config.json").read_text())
    body["config"]["backbone"] = "timm/test_resnet"
    (copied / "config.json").write_text(json.dumps(body))
    fails(4, ["eval", "--ckpt", copied, "-q"], copied / "config.json", "damaged")
    relist(copied)
    fails(4, ["eval", "--ckpt", copied, "-q"], "timm/test_resnet")


def test_weights_for_other_classes(fails, start_file, tiny_data):
    about = ["--backbone", SMALL, "--data", tiny_data, "--fold", "1", "-q"]
    fails(4, ["eval", "--ckpt", start_file, *about], start_file, "7 classes", "3")


def test_a_pickle_that_wants_code(fails, tiny_data, tmp_path):
    file = tmp_path / "evil.pth"
    torch.save({"weight": Code()}, file)
    fails(4, ["fit", "--data", tiny_data, "--backbone", SMALL, "--weights", file, "-q"], file, "open")
    file.write_bytes(pickle.dumps(Code()))
    fails(4, ["fit", "--data", tiny_data, "--backbone", SMALL, "--weights", file, "-q"], file)
    about = ["--backbone", SMALL, "--data", tiny_data, "--fold", "1", "-q"]
    fails(4, ["eval", "--ckpt", file, *about], file)
    assert not (tmp_path / "ran.txt").exists()


def test_damaged_weights(fails, small_run, tmp_path, relist):
    copied = tmp_path / "copy"
    shutil.copytree(small_run.path, copied)
    state = load_file(copied / "weights.safetensors")
    file = copied / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    fails(4, ["eval", "--ckpt", copied, "-q"], file, "damaged")
    del state["classifier.weight"]
    save_file(state, file)
    relist(copied)
    fails(4, ["eval", "--ckpt", copied, "-q"], "classifier.weight")
    (copied / "config.json").write_text("{")
    fails(4, ["eval", "--ckpt", copied, "-q"], copied / "config.json", "damaged")


def test_divergence(fails, fit_arguments, tmp_path):
    err = fails(
        5, fit_arguments("--lr", "1e30", "--optimizer", "sgd", "--schedule", "constant", "-q"), "epoch 1", "lr 1e+30"
    )
    assert "the loss is" in err
    assert not (tmp_path / "runs" / "fit" / "record.json").exists()


def test_an_error_of_the_programs_own_is_one_line_too(cli, monkeypatch, tiny_data):
    def broken(*arguments, **options):
        raise KeyError("several\nlines")

    monkeypatch.setattr("tlprobe.train.fit.fit", broken)
    code, out, err = cli("fit", "--data", tiny_data, "-q")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "internal error, please report it: KeyError" in err
    assert "Traceback" not in err


def test_what_the_system_refuses_is_told_by_its_name(cli, monkeypatch, tiny_data):
    def refused(*arguments, **options):
        raise PermissionError(13, "Permission denied", "runs/x")

    monkeypatch.setattr("tlprobe.train.fit.fit", refused)
    assert cli("fit", "--data", tiny_data, "-q") == (6, "", "tlprobe: runs/x: Permission denied\n")


def test_debug_shows_where(cli, tmp_path):
    arguments = ("fit", "--data", tmp_path / "nowhere", "-q")
    _, _, quiet = cli(*arguments)
    code, out, err = cli(*arguments, "--debug")
    assert (code, out) == (3, "")
    assert err.startswith("Traceback (most recent call last):")
    assert "open_dataset" in err
    assert err.splitlines()[-1] == quiet.strip()


def test_ensemble_of_what_makes_none(cli, fails, small_run, random_run, tiny_data, tmp_path):
    runs = ["ensemble", "--ckpt", small_run.path, random_run.path, "-q"]
    fails(2, ["ensemble", "--ckpt", small_run.path, "-q"], "at least 2 runs; 1 given")
    fails(2, ["ensemble", "--ckpt", small_run.path, small_run.path, "-q"], small_run.path, "given twice")
    fails(2, [*runs, "--no-soup", "--data", tiny_data], tiny_data, "for the soup alone")
    fails(2, [*runs, "--device", "gpu"], "device='gpu'", "auto, cpu, cuda")
    fails(4, [*runs, tmp_path / "nowhere"], tmp_path / "nowhere", "no run directory")
