"""Trainings on the layouts of real data sets, and on splits that leak."""

import csv
import shutil

import numpy as np
import pytest
import soundfile

from tlprobe.data.gtzan import GENRES
from tlprobe.errors import DataError
from tlprobe.train.fit import fit
from tlprobe.train.material import FitOptions

SMALL = "timm/test_efficientnet"
SR = 8000


def options(data, **more):
    changes = {"epochs": 1, "batch_size": 8}
    return FitOptions(data=data, backbone=SMALL, weights="random", changes=changes, **more)


def train(data, out, **more):
    return fit(options(data, **more), out=out, device="cpu", progress=False)


def sound(path, rng, *, seconds):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, rng.normal(0, 0.1, int(SR * seconds)), SR)


def test_gtzan_is_trained_at_1500_columns(tmp_path):
    rng = np.random.default_rng(0)
    for genre in GENRES[:8]:
        for number in range(5):
            sound(tmp_path / "gtzan" / "genres" / genre / f"{genre}.{number:05d}.wav", rng, seconds=1)
    run = train(tmp_path / "gtzan", tmp_path / "run", clip_s=30.0)
    row = run.record.rows[0]
    assert run.image_shape == (3, 128, 1500)
    n_held_out = sum(clip.fold == 1 for clip in run.source.open().clips)
    assert (row["n"], row["n_train"], row["n_padded"]) == (n_held_out, 40 - n_held_out, 40)
    assert 0 < n_held_out < 20
    assert run.record.provenance["data"]["split"] == "paper's 80/20, seed 0"


def test_urbansound8k_has_ten_folds_and_four_seconds(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for fold in range(1, 11):
        for k, name in enumerate(("siren", "drilling")):
            file = f"{fold}00{k}-{k}-0-0.wav"
            sound(tmp_path / "us8k" / "audio" / f"fold{fold}" / file, rng, seconds=1 + 3 * (fold == 1))
            rows.append([file, f"{fold}00{k}", 0, 4, 1, fold, k, name])
    (tmp_path / "us8k" / "metadata").mkdir()
    with (tmp_path / "us8k" / "metadata" / "UrbanSound8K.csv").open("w", newline="") as text:
        csv.writer(text).writerows(
            [["slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class"]]
        )
        csv.writer(text).writerows(rows)
    run = train(tmp_path / "us8k", tmp_path / "run", fold=10)
    row = run.record.rows[0]
    assert run.image_shape == (3, 128, 250)
    assert (run.config.image.sr, run.config.image.clip_s) == (22_050, 4.0)
    assert (row["n"], row["n_train"], row["n_padded"], row["n_leaked"]) == (2, 18, 18, 0)
    assert "the table lists 20 of 8732 clips" in run.source.open().note


@pytest.fixture
def leaking(tmp_path, tiny_data):
    """A folder with one sound twice, in two folds of the split that seed 0 deals."""
    data = shutil.copytree(tiny_data, tmp_path / "leaking")
    from tlprobe.data.open import open_dataset

    fold_of = {clip.path: clip.fold for clip in open_dataset(data).clips}
    first = next(path for path, fold in fold_of.items() if fold == 1 and path.startswith("noise"))
    second = next(path for path, fold in fold_of.items() if fold == 2 and path.startswith("noise"))
    samples, sr = soundfile.read(data / first)
    soundfile.write(data / second, 0.5 * samples, sr)
    return data, first, second


def test_own_folds_that_leak_are_refused_and_nothing_is_trained(leaking, tmp_path):
    data, first, second = leaking
    with pytest.raises(DataError, match=r"1 of the 6 clips held out in fold 1 leak .*near copies") as caught:
        train(data, tmp_path / "run")
    assert first in str(caught.value)
    assert second in str(caught.value)
    assert "--allow-leaks" in str(caught.value)
    assert not (tmp_path / "run" / "record.json").exists()


def test_leaks_that_are_allowed_are_counted(leaking, tmp_path, caplog):
    data, *_ = leaking
    run = train(data, tmp_path / "run", allow_leaks=True)
    assert run.record.rows[0]["n_leaked"] == 1
    assert "1 of the 6 clips held out in fold 1 leak from the training part (leaks by kind: 1 near)" in caplog.text
    assert train(data, tmp_path / "other", fold=3).record.rows[0]["n_leaked"] == 0


def test_leaks_of_a_prescribed_split_are_counted_and_the_run_goes_on(tmp_path):
    rng = np.random.default_rng(0)
    rows = [["filename", "fold", "category", "src_file"]]
    for fold in (1, 2):
        for label in ("dog", "rain"):
            for k in range(3):
                name = f"{fold}-{label}-{k}.wav"
                sound(tmp_path / "esc" / "audio" / name, rng, seconds=0.8)
                rows.append([name, fold, label, "shared" if (label, k) == ("dog", 0) else f"{fold}{label}{k}"])
    (tmp_path / "esc" / "meta").mkdir()
    with (tmp_path / "esc" / "meta" / "esc50.csv").open("w", newline="") as text:
        csv.writer(text).writerows(rows)
    run = train(tmp_path / "esc", tmp_path / "run")
    assert run.record.rows[0]["n_leaked"] == 1
    assert run.source.split == "official"


def test_what_was_skipped_stands_in_the_record(tiny_data, tmp_path):
    data = shutil.copytree(tiny_data, tmp_path / "set")
    (data / "low" / "0.wav").write_bytes(b"")
    with pytest.raises(DataError, match=r"low/0\.wav is empty"):
        train(data, tmp_path / "run")
    run = train(data, tmp_path / "run", on_error="skip")
    assert run.record.provenance["data"]["n_skipped"] == 1
    assert run.record.provenance["data"]["n_clips"] == 29
    assert run.source.open().n_skipped == 1


def test_a_run_with_folds_from_a_file_opens_its_data_wherever_it_is(tiny_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = train(tiny_data, tmp_path / "run", folds_file="folds.csv")
    assert run.source.options.folds_file == str(tmp_path / "folds.csv")
    assert run.source.split == "own folds, folds.csv"  # of the first as of all others
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run.source.open().content_hash == run.source.hash
    again = train(tiny_data, tmp_path / "again", folds_file="../folds.csv")
    assert (again.source.split, again.source.hash) == ("own folds, folds.csv", run.source.hash)
    (tmp_path / "folds.csv").unlink()
    assert run.source.open().content_hash == run.source.hash  # they are what would be dealt, and nothing is written
    assert not (tmp_path / "folds.csv").exists()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_other_data_are_scored_whatever_folds_the_run_had(tiny_data, tmp_path):
    from tlprobe.probes.evaluate import evaluate

    run = train(tiny_data, tmp_path / "run", folds_file=str(tmp_path / "folds.csv"))
    other = shutil.copytree(tiny_data, tmp_path / "other")
    (other / "low" / "0.wav").unlink()
    assert evaluate(run, data=other, device="cpu", progress=False).rows[0]["n"] == 29
    (tmp_path / "folds.csv").unlink()
    assert evaluate(run, data=other, device="cpu", progress=False).rows[0]["n"] == 29
    assert not (tmp_path / "folds.csv").exists()


def test_a_channel_that_a_recording_lacks(tiny_data, tmp_path, caplog):
    data = shutil.copytree(tiny_data, tmp_path / "stereo")
    for file in data.glob("*/*.wav"):
        samples, sr = soundfile.read(file)
        if file.name != "0.wav":
            soundfile.write(file, np.stack([samples, -samples[::-1]], axis=1), sr)
    with pytest.raises(DataError, match=r"3 recordings cannot be used: .*0\.wav has no channel 2; it has 1"):
        train(data, tmp_path / "run", channel=2)
    run = train(data, tmp_path / "run", channel=2, on_error="skip")
    assert (run.source.n_skipped, run.source.n_clips) == (3, 27)
    assert run.source.open(channel=2).content_hash == run.source.hash
    assert "stereo: skipped, 3 recordings" in caplog.text


def test_copies_are_looked_for_in_the_channel_that_is_heard(tiny_data, tmp_path):
    """Two recordings whose means differ, and whose second channels are one sound."""
    data = shutil.copytree(tiny_data, tmp_path / "stereo")
    rng = np.random.default_rng(0)
    for file in data.glob("*/*.wav"):
        samples, sr = soundfile.read(file)
        soundfile.write(file, np.stack([samples, rng.normal(0, 0.02, len(samples))], axis=1), sr)
    from tlprobe.data.open import open_dataset

    fold_of = {clip.path: clip.fold for clip in open_dataset(data).clips}
    first = next(path for path, fold in fold_of.items() if fold == 1 and path.startswith("noise"))
    second = next(path for path, fold in fold_of.items() if fold == 2 and path.startswith("noise"))
    shared = soundfile.read(data / first)[0][:, 1]
    own, sr = soundfile.read(data / second)
    soundfile.write(data / second, np.stack([own[:, 0], shared[: len(own)]], axis=1), sr)
    counts = {
        channel: train(data, tmp_path / f"{channel}", channel=channel, allow_leaks=True).record.rows[0]["n_leaked"]
        for channel in (None, 1, 2)
    }
    assert counts == {None: 0, 1: 0, 2: 1}
