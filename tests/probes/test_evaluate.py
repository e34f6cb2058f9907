"""Evaluation: the run's own number, its data where they have moved, other data, loose clips."""

import dataclasses
import shutil

import numpy as np
import pytest

from tlprobe.data.options import DataOptions
from tlprobe.errors import DataError, ParameterError
from tlprobe.probes.evaluate import evaluate, predictions_of

CLASSES = ["high", "low", "noise"]


@pytest.fixture(scope="module")
def record(tiny_run):
    return evaluate(tiny_run, device="cpu", progress=False)


def test_the_accuracy_is_the_runs(record, tiny_run):
    (row,) = record.rows
    kept = tiny_run.record.rows[0]
    assert {name: row[name] for name in ("accuracy", "n", "ci_low", "ci_high")} == {
        name: kept[name] for name in ("accuracy", "n", "ci_low", "ci_high")
    }
    assert (type(row["accuracy"]), type(row["n"])) == (float, int)
    assert row["clips"] == "fold 1"
    stored = tiny_run.predictions()
    found = predictions_of(record)
    assert (found.clips, found.labels, found.classes) == (stored.clips, stored.labels, stored.classes)
    np.testing.assert_allclose(record.arrays["probabilities"], stored.probabilities, atol=1e-6)


def test_the_confusion_counts_every_clip_once(record):
    confusion = record.arrays["confusion"]
    assert confusion.shape == (1, 3, 3)
    assert confusion.sum(2).tolist() == [[2, 2, 2]]  # two held-out clips of each class
    assert np.trace(confusion[0]) == record.rows[0]["accuracy"] * record.rows[0]["n"]


def test_data_that_moved(record, tiny_run, tiny_data, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(tiny_data, moved)
    source = dataclasses.replace(tiny_run.source, path=str(tmp_path / "gone"))
    orphan = dataclasses.replace(tiny_run, source=source)
    with pytest.raises(DataError, match=r"gone any more; say where with --data"):
        evaluate(orphan, device="cpu", progress=False)
    found = evaluate(orphan, data=moved, device="cpu", progress=False)
    assert found.rows == record.rows


def test_other_data_of_some_of_the_classes(tiny_run, tiny_data, tmp_path):
    other = tmp_path / "other"
    for label in ("low", "noise"):
        (other / label).mkdir(parents=True)
        for i in range(5):
            shutil.copy(tiny_data / label / f"{i}.wav", other / label)
    record = evaluate(tiny_run, data=other, device="cpu", progress=False)
    (row,) = record.rows
    assert (row["clips"], row["n"]) == ("all", 10)
    assert record.params["classes"] == CLASSES
    assert record.arrays["confusion"].sum(2).tolist() == [[0, 5, 5]]
    assert np.trace(record.arrays["confusion"][0]) == row["accuracy"] * 10
    assert record.provenance["data"]["name"] == "other"


def test_a_run_on_the_subset_is_scored_on_data_of_another_layout(tiny_run, tiny_data, tmp_path):
    other = shutil.copytree(tiny_data, tmp_path / "other")
    (other / "low" / "3.wav").unlink()
    subset = dataclasses.replace(
        tiny_run, source=dataclasses.replace(tiny_run.source, options=DataOptions(dataset="esc10"))
    )
    with pytest.raises(ParameterError, match="esc10 needs a folder"):  # its own data are of this layout too
        evaluate(subset, device="cpu", progress=False)
    with pytest.raises(ParameterError, match=rf"esc10 needs a folder .*{tiny_data.name} has none"):
        evaluate(subset, data=other, device="cpu", progress=False)  # from its own, no more from `other`


def test_classes_the_run_does_not_know(tiny_run, tiny_data, tmp_path):
    other = tmp_path / "other"
    for label, source in (("dog", "low"), ("low", "low")):
        shutil.copytree(tiny_data / source, other / label)
    with pytest.raises(DataError, match=r"has classes that \S+ does not know: dog"):
        evaluate(tiny_run, data=other, device="cpu", progress=False)


def test_loose_clips_are_named_not_scored(record, tiny_run, tiny_data, tmp_path):
    held_out = record.params["clips"][0]
    mine = tmp_path / "mine.wav"
    shutil.copy(tiny_data / held_out, mine)
    named = evaluate(tiny_run, clips=[mine, held_out], device="cpu", progress=False)
    assert [row["clip"] for row in named.rows] == ["mine.wav", held_out]
    for row in named.rows:
        assert row["accuracy"] is row["n"] is row["ci_low"] is row["ci_high"] is None
        assert row["predicted"] == predictions_of(record).predicted[0]
        assert row["probability"] == pytest.approx(record.arrays["probabilities"][0].max(), abs=1e-5)
    assert named.params["labels"] is None
    assert "confusion" not in named.arrays


def test_a_missing_clip(tiny_run):
    with pytest.raises(DataError, match=r"nothing\.wav"):
        evaluate(tiny_run, clips=["nothing.wav"], device="cpu", progress=False)


def test_clips_beside_another_data_set(tiny_run, tiny_data, tmp_path):
    for label in ("low", "noise"):
        shutil.copytree(tiny_data / label, tmp_path / "other" / label)
    with pytest.raises(ParameterError, match="other is not the data set of"):
        evaluate(tiny_run, data=tmp_path / "other", clips=["low/1.wav"], device="cpu", progress=False)


@pytest.fixture
def as_table(tiny_run, tiny_data, tmp_path):
    """The run as if its data had been read as a table, or as file names, with the folds they have."""
    data = shutil.copytree(tiny_data, tmp_path / "own")
    clips = tiny_run.source.open().clips
    rows = [f"{clip.path},{clip.label},{clip.fold}" for clip in clips]
    (data / "clips.csv").write_text("\n".join(["path,what,fold", *rows]))

    def make(path, **options):
        source = dataclasses.replace(tiny_run.source, path=str(data / path), options=DataOptions(**options))
        run = dataclasses.replace(tiny_run, source=source)
        assert run.source.open().content_hash == run.source.hash
        return run

    return make


def test_options_of_the_runs_own_layout_do_not_keep_it_from_other_data(as_table, tiny_run, tiny_data, tmp_path, caplog):
    folder = shutil.copytree(tiny_data, tmp_path / "other")
    (folder / "low" / "3.wav").unlink()
    table = folder / "other.csv"
    table.write_text("\n".join(["path,label,fold", *(f"{c}/{i}.wav,{c},{i + 1}" for c in CLASSES for i in range(2))]))
    flat = tmp_path / "flat"
    flat.mkdir()
    for label in CLASSES:
        for i in range(5):
            shutil.copy(tiny_data / label / f"{i}.wav", flat / f"{label}-{i}.wav")
    folds = tmp_path / "own" / "clips.csv"
    by_name = {"label_regex": "(?P<label>[a-z]+)[-/]", "folds_file": str(folds)}
    for run, other, n, dropped in (
        (as_table("clips.csv", label_column="what"), folder, 29, "label_column"),
        (as_table(".", dataset="folder", folds_file=str(folds)), table, 6, "dataset, folds_file"),
        (as_table(".", **by_name), table, 6, "folds_file, label_regex"),
        (as_table(".", **by_name), flat, 15, "folds_file"),  # read by the run's own pattern
        (as_table(".", **by_name), folder, 29, "folds_file"),
    ):
        caplog.clear()
        record = evaluate(run, data=other, device="cpu", progress=False)
        assert (record.rows[0]["n"], record.rows[0]["clips"]) == (n, "all")
        assert f"{other} is read without {dropped} of {run.name}: " in caplog.text


def test_other_data_that_cannot_be_read_at_all(as_table, tmp_path):
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match="bare has recordings of 0 classes by that pattern"):
        evaluate(as_table(".", label_regex="(?P<label>[a-z]+)/", folds_file=str(tmp_path / "own" / "clips.csv")),
                 data=tmp_path / "bare", device="cpu", progress=False)  # fmt: skip


def test_clips_that_it_was_trained_on_are_told(tiny_run, tiny_data, tmp_path, caplog):
    dataset = tiny_run.source.open()
    for label in dataset.classes:
        (tmp_path / "other" / label).mkdir(parents=True)
        for held_out, n in ((False, 3), (True, 2)):
            clips = [clip for clip in dataset.clips if (clip.fold == tiny_run.config.fold) == held_out]
            for k, clip in enumerate([clip for clip in clips if clip.label == label][:n]):
                shutil.copy(dataset.root / clip.path, tmp_path / "other" / label / f"{held_out}{k}.wav")
    row = evaluate(tiny_run, data=tmp_path / "other", device="cpu", progress=False).rows[0]
    assert (row["n"], row["n_seen"]) == (15, 9)
    assert f"9 of the 15 clips of {tmp_path / 'other'} are in files that {tiny_run.name} was trained on" in caplog.text
    assert evaluate(tiny_run, device="cpu", progress=False).rows[0]["n_seen"] is None
