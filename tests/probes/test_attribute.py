"""Attribution: exact on linear networks, complete on smooth ones, and silence is silence."""

import dataclasses
import math
import shutil

import numpy as np
import pytest
import torch

from tlprobe.data.cache import load_images
from tlprobe.data.loader import Standardiser
from tlprobe.errors import DataError, ParameterError
from tlprobe.probes import attribute as module
from tlprobe.probes.attribute import attribute
from tlprobe.probes.attribution import path


@pytest.fixture(scope="module")
def record(tiny_run):
    return attribute(tiny_run, n_clips=2, n_steps=8, channels=True, device="cpu", progress=False)


def test_what_does_not_add_up_is_told_and_marked(explained, explain, caplog):
    (row,) = explain(explained.Smooth(), n_clips=1, n_steps=1).rows
    assert row["gap"] > 0.01
    assert not row["reached"]
    missed = f"{100 * row['gap']:.2g} %"
    said = f"{row['clip']}: from silence the attributions miss their sum by {missed}, with 1 steps"
    assert said in [entry.message for entry in caplog.records]
    caplog.clear()
    (row,) = explain(explained.Smooth(), n_clips=1).rows  # as many steps as it takes
    assert row["gap"] <= 0.01
    assert row["reached"]
    assert not caplog.records


def shape_of(checkpoint):
    return checkpoint.material.image_shape


def standardised(checkpoint, images):
    return checkpoint.standardise(torch.from_numpy(np.array(images)))


def test_rows_and_arrays_have_what_scripts_rely_on(record, tiny_checkpoint):
    types = {"clip": str, "label": str, "target": str, "predicted": str, "gap": float, "array_index": int}
    for number, row in enumerate(record.rows):
        assert {name: type(row[name]) for name in types} == types
        assert row["array_index"] == number
        assert row["target"] == row["predicted"]
        assert row["label"] == row["clip"].split("/")[0]
        assert 0 < row["probability"] <= 1
        assert type(row["gap_absolute"]) is bool
    assert {name: array.shape for name, array in record.arrays.items()} == {
        "spectrogram": (2, *shape_of(tiny_checkpoint)),
        "attribution": (2, *shape_of(tiny_checkpoint)),
    }
    assert len(record.params["row_hz"]) == 128
    assert record.params["silence"] == pytest.approx(math.log(1e-6))


def test_drawn_clips_are_held_out_and_of_different_classes(explained, explain, tiny_checkpoint):
    dataset = tiny_checkpoint.material.dataset
    held_out = {dataset.clips[i].path for i in tiny_checkpoint.held_out}
    drawn = set()
    for seed in range(8):
        rows = explain(explained.Linear(shape_of(tiny_checkpoint)), n_clips=3, n_steps=1, seed=seed).rows
        assert {row["label"] for row in rows} == {"high", "low", "noise"}
        assert {row["clip"] for row in rows} <= held_out
        drawn.add(tuple(row["clip"] for row in rows))
    assert len(drawn) > 1


def test_a_linear_network_is_attributed_exactly(explained, explain, tiny_checkpoint):
    model = explained.Linear(shape_of(tiny_checkpoint))
    record = explain(model, n_clips=3, n_steps=2)
    silence = standardised(tiny_checkpoint, np.full((1, *shape_of(tiny_checkpoint)), math.log(1e-6), np.float32))
    classes = tiny_checkpoint.classes
    for row in record.rows:
        x = standardised(tiny_checkpoint, record.arrays["spectrogram"][row["image_index"]])
        logits = model(x[None])[0]
        assert row["predicted"] == classes[int(logits.argmax())]
        weight = model.weight[classes.index(row["target"])].detach()
        expected = (weight * (x - silence[0]) / 100).numpy()
        np.testing.assert_allclose(record.arrays["attribution"][row["array_index"]], expected, rtol=1e-3, atol=1e-6)
        assert row["gap"] < 1e-4
        assert not row["gap_absolute"]


def test_more_steps_close_the_gap_of_a_smooth_network(explained, explain):
    model = explained.Smooth()
    gaps = {n: [row["gap"] for row in explain(model, n_clips=3, n_steps=n).rows] for n in (1, 100)}
    assert max(gaps[100]) < 0.001
    assert max(gaps[1]) > 10 * max(gaps[100])


def test_a_network_that_says_the_same_of_silence_has_an_absolute_gap(explained, explain, tiny_checkpoint):
    rows = explain(explained.Linear(shape_of(tiny_checkpoint), scale=0.0), n_clips=1, n_steps=1).rows
    assert (rows[0]["gap"], rows[0]["gap_absolute"]) == (0.0, True)


def test_the_baseline_is_silence_as_the_network_sees_it(explained, explain, monkeypatch, tiny_checkpoint):
    seen = []
    original = path.IntegratedGradients.attribute

    def spy(self, inputs, **options):
        seen.append(options["baselines"].clone())
        return original(self, inputs, **options)

    monkeypatch.setattr(path.IntegratedGradients, "attribute", spy)
    explain(explained.Linear(shape_of(tiny_checkpoint)), n_clips=1, n_steps=1)
    mean, std = tiny_checkpoint.standardise.mean, tiny_checkpoint.standardise.std
    for channel in range(3):
        expected = (math.log(1e-6) - mean[channel]) / std[channel]
        assert expected < -0.5  # 0, the mean of the training clips, would be loud
        assert torch.allclose(seen[0][:, channel], torch.tensor(expected), atol=1e-5)


def test_mfccs_start_from_the_silence_of_mfccs(explained, monkeypatch, tiny_data, tiny_checkpoint):
    """Its level is in row 0; the floor of log power in all rows would be no sound at all."""
    settings = tiny_checkpoint.material.settings.model_copy(update={"features": "mfcc"})
    images = load_images(tiny_checkpoint.material.dataset, settings, progress=False)
    material = dataclasses.replace(tiny_checkpoint.material, settings=settings, images=images)
    model = explained.Linear(material.image_shape)
    found = dataclasses.replace(tiny_checkpoint, material=material, standardise=Standardiser(), _after=model)
    monkeypatch.setattr(module, "open_checkpoints", lambda paths, **_: [found])
    record = attribute("run", device="cpu", progress=False, n_clips=1, n_steps=2, channels=True)
    assert record.params["row_hz"] is None
    assert record.params["silence"] == pytest.approx(math.sqrt(128) * math.log(1e-6))
    silence = np.zeros(material.image_shape, np.float32)
    silence[:, 0] = record.params["silence"]
    weight = model.weight[found.classes.index(record.rows[0]["target"])].detach().numpy()
    expected = weight * (record.arrays["spectrogram"][0] - silence) / 100
    np.testing.assert_allclose(record.arrays["attribution"][0], expected, rtol=1e-3, atol=1e-5)


def test_the_target_may_be_a_class(explained, explain, tiny_checkpoint):
    model = explained.Linear(shape_of(tiny_checkpoint))
    for name in tiny_checkpoint.classes:
        row = explain(model, n_clips=1, n_steps=1, target=name).rows[0]
        assert row["target"] == name
    with pytest.raises(ParameterError, match="target='dog' is no class; choose from predicted, true, high, low, noise"):
        explain(model, target="dog")


@pytest.mark.parametrize(
    "wrong",
    [{"n_steps": 0}, {"n_clips": 0}, {"tolerance": 0.0}, {"rule": "best"}, {"baseline": "zero"}, {"target": "other"}],
)
def test_impossible_values_are_named(explained, explain, wrong):
    with pytest.raises(ParameterError, match=f"{next(iter(wrong)).replace('rule', 'choose')}="):
        explain(explained.Smooth(), **wrong)


def test_clips_by_relative_path_absolute_path_and_from_elsewhere(
    explained, explain, tiny_data, tiny_checkpoint, tmp_path
):
    outside = tmp_path / "mine.wav"
    shutil.copy(tiny_data / "low" / "3.wav", outside)
    given = ["low/3.wav", tiny_data / "low" / "3.wav", outside]
    record = explain(explained.Linear(shape_of(tiny_checkpoint)), clips=given, n_steps=1)
    assert [row["clip"] for row in record.rows] == ["low/3.wav", "low/3.wav", "mine.wav"]  # no machine's path
    assert [row["label"] for row in record.rows] == ["low", "low", None]
    first, *others = record.arrays["spectrogram"]
    for other in others:
        np.testing.assert_array_equal(first, other)
    index = [clip.path for clip in tiny_checkpoint.material.dataset.clips].index("low/3.wav")
    np.testing.assert_array_equal(first, tiny_checkpoint.material.images.array[index])


def test_a_missing_clip_is_named(explained, explain):
    with pytest.raises(DataError, match=r"low/99\.wav is neither a file nor in the data set tiny") as caught:
        explain(explained.Smooth(), clips=["low/3.wav", "low/99.wav"])
    assert caught.value.exit_code == 3


def test_a_silent_clip_has_nothing_to_attribute(explained, explain, tmp_path):
    import soundfile

    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), 8000)
    record = explain(explained.Smooth(), clips=[tmp_path / "silent.wav"])
    (row,) = record.rows
    np.testing.assert_allclose(record.arrays["attribution"], 0, atol=1e-6)
    assert row["gap_absolute"]
    assert row["gap"] < 1e-5  # float32, on logits of up to 20
