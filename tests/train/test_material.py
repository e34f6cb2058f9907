"""From options to a network at its start."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch

from tlprobe.backbones.weights import read_weights
from tlprobe.errors import CheckpointError, DataError, ParameterError
from tlprobe.train.material import FitOptions, load_material, prepare, reload_material


def test_defaults_are_the_quick_recipe_on_the_built_in_clips():
    options = FitOptions()
    assert (options.data, options.backbone, options.weights) == (None, "efficientnet_lite0", "imagenet")
    assert (options.fold, options.seed, options.recipe) == (1, 0, "quick")


def test_pretrained_and_random_share_the_head_and_differ_in_the_body(tiny_options):
    pretrained = prepare(tiny_options)
    scratch = prepare(dataclasses.replace(tiny_options, weights="random"))
    assert (pretrained.config.treatment, pretrained.config.init) == ("full", "imagenet")
    assert (scratch.config.treatment, scratch.config.init, scratch.config.init_digest) == ("random",) * 3
    assert torch.equal(pretrained.model.head.weight, scratch.model.head.weight)
    body = pretrained.model.body_state()
    assert all(torch.equal(body[name], tensor) for name, tensor in pretrained.starting.state.items())
    name = "conv_stem.weight"
    assert not torch.equal(body[name], scratch.model.body_state()[name])


def test_the_seed_moves_head_and_random_body_but_not_the_split(tiny_options):
    first = prepare(dataclasses.replace(tiny_options, weights="random"))
    again = prepare(dataclasses.replace(tiny_options, weights="random"))
    other = prepare(dataclasses.replace(tiny_options, weights="random", seed=1))
    name = "conv_stem.weight"
    assert torch.equal(first.model.body_state()[name], again.model.body_state()[name])
    assert not torch.equal(first.model.body_state()[name], other.model.body_state()[name])
    assert not torch.equal(first.model.head.weight, other.model.head.weight)
    assert other.config.data_hash == first.config.data_hash


def test_a_run_is_a_starting_point_without_its_head(tiny_options, tiny_run):
    started = prepare(dataclasses.replace(tiny_options, weights=tiny_run.path, seed=3))
    assert started.config.init == "tiny"
    trained = tiny_run.state("weights")
    assert all(torch.equal(trained[name], tensor) for name, tensor in started.model.body_state().items())
    assert not torch.equal(trained["classifier.weight"], started.model.head.weight)
    assert started.config.init_digest == read_weights(tiny_run.path, model=started.model).digest


def test_image_settings_reach_the_images_and_the_definition(tiny_data):
    material = load_material(FitOptions(data=tiny_data, sr=16_000, clip_s=0.7, width=33, features="log-mel"))
    assert material.images.array.shape == (30, 3, 128, 33)
    assert material.image_shape == (3, 128, 33)
    assert material.images.n_cropped == 30
    np.testing.assert_array_equal(material.images.array[:, 0], material.images.array[:, 2])
    assert (material.settings.sr, material.settings.clip_s) == (16_000, 0.7)


def test_the_data_seed_moves_the_folds(tiny_data, material):
    other = load_material(FitOptions(data=tiny_data, data_seed=1))
    assert [clip.path for clip in other.dataset.clips] == [clip.path for clip in material.dataset.clips]
    assert [clip.fold for clip in other.dataset.clips] != [clip.fold for clip in material.dataset.clips]
    assert other.source.hash != material.source.hash
    assert other.source.options.data_seed == 1


def test_a_relative_path_is_found_again_from_elsewhere(tiny_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tiny_data.parent)
    source = load_material(FitOptions(data="tiny")).source
    monkeypatch.chdir(tmp_path)
    assert source.open().root == tiny_data.resolve()


def test_a_runs_material_comes_back_with_the_runs_settings(tiny_run):
    material = reload_material(tiny_run)
    assert material.settings == tiny_run.config.image
    assert material.dataset.content_hash == tiny_run.config.data_hash


def test_a_run_on_other_clips_is_a_data_error(tiny_run, tiny_data, tmp_path):
    moved = shutil.copytree(tiny_data, tmp_path / "moved")
    (moved / "low" / "3.wav").unlink()
    with pytest.raises(DataError, match="moved holds other clips"):
        reload_material(tiny_run, data=moved)


def test_a_missing_data_set_and_a_wrong_recipe_are_told_before_any_work(tmp_path, tiny_data):
    with pytest.raises(DataError, match="nowhere is missing"):
        prepare(FitOptions(data=tmp_path / "nowhere"))
    with pytest.raises(ParameterError, match="epochs"):
        prepare(FitOptions(data=tmp_path / "nowhere", changes={"epochs": 0}))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"backbone": "vgg16"}, ParameterError),
        ({"weights": "nothing.pth"}, CheckpointError),
        ({"fold": 9}, ParameterError),
        ({"features": "mfcc", "changes": {"gain_db": 6}}, ParameterError),
        ({"features": "five"}, ParameterError),
    ],
)
def test_wrong_options_are_told_before_the_images_are_computed(tiny_options, monkeypatch, wrong, error):
    def fail(*_, **__):
        raise AssertionError("the images were computed first")

    monkeypatch.setattr("tlprobe.train.material.load_images", fail)
    with pytest.raises(error, match=str(next(iter(wrong.values())))):
        prepare(dataclasses.replace(tiny_options, **wrong))
