"""Small data folders made in code; nothing here touches the user's cache."""

import csv

import numpy as np
import pytest
import soundfile

SR = 16_000
HEADER = ["filename", "fold", "target", "category", "esc10", "src_file", "take"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLPROBE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def write_clip():
    def write(path, *, seconds=0.5, sr=SR, seed=0):
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, int(seconds * sr)), sr)
        return path

    return write


@pytest.fixture
def esc_rows():
    """Ten clips: two classes, five folds; 'dog' is in ESC-10."""
    return [
        [
            f"{fold}-{100 + fold}-A-{target}.wav",
            str(fold),
            str(target),
            label,
            str(label == "dog"),
            str(100 + fold),
            "A",
        ]
        for fold in range(1, 6)
        for target, label in enumerate(("dog", "rain"))
    ]


@pytest.fixture
def make_esc(tmp_path, write_clip, esc_rows):
    """Write an ESC-50 folder; `rows` go into the table, the files are those of the untouched `esc_rows`."""
    names = [row[0] for row in esc_rows]  # kept now: tests put names into the rows that must never be written

    def make(rows=None, *, header=HEADER, encoding="utf-8", newline="\n"):
        root = tmp_path / "esc"
        (root / "meta").mkdir(parents=True, exist_ok=True)
        with (root / "meta" / "esc50.csv").open("w", encoding=encoding, newline="") as file:
            csv.writer(file, lineterminator=newline).writerows([header, *(esc_rows if rows is None else rows)])
        for seed, name in enumerate(names):
            write_clip(root / "audio" / name, seed=seed)
        return root

    return make


@pytest.fixture
def make_folder(tmp_path, write_clip):
    """Write a folder with one sub-folder a class."""

    def make(classes=("cat", "dog"), n=5, name="own", **clip):
        root = tmp_path / name
        for k, label in enumerate(classes):
            for i in range(n):
                write_clip(root / label / f"{i}.wav", seed=100 * k + i, **clip)
        return root

    return make
