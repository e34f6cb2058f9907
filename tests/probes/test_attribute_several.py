"""Attribution by several methods, of several networks and recordings: shown side by side, or refused."""

import dataclasses
import shutil

import numpy as np
import pytest

from tlprobe.errors import ParameterError
from tlprobe.probes import attribute as module
from tlprobe.probes.attribute import attribute


def shape_of(checkpoint):
    return checkpoint.material.image_shape


def test_all_methods_beside_each_other_and_those_that_are_wrong_are_told(explained, explain, caplog):
    record = explain(explained.Smooth(), n_clips=2, method="all", n_steps=4)
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


def test_methods_that_are_wrong_are_left_out_of_all_and_refused_alone(explained, explain, caplog):
    record = explain(explained.Kinked(), n_clips=1, method=["all"], n_steps=4)
    refused = {one["way"]: one["why"] for one in record.params["refused"]}
    assert set(refused) == {"deeplift from silence", "guided-backprop", "grad-cam at stem"}
    assert "deeplift knows modules of" in refused["deeplift from silence"]
    assert "deeplift from silence of tiny is left out: deeplift knows modules of" in caplog.text
    assert {row["method"] for row in record.rows} == {
        "integrated-gradients", "gradient-x-input", "smoothgrad", "occlusion",
    }  # fmt: skip
    with pytest.raises(ParameterError, match="deeplift knows modules of"):
        explain(explained.Kinked(), n_clips=1, method="deeplift")
    with pytest.raises(ParameterError, match="grad-cam needs a block"):
        explain(explained.Kinked(), n_clips=1, method="grad-cam", block="stem")


def test_networks_beside_each_other_see_the_same_clips(explained, several, explain, tiny_checkpoint):
    shape = shape_of(tiny_checkpoint)
    record = several(
        explained.Linear(shape), explained.Linear(shape, scale=2.0), n_clips=2, n_steps=2, target="low", waveform=True
    )
    assert [row["run"] for row in record.rows] == ["run0", "run0", "run1", "run1"]
    assert record.rows[0]["clip"] == record.rows[2]["clip"]
    maps = record.arrays["attribution"]
    np.testing.assert_allclose(maps[2:], 2 * maps[:2], rtol=1e-4, atol=1e-7)
    alone = explain(explained.Linear(shape), n_clips=2, n_steps=2, target="low")
    np.testing.assert_array_equal(maps[:2], alone.arrays["attribution"])
    assert record.arrays["peaks"].shape == (2, 2, shape[2])
    assert np.abs(record.arrays["peaks"]).max() > 0.01


def test_networks_that_were_asked_something_else_are_refused(explained, several, tiny_checkpoint):
    shape = shape_of(tiny_checkpoint)

    def other_images(checkpoint):
        settings = checkpoint.material.settings.model_copy(update={"features": "log-mel"})
        return dataclasses.replace(checkpoint, material=dataclasses.replace(checkpoint.material, settings=settings))

    for change, what in ((lambda c: dataclasses.replace(c, fold=2), "fold"), (other_images, "images")):
        with pytest.raises(ParameterError, match=f"run1 has other {what} than run0"):
            several(explained.Linear(shape), explained.Linear(shape), change=change, n_clips=1)


def test_channels_are_kept_or_their_sum(explained, explain, tiny_checkpoint):
    each, together = (
        explain(explained.Linear(shape_of(tiny_checkpoint)), n_clips=2, n_steps=1, channels=channels)
        for channels in (True, False)
    )
    assert (each.params["channels"], together.params["channels"]) == (["25 ms", "50 ms", "100 ms"], [])
    summed = each.arrays["attribution"].sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(together.arrays["attribution"], summed)
    np.testing.assert_array_equal(together.arrays["spectrogram"], each.arrays["spectrogram"][:, :1])
    assert together.rows == each.rows


def test_a_clip_of_another_rate_is_resampled(explained, explain, tmp_path, tiny_checkpoint):
    import soundfile

    settings = tiny_checkpoint.material.settings
    for sr in (settings.sr, 44_100):
        seconds = np.arange(round(sr * settings.clip_s)) / sr
        soundfile.write(tmp_path / f"{sr}.wav", 0.5 * np.sin(2 * np.pi * 440 * seconds), sr, subtype="FLOAT")
    given = [tmp_path / f"{settings.sr}.wav", tmp_path / "44100.wav"]
    own, other = explain(explained.Linear(shape_of(tiny_checkpoint)), clips=given, n_steps=1, waveform=True).arrays[
        "spectrogram"
    ]
    heard = own > own.min() + 6  # what is not leakage
    inner = slice(4, -4)  # columns away from the ends, where the resampler rings
    assert np.abs(own - other)[:, :, inner][heard[:, :, inner]].max() < 0.5


def test_all_parts_of_a_recording_are_explained(explained, monkeypatch, tiny_checkpoint):
    dataset = tiny_checkpoint.material.dataset
    parts = tuple(
        dataclasses.replace(clip, start_s=start, end_s=start + 0.2) for clip in dataset.clips for start in (0.0, 0.2)
    )
    array = np.repeat(np.asarray(tiny_checkpoint.material.images.array), 2, axis=0)
    images = dataclasses.replace(tiny_checkpoint.material.images, array=array)
    material = dataclasses.replace(
        tiny_checkpoint.material, dataset=dataclasses.replace(dataset, clips=parts), images=images
    )
    found = dataclasses.replace(tiny_checkpoint, material=material, _after=explained.Linear(material.image_shape))
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


def test_what_is_refused_is_of_a_network(explained, several, tiny_checkpoint):
    record = several(explained.Smooth(), explained.Kinked(), n_clips=1, n_steps=2, method="all")
    assert {(one["run"], one["way"]) for one in record.params["refused"]} == {
        ("run0", "guided-backprop"), ("run1", "deeplift from silence"), ("run1", "guided-backprop"),
        ("run1", "grad-cam at stem"),
    }  # fmt: skip
    assert [row["run"] for row in record.rows if row["method"] == "deeplift"] == ["run0"]
    assert record.arrays["attribution"].shape[0] == len(record.rows)
    with pytest.raises(ParameterError, match="run0: block='stem' is no block of the network"):
        several(explained.Smooth(), explained.Kinked(), n_clips=1, method="grad-cam", block="stem")


@pytest.mark.parametrize("features", ["mfcc"])
def test_what_cannot_be_heard_is_told_before_anything_is_computed(
    explained, several, tiny_checkpoint, tmp_path, features
):
    def change(checkpoint):
        settings = checkpoint.material.settings.model_copy(update={"features": features})
        return dataclasses.replace(checkpoint, material=dataclasses.replace(checkpoint.material, settings=settings))

    class Unasked(explained.Linear):
        def forward(self, x):
            raise AssertionError("asked")

    with pytest.raises(ParameterError, match="features='mfcc' cannot be heard"):
        several(Unasked(shape_of(tiny_checkpoint)), change=change, sounds=tmp_path, n_clips=1)


@pytest.mark.parametrize("memory_gb", [0.0, -1.0, float("nan"), float("inf")])
def test_memory_that_is_no_size(explained, explain, memory_gb):
    with pytest.raises(ParameterError, match=f"memory_gb={memory_gb} must be more than 0"):
        explain(explained.Smooth(), n_clips=1, memory_gb=memory_gb)
