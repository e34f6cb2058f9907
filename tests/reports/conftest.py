"""Made-up records and folders with the shape of real ones, and pages parsed."""

import io
import math
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from tlprobe.manifest import entry_of, write_manifest
from tlprobe.records import Record
from tlprobe.reports.report import report
from tlprobe.train.predictions import Predictions

DATA = {"name": "birds", "n_clips": 400, "hash": "3a8314fe" * 8, "split": "official", "n_folds": 5, "n_skipped": 0}
BLOCKS = ("stem", "block1", "block2")


def cell(sweep, accuracy, block=None, *, difference=None, p=0.001, half=0.02, **more):
    """A row of a ``cells`` record; the interval of the difference is `half` to each side."""
    swept = block is not None
    row = {
        **{"sweep": sweep, "block": block, "shape": "prefix" if swept else None, "partition": None},
        **{"rest": {"fuse": "random", "freeze": "trained"}.get(sweep), "backbone": "net", "start": "imagenet"},
        **{"features": "log-mel3", "data_split": None, "n_leaked": 0, "n_runs": 5, "n_planned": 5},
        **{"accuracy": accuracy, "best_accuracy": accuracy, "cross_fitted_accuracy": accuracy, "optimism": 0.0},
        **{"inner_chosen_accuracy": None, "n_seeds": 1, "n_folds": 5, "sd_seeds": None, "sd_folds": 0.01, "n": 400},
        **{"seeds_low": None, "seeds_high": None, "ci_low": accuracy - 0.02, "ci_high": accuracy + 0.02},
        **dict.fromkeys(("difference", "difference_low", "difference_high", "p_value", "p_holm", "compared_with")),
    }
    if difference is not None:
        row |= {"difference": difference, "difference_low": difference - half, "difference_high": difference + half}
        row |= {"p_value": p, "p_holm": p, "compared_with": "imagenet"}
    return row | more


def cells(*rows, seeds=(0, 1), folds=(1, 2, 3, 4, 5), **data):
    params = {"folds": list(folds), "seeds": list(seeds), "image": {"sr": 16000}, "recipe": {"epochs": 5}}
    params["block_names"] = {"net": list(BLOCKS)}
    return Record("cells", params, list(rows), {"data": {**DATA, **data}, "versions": {"tlprobe": "0.1.0"}})


def study_cells():
    """A whole study: the two levels, and a sweep of freezing."""
    levels = (cell("full", 0.81), cell("random", 0.36, difference=-0.45))
    points = [
        cell("freeze", 0.81 - loss, b, difference=-loss) for b, loss in zip(BLOCKS, (0.0, 0.01, 0.2), strict=True)
    ]
    return cells(*levels, *points)


def fit(*, classes=("dog", "rooster", "rain"), run="run", seed=0, init="imagenet", epochs=4, accuracy=0.8):
    history = [
        {
            "epoch": k,
            "train_loss": 3 * math.exp(-k / 2),
            "train_accuracy": 1 - math.exp(-k / 2),
            "held_out_loss": 3 * math.exp(-k / 3),
            "held_out_accuracy": accuracy - 0.5 * math.exp(-k),
        }
        for k in range(1, epochs + 1)
    ]
    row = {
        **{"run": run, "backbone": "net", "init": init, "treatment": "full", "blocks": "", "fold": 1, "seed": seed},
        **{"epochs": epochs, "accuracy": accuracy, "best_accuracy": accuracy + 0.01, "n": 80, "n_leaked": 2},
        **{"ci_low": accuracy - 0.05, "ci_high": accuracy + 0.05, "duration_s": 12.5},
    }
    return Record("fit", {"classes": list(classes), "history": history, "fold": 1}, [row], {"data": DATA})


def save_run(folder, record):
    """Write what a report reads of a run directory."""
    classes = tuple(record.params["classes"])
    labels = classes * 8
    rng = np.random.default_rng(0)
    probabilities = np.array([np.eye(len(classes))[classes.index(label)] for label in labels])
    probabilities += rng.uniform(0, 1.5, probabilities.shape)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    clips = tuple(f"audio/{k}.wav" for k in range(len(labels)))
    table = Predictions(clips=clips, labels=labels, classes=classes, probabilities=probabilities).to_csv()
    folder.mkdir(parents=True)
    files = {**record.files(), "predictions.csv": table.encode(), "config.json": b"{}"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    write_manifest(folder, {name: entry_of(content) for name, content in files.items()})
    return folder


def attribute(n=2):
    rows = [
        {
            **{"run": "run", "clip": f"audio/{k}.wav", "label": "dog", "target": "dog", "predicted": "dog"},
            **{"probability": 0.9, "gap": 0.004, "gap_absolute": False, "method": "integrated-gradients"},
            **{"baseline": "silence", "block": None, "image_index": k, "array_index": k, "n_steps": 32},
            **{"kept_probability": 0.8, "kept_predicted": "dog", "kept_wav": f"{k}_kept.wav"},
            **{"removed_probability": 0.1, "removed_predicted": "rain", "removed_wav": f"{k}_removed.wav"},
        }
        for k in range(n)
    ]
    image = {"sr": 8000, "clip_s": 0.5, "features": "log-mel3", "n_mels": 16, "width": 20}
    params = {"image": image, "row_hz": None, "silence": -13.8, "baseline": "silence", "tolerance": 0.01, "fold": 1}
    return Record("attribute", params, rows, {"data": DATA}, {})


def save_attribute(folder, *, n=2, seconds=0.5):
    attribute(n).save(folder)
    (folder / "sounds").mkdir()
    rng = np.random.default_rng(0)
    for k in range(n):
        for what in ("kept", "removed"):
            samples = 0.2 * rng.standard_normal(int(16000 * seconds)).astype(np.float32)
            content = io.BytesIO()
            soundfile.write(content, samples, 16000, format="WAV", subtype="FLOAT")
            (folder / "sounds" / f"{k}_{what}.wav").write_bytes(content.getvalue())
    return folder


class Page(HTMLParser):
    """The parts of a page that tests look at."""

    def __init__(self, html):
        super().__init__()
        self.html, self.tags, self.texts = html, [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, *names):
        return [attrs for tag, attrs in self.tags if tag in names]


@pytest.fixture(scope="session")
def fake():
    """Makers of records and folders."""
    return SimpleNamespace(
        cell=cell,
        cells=cells,
        study_cells=study_cells,
        fit=fit,
        save_run=save_run,
        attribute=attribute,
        save_attribute=save_attribute,
        data=DATA,
        blocks=BLOCKS,
    )


@pytest.fixture
def page(tmp_path):
    """Report folders and parse the page."""

    def make(*paths, **options):
        out = report(paths, out=tmp_path / "report.html", **options)
        return Page(out.read_text(encoding="utf-8"))

    return make
