"""Attribution: exact on linear networks, complete on smooth ones, and silence is silence."""

import dataclasses
import math
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from tlprobe.data.cache import load_images
from tlprobe.data.loader import Standardiser
from tlprobe.errors import DataError, ParameterError
from tlprobe.probes import attribute as module
from tlprobe.probes.attribute import attribute
from tlprobe.probes.attribution import path


class Linear(nn.Module):
    """Logits are a linear map of the image, divided by its size."""

    block_names = ()

    def __init__(self, shape, *, scale=1.0):
        super().__init__()
        self.weight = nn.Parameter(scale * torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)))

    def forward(self, x):
        return torch.einsum("bchw,kchw->bk", x, self.weight) / 100


class Smooth(nn.Module):
    """A small convolutional network without kinks."""

    block_names = ()

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.body = nn.Sequential(nn.Conv2d(3, 8, 5, stride=4), nn.Softplus(), nn.Conv2d(8, 8, 3), nn.Tanh())
            self.head = nn.Linear(8, 3)

    def forward(self, x):
        return 20 * self.head(self.body(x).mean((2, 3)))


@pytest.fixture
def explain(monkeypatch, tiny_checkpoint):
    """Run the probe on the tiny run's data with another network in it."""

    def call(model, **options):
        found = dataclasses.replace(tiny_checkpoint, _after=model)
        monkeypatch.setattr(module, "open_checkpoints", lambda paths, **_: [found])
        return attribute("run", device="cpu", progress=False, **{"channels": True, **options})

    return call


@pytest.fixture(scope="module")
def record(tiny_run):
    return attribute(tiny_run, n_clips=2, n_steps=8, channels=True, device="cpu", progress=False)


def test_what_does_not_add_up_is_told_and_marked(explain, caplog):
    (row,) = explain(Smooth(), n_clips=1, n_steps=1).rows
    assert row["gap"] > 0.01
    assert not row["reached"]
    missed = f"{100 * row['gap']:.2g} %"
    said = f"{row['clip']}: from silence the attributions miss their sum by {missed} at best, with 1 steps"
    assert said in [entry.message for entry in caplog.records]
    caplog.clear()
    (row,) = explain(Smooth(), n_clips=1).rows  # as many steps as it takes
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


def test_drawn_clips_are_held_out_and_of_different_classes(explain, tiny_checkpoint):
    dataset = tiny_checkpoint.material.dataset
    held_out = {dataset.clips[i].path for i in tiny_checkpoint.held_out}
    drawn = set()
    for seed in range(8):
        rows = explain(Linear(shape_of(tiny_checkpoint)), n_clips=3, n_steps=1, seed=seed).rows
        assert {row["label"] for row in rows} == {"high", "low", "noise"}
        assert {row["clip"] for row in rows} <= held_out
        drawn.add(tuple(row["clip"] for row in rows))
    assert len(drawn) > 1


def test_a_linear_network_is_attributed_exactly(explain, tiny_checkpoint):
    model = Linear(shape_of(tiny_checkpoint))
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


def test_more_steps_close_the_gap_of_a_smooth_network(explain):
    model = Smooth()
    gaps = {n: [row["gap"] for row in explain(model, n_clips=3, n_steps=n).rows] for n in (1, 100)}
    assert max(gaps[100]) < 0.001
    assert max(gaps[1]) > 10 * max(gaps[100])


def test_a_network_that_says_the_same_of_silence_has_an_absolute_gap(explain, tiny_checkpoint):
    rows = explain(Linear(shape_of(tiny_checkpoint), scale=0.0), n_clips=1, n_steps=1).rows
    assert (rows[0]["gap"], rows[0]["gap_absolute"]) == (0.0, True)


def test_the_baseline_is_silence_as_the_network_sees_it(explain, monkeypatch, tiny_checkpoint):
    seen = []
    original = path.IntegratedGradients.attribute

    def spy(self, inputs, **options):
        seen.append(options["baselines"].clone())
        return original(self, inputs, **options)

    monkeypatch.setattr(path.IntegratedGradients, "attribute", spy)
    explain(Linear(shape_of(tiny_checkpoint)), n_clips=1, n_steps=1)
    mean, std = tiny_checkpoint.standardise.mean, tiny_checkpoint.standardise.std
    for channel in range(3):
        expected = (math.log(1e-6) - mean[channel]) / std[channel]
        assert expected < -0.5  # 0, the mean of the training clips, would be loud
        assert torch.allclose(seen[0][:, channel], torch.tensor(expected), atol=1e-5)


def test_mfccs_start_from_the_silence_of_mfccs(monkeypatch, tiny_data, tiny_checkpoint):
    """Its level is in row 0; the floor of log power in all rows would be no sound at all."""
    settings = tiny_checkpoint.material.settings.model_copy(update={"features": "mfcc"})
    images = load_images(tiny_checkpoint.material.dataset, settings, progress=False)
    material = dataclasses.replace(tiny_checkpoint.material, settings=settings, images=images)
    model = Linear(material.image_shape)
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


def test_the_target_may_be_a_class(explain, tiny_checkpoint):
    model = Linear(shape_of(tiny_checkpoint))
    for name in tiny_checkpoint.classes:
        row = explain(model, n_clips=1, n_steps=1, target=name).rows[0]
        assert row["target"] == name
    with pytest.raises(ParameterError, match="target='dog' is no class; choose from predicted, true, high, low, noise"):
        explain(model, target="dog")


@pytest.mark.parametrize(
    "wrong",
    [{"n_steps": 0}, {"n_clips": 0}, {"tolerance": 0.0}, {"rule": "best"}, {"baseline": "zero"}, {"target": "other"}],
)
def test_impossible_values_are_named(explain, wrong):
    with pytest.raises(ParameterError, match=f"{next(iter(wrong)).replace('rule', 'choose')}="):
        explain(Smooth(), **wrong)


def test_clips_by_relative_path_absolute_path_and_from_elsewhere(explain, tiny_data, tiny_checkpoint, tmp_path):
    outside = tmp_path / "mine.wav"
    shutil.copy(tiny_data / "low" / "3.wav", outside)
    given = ["low/3.wav", tiny_data / "low" / "3.wav", outside]
    record = explain(Linear(shape_of(tiny_checkpoint)), clips=given, n_steps=1)
    assert [row["clip"] for row in record.rows] == ["low/3.wav", "low/3.wav", "mine.wav"]  # no machine's path
    assert [row["label"] for row in record.rows] == ["low", "low", None]
    first, *others = record.arrays["spectrogram"]
    for other in others:
        np.testing.assert_array_equal(first, other)
    index = [clip.path for clip in tiny_checkpoint.material.dataset.clips].index("low/3.wav")
    np.testing.assert_array_equal(first, tiny_checkpoint.material.images.array[index])


def test_a_missing_clip_is_named(explain):
    with pytest.raises(DataError, match=r"low/99\.wav is neither a file nor in the data set tiny") as caught:
        explain(Smooth(), clips=["low/3.wav", "low/99.wav"])
    assert caught.value.exit_code == 3


def test_a_silent_clip_has_nothing_to_attribute(explain, tmp_path):
    import soundfile

    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), 8000)
    record = explain(Smooth(), clips=[tmp_path / "silent.wav"])
    (row,) = record.rows
    np.testing.assert_allclose(record.arrays["attribution"], 0, atol=1e-6)
    assert row["gap_absolute"]
    assert row["gap"] < 1e-5  # float32, on logits of up to 20


def test_all_methods_beside_each_other_and_those_that_are_wrong_are_told(explain, caplog):
    record = explain(Smooth(), n_clips=2, method="all", n_steps=4)
    assert record.params["methods"] == [
        "integrated-gradients", "gradient-x-input", "smoothgrad", "deeplift", "occlusion",
    ]  # fmt: skip
    assert len(record.rows) == 10
    assert (len(record.arrays["attribution"]), len(record.arrays["spectrogram"])) == (10, 2)
    for row in record.rows:
        assert record.params["clips"][row["image_index"]] == row["clip"]
        assert (row["gap"] is not None) == (row["method"] in ("integrated-gradients", "deeplift"))
    assert [one["way"] for one in record.params["refused"]] == ["guided-backprop"]  # which knows ReLU alone
    assert "guided-backprop of tiny is left out: guided-backprop knows modules of ReLU only" in caplog.text


class Kinked(Smooth):
    """With an activation that is no module: DeepLift and guided backprop would pass it over."""

    block_names = ("stem",)

    def forward(self, x):
        return super().forward(torch.relu(x))


def test_methods_that_are_wrong_are_left_out_of_all_and_refused_alone(explain, caplog):
    record = explain(Kinked(), n_clips=1, method=["all"], n_steps=4)
    refused = {one["way"]: one["why"] for one in record.params["refused"]}
    assert set(refused) == {"deeplift from silence", "guided-backprop", "grad-cam at stem"}
    assert "deeplift knows modules of" in refused["deeplift from silence"]
    assert "deeplift from silence of tiny is left out: deeplift knows modules of" in caplog.text
    assert {row["method"] for row in record.rows} == {
        "integrated-gradients", "gradient-x-input", "smoothgrad", "occlusion",
    }  # fmt: skip
    with pytest.raises(ParameterError, match="deeplift knows modules of"):
        explain(Kinked(), n_clips=1, method="deeplift")
    with pytest.raises(ParameterError, match="grad-cam needs a block"):
        explain(Kinked(), n_clips=1, method="grad-cam", block="stem")


@pytest.fixture
def several(monkeypatch, tiny_checkpoint):
    """Run the probe on several networks on the tiny run's data; `change` alters the last one's checkpoint."""

    def call(*models, change=None, **options):
        found = {
            f"run{k}": dataclasses.replace(tiny_checkpoint, _after=model, name=f"run{k}", run=None)
            for k, model in enumerate(models)
        }
        if change is not None:
            last = list(found)[-1]
            found[last] = change(found[last])
        monkeypatch.setattr(module, "open_checkpoints", lambda paths, **_: [found[path] for path in paths])
        return attribute(list(found), device="cpu", progress=False, **{"channels": True, **options})

    return call


def test_networks_beside_each_other_see_the_same_clips(several, explain, tiny_checkpoint):
    shape = shape_of(tiny_checkpoint)
    record = several(Linear(shape), Linear(shape, scale=2.0), n_clips=2, n_steps=2, target="low", waveform=True)
    assert [row["run"] for row in record.rows] == ["run0", "run0", "run1", "run1"]
    assert record.rows[0]["clip"] == record.rows[2]["clip"]
    maps = record.arrays["attribution"]
    np.testing.assert_allclose(maps[2:], 2 * maps[:2], rtol=1e-4, atol=1e-7)
    alone = explain(Linear(shape), n_clips=2, n_steps=2, target="low")
    np.testing.assert_array_equal(maps[:2], alone.arrays["attribution"])
    assert record.arrays["peaks"].shape == (2, 2, shape[2])
    assert np.abs(record.arrays["peaks"]).max() > 0.01


def test_networks_that_were_asked_something_else_are_refused(several, tiny_checkpoint):
    shape = shape_of(tiny_checkpoint)

    def other_images(checkpoint):
        settings = checkpoint.material.settings.model_copy(update={"features": "log-mel"})
        return dataclasses.replace(checkpoint, material=dataclasses.replace(checkpoint.material, settings=settings))

    for change, what in ((lambda c: dataclasses.replace(c, fold=2), "fold"), (other_images, "images")):
        with pytest.raises(ParameterError, match=f"run1 has other {what} than run0"):
            several(Linear(shape), Linear(shape), change=change, n_clips=1)


def test_channels_are_kept_or_their_sum(explain, tiny_checkpoint):
    each, together = (
        explain(Linear(shape_of(tiny_checkpoint)), n_clips=2, n_steps=1, channels=channels)
        for channels in (True, False)
    )
    assert (each.params["channels"], together.params["channels"]) == (["25 ms", "50 ms", "100 ms"], [])
    summed = each.arrays["attribution"].sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(together.arrays["attribution"], summed)
    np.testing.assert_array_equal(together.arrays["spectrogram"], each.arrays["spectrogram"][:, :1])
    assert together.rows == each.rows


def test_a_clip_of_another_rate_is_resampled(explain, tmp_path, tiny_checkpoint):
    import soundfile

    settings = tiny_checkpoint.material.settings
    for sr in (settings.sr, 44_100):
        seconds = np.arange(round(sr * settings.clip_s)) / sr
        soundfile.write(tmp_path / f"{sr}.wav", 0.5 * np.sin(2 * np.pi * 440 * seconds), sr, subtype="FLOAT")
    given = [tmp_path / f"{settings.sr}.wav", tmp_path / "44100.wav"]
    own, other = explain(Linear(shape_of(tiny_checkpoint)), clips=given, n_steps=1, waveform=True).arrays["spectrogram"]
    heard = own > own.min() + 6  # what is not leakage
    inner = slice(4, -4)  # columns away from the ends, where the resampler rings
    assert np.abs(own - other)[:, :, inner][heard[:, :, inner]].max() < 0.5


def test_all_parts_of_a_recording_are_explained(monkeypatch, tiny_checkpoint):
    dataset = tiny_checkpoint.material.dataset
    parts = tuple(
        dataclasses.replace(clip, start_s=start, end_s=start + 0.2) for clip in dataset.clips for start in (0.0, 0.2)
    )
    array = np.repeat(np.asarray(tiny_checkpoint.material.images.array), 2, axis=0)
    images = dataclasses.replace(tiny_checkpoint.material.images, array=array)
    material = dataclasses.replace(
        tiny_checkpoint.material, dataset=dataclasses.replace(dataset, clips=parts), images=images
    )
    found = dataclasses.replace(tiny_checkpoint, material=material, _after=Linear(material.image_shape))
    monkeypatch.setattr(module, "open_checkpoints", lambda paths, **_: [found])
    record = attribute("run", clips=["low/3.wav"], n_steps=1, device="cpu", progress=False)
    assert [(row["clip"], row["start_s"], row["end_s"]) for row in record.rows] == [
        ("low/3.wav", 0.0, 0.2), ("low/3.wav", 0.2, 0.4),
    ]  # fmt: skip


def test_runs_of_one_name_are_told_apart_and_none_comes_twice(tiny_run, tmp_path):
    other = dataclasses.replace(tiny_run, path=tmp_path / "other" / tiny_run.path.name)
    shutil.copytree(tiny_run.path, other.path)
    record = attribute([tiny_run.path, other.path], n_clips=1, n_steps=1, device="cpu", progress=False)
    names = [row["run"] for row in record.rows]
    assert names == [f"{tiny_run.path.parent.name}/{tiny_run.path.name}", f"other/{tiny_run.path.name}"]
    with pytest.raises(ParameterError, match=rf"{tiny_run.path.name} was given twice"):
        attribute([tiny_run.path, tiny_run.path], n_clips=1, n_steps=1, device="cpu", progress=False)


def test_what_is_refused_is_of_a_network(several, tiny_checkpoint):
    record = several(Smooth(), Kinked(), n_clips=1, n_steps=2, method="all")
    assert {(one["run"], one["way"]) for one in record.params["refused"]} == {
        ("run0", "guided-backprop"), ("run1", "deeplift from silence"), ("run1", "guided-backprop"),
        ("run1", "grad-cam at stem"),
    }  # fmt: skip
    assert [row["run"] for row in record.rows if row["method"] == "deeplift"] == ["run0"]
    assert record.arrays["attribution"].shape[0] == len(record.rows)
    with pytest.raises(ParameterError, match="run0: block='stem' is no block of the network"):
        several(Smooth(), Kinked(), n_clips=1, method="grad-cam", block="stem")


@pytest.mark.parametrize("features", ["mfcc"])
def test_what_cannot_be_heard_is_told_before_anything_is_computed(several, tiny_checkpoint, tmp_path, features):
    def change(checkpoint):
        settings = checkpoint.material.settings.model_copy(update={"features": features})
        return dataclasses.replace(checkpoint, material=dataclasses.replace(checkpoint.material, settings=settings))

    class Unasked(Linear):
        def forward(self, x):
            raise AssertionError("asked")

    with pytest.raises(ParameterError, match="features='mfcc' cannot be heard"):
        several(Unasked(shape_of(tiny_checkpoint)), change=change, sounds=tmp_path, n_clips=1)


@pytest.mark.parametrize("memory_gb", [0.0, -1.0, float("nan"), float("inf")])
def test_memory_that_is_no_size(explain, memory_gb):
    with pytest.raises(ParameterError, match=f"memory_gb={memory_gb} must be more than 0"):
        explain(Smooth(), n_clips=1, memory_gb=memory_gb)
