"""Baselines, the choice of clips, and how many images fit."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from tlprobe.audio.image import silence_image
from tlprobe.errors import ParameterError, ResourceError
from tlprobe.probes.attribute import attribute
from tlprobe.probes.attribution import memory
from tlprobe.probes.attribution.baselines import BASELINES, baselines_of, names_of
from tlprobe.probes.attribution.choose import choose
from tlprobe.probes.attribution.memory import batch_within

CPU = torch.device("cpu")


def raw(checkpoint, baselines):
    """Undo the standardisation."""
    standardise = checkpoint.standardise
    mean, std = (torch.as_tensor(v).reshape(1, 3, 1, 1) for v in (standardise.mean, standardise.std))
    return (baselines * std + mean).numpy()


def test_each_baseline_is_what_it_is_called(tiny_checkpoint):
    images = np.array(tiny_checkpoint.material.images.array[tiny_checkpoint.held_out[:3]])
    dataset = tiny_checkpoint.material.dataset
    trained_on = [i for i, clip in enumerate(dataset.clips) if clip.fold != tiny_checkpoint.fold]
    found = {name: raw(tiny_checkpoint, baselines_of(name, images, checkpoint=tiny_checkpoint)) for name in BASELINES}
    silence = silence_image(tiny_checkpoint.material.settings)
    np.testing.assert_allclose(found["silence"], silence[None, None], atol=1e-4)
    whole = tiny_checkpoint.material.images.array
    np.testing.assert_allclose(found["mean"], whole[trained_on].mean(0)[None, None], atol=1e-4)
    blurred = np.stack(
        [[ndimage.gaussian_filter(channel, 10, mode="nearest") for channel in image] for image in images]
    )
    np.testing.assert_allclose(found["blurred"], blurred[None], atol=1e-3)
    assert found["shuffled"].shape == (8, 1, *images.shape[1:])
    for start in found["shuffled"][:, 0]:
        assert min(np.abs(whole[i] - start).max() for i in trained_on) < 1e-3  # never a held-out one
    assert len({start.tobytes() for start in found["shuffled"]}) == 8


def test_the_fold_that_choices_are_made_on_is_no_baseline(tiny_checkpoint):
    config = tiny_checkpoint.run.config.model_copy(update={"inner_fold": 2})
    checkpoint = dataclasses.replace(tiny_checkpoint, run=dataclasses.replace(tiny_checkpoint.run, config=config))
    images = np.array(checkpoint.material.images.array[:1])
    mean = raw(checkpoint, baselines_of("mean", images, checkpoint=checkpoint))
    kept = [i for i, c in enumerate(checkpoint.material.dataset.clips) if c.fold not in (checkpoint.fold, 2)]
    np.testing.assert_allclose(mean[0, 0], checkpoint.material.images.array[kept].mean(0), atol=1e-4)


def test_all_baselines_side_by_side(tiny_run):
    record = attribute(tiny_run, n_clips=2, baseline="all", n_steps=8, device="cpu", progress=False)
    assert [row["baseline"] for row in record.rows] == [name for name in BASELINES for _ in range(2)]
    assert [row["array_index"] for row in record.rows] == list(range(8))
    assert [row["image_index"] for row in record.rows] == [0, 1] * 4
    assert len({record.arrays["attribution"][i].tobytes() for i in (0, 2, 4, 6)}) == 4
    assert names_of("all") == BASELINES
    with pytest.raises(ParameterError, match="baseline='zero'; choose from silence, mean, blurred, shuffled, all"):
        names_of("zero")


def test_the_most_and_the_least_typical_are_chosen_by_their_probability(tiny_checkpoint):
    dataset = tiny_checkpoint.material.dataset

    class Level(nn.Module):
        """The louder a clip, the surer of every class in turn."""

        def forward(self, x):
            level = x.mean((1, 2, 3))
            return torch.stack([level, 2 * level, -level], dim=1)

    checkpoint = dataclasses.replace(tiny_checkpoint, _after=Level())
    x = checkpoint.standardise(torch.from_numpy(np.array(checkpoint.material.images.array)))
    probabilities = torch.softmax(Level()(x), 1).numpy()
    own = probabilities[np.arange(len(x)), dataset.labels]
    chosen = {
        rule: choose(checkpoint, n_clips=9, rule=rule, device=CPU) for rule in ("typical", "atypical", "extremes")
    }
    for label in dataset.classes:
        index = [i for i in checkpoint.held_out if dataset.clips[i].label == label]
        for rule, best in (("typical", max), ("atypical", min)):
            expected = dataset.clips[best(index, key=own.__getitem__)].path
            assert expected in chosen[rule].names
            assert expected in chosen["extremes"].names
    assert [len(chosen[rule].names) for rule in chosen] == [3, 3, 6]
    assert chosen["extremes"].labels[0] == chosen["extremes"].labels[1]
    assert "highest and the lowest probability" in chosen["extremes"].why
    assert choose(checkpoint, n_clips=2, rule="typical", device=CPU).names == chosen["typical"].names[:2]
    assert {choose(checkpoint, n_clips=1, rule="typical", seed=seed, device=CPU).labels[0] for seed in range(9)} == set(
        dataset.classes
    )


def test_true_classes_are_explained_where_they_are_known(tiny_run, tiny_data, tmp_path):
    record = attribute(tiny_run, n_clips=3, target="true", n_steps=1, device="cpu", progress=False)
    assert [row["target"] for row in record.rows] == [row["label"] for row in record.rows]
    (tmp_path / "own.wav").write_bytes((tiny_data / "low" / "0.wav").read_bytes())
    with pytest.raises(
        ParameterError, match=r"target=true needs the class of each clip; that of own\.wav is not known"
    ):
        attribute(tiny_run, clips=[tmp_path / "own.wav"], target="true", device="cpu", progress=False)


def test_the_batch_is_what_fits(monkeypatch):
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.Tanh())
    model.eval().requires_grad_(False)
    image = torch.zeros(1, 3, 16, 16)
    each = memory._saved_bytes(model, image)
    values = 16 * 16 * 4  # of a channel, in bytes
    # kept: the image; the ReLU's output, once, though the next convolution keeps it too; that of tanh. And two images.
    assert each == (3 + 8 + 8) * values + 2 * 3 * values
    limit_gb = 5.5 * memory._BESIDE * each / 1e9
    assert batch_within(model, image, limit_gb=limit_gb) == 5
    assert batch_within(model, image, limit_gb=1.0) == 32
    with pytest.raises(ResourceError, match=r"one image takes about .* GB .* give a larger --memory"):
        batch_within(model, image, limit_gb=1e-6)
    monkeypatch.setattr(memory, "_free_bytes", lambda device: 2 * limit_gb * 1e9)
    assert batch_within(model, image) == 5
