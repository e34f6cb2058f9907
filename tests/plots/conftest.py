"""Made-up records with the shape and the numbers of real ones."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from tlprobe.records import Record

BLOCKS = ["none", "stem", "block1", "block2", "block3", "block4"]
CURVES = {
    "fuse": [0.53, 0.55, 0.60, 0.69, 0.81, 0.85],
    "freeze": [0.85, 0.8475, 0.84, 0.80, 0.69, 0.43],
    "cutoff": [None, 0.31, 0.49, 0.62, 0.78, 0.85],
}


def interval(p, n):
    """Wilson's interval, 95 %."""
    z = 1.96
    centre, half = (p + z * z / (2 * n)), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def trial(treatment, block, accuracy, *, fold=4, seed=0, epochs=4, n=400, backbone="efficientnet_lite0"):
    low, high = interval(accuracy, n) if accuracy is not None else (None, None)
    return {
        "treatment": treatment,
        "shape": "prefix",
        "block": block,
        "rest": "random" if treatment == "fuse" else None,
        "backbone": backbone,
        "init": "random" if treatment == "random" else "imagenet",
        "fold": fold,
        "seed": seed,
        "epochs": epochs,
        "accuracy": accuracy,
        "n": n,
        "ci_low": low,
        "ci_high": high,
    }


def sweep(probe="fuse", *, folds=(4,), upto=None, backbones=("efficientnet_lite0",), full_epochs=4):
    coincide = {"fuse": {"none": "random", "block4": "full"}, "freeze": {"none": "full"}, "cutoff": {"block4": "full"}}
    blocks = [b for b in BLOCKS if CURVES[probe][BLOCKS.index(b)] is not None and upto in (None, b)]
    rows = []
    for backbone_number, backbone in enumerate(backbones):
        for fold in folds:
            shift = 0.013 * (fold - 4) - 0.06 * backbone_number
            own = {"fold": fold, "backbone": backbone}
            for block in blocks:
                treatment = coincide[probe].get(block, probe)
                epochs = full_epochs if treatment == "full" else 4
                rows.append(trial(treatment, block, CURVES[probe][BLOCKS.index(block)] + shift, epochs=epochs, **own))
            rows.append(trial("full", "block4", 0.85 + shift, epochs=full_epochs, **own))
            rows.append(trial("random", "none", 0.53 + shift, **own))
    return Record(probe, {"blocks": blocks}, rows, {})


def svcca(inits=("imagenet", "random"), *, runs=1):
    blocks = BLOCKS[1:]
    curves = {"imagenet": [0.97, 0.93, 0.82, 0.66, 0.48], "random": [0.61, 0.45, 0.37, 0.33, 0.29]}
    rows = [
        {
            "run": f"runs/{init}{k}",
            "init": init,
            "block": block,
            "layer": f"blocks.{x}",
            "measure": "svcca",
            "value": curves.get(init, [0.9, 0.8, 0.75, 0.6, 0.4])[x] - 0.03 * k,
            "null": 0.08 + 0.03 * x - (0.04 if init == "random" else 0),
            "n": 400 * (64 >> x) ** 2,
            "n_clips": 400,
        }
        for init in inits
        for k in range(runs)
        for x, block in enumerate(blocks)
    ]
    return Record("svcca", {"blocks": blocks}, rows, {})


def attribute(n=4, *, names=None, width=100, n_mels=128, sr=16000, clip_s=5.0):
    rng = np.random.default_rng(0)
    floor = math.log(1e-6)
    top = 2595 * math.log10(1 + sr / 2 / 700)
    mel_hz = 700 * (10 ** (np.linspace(0, top, n_mels + 2)[1:-1] / 2595) - 1)
    spectrogram = np.full((n, 3, n_mels, width), floor) + rng.exponential(0.5, (n, 3, n_mels, width))
    attribution = rng.normal(0, 0.002, (n, 3, n_mels, width))
    for clip in range(n):
        for start in range(10 + 5 * clip, width - 20, 25):
            for harmonic in range(8 + 4 * clip, n_mels, 17):
                spectrogram[clip, :, harmonic : harmonic + 4, start : start + 14] += 11 * np.exp(-harmonic / 90)
                attribution[clip, :, harmonic : harmonic + 4, start : start + 2] += 0.03
                attribution[clip, :, harmonic : harmonic + 4, start + 13 : start + 15] -= 0.02
    names = names or ["dog", "rooster", "sea_waves", "washing_machine", "clock_tick", "rain"]
    rows = [
        {
            "clip": f"audio/4-{1000 + k}-A-{k}.wav",
            "label": names[k % len(names)],
            "target": names[k % len(names)] if k != 2 else "rain",
            "predicted": names[k % len(names)] if k != 2 else "rain",
            "probability": 0.98 - 0.11 * k % 0.9,
            "gap": 0.0123 * (k + 1),
            "gap_absolute": k == 1,
            "array_index": k,
        }
        for k in range(n)
    ]
    image = {"sr": sr, "clip_s": clip_s, "channels": "windows", "n_mels": n_mels, "width": width}
    params = {"image": image, "mel_hz": mel_hz.tolist(), "silence": floor, "baseline": "silence", "n_steps": 50}
    arrays = {"spectrogram": spectrogram.astype("f4"), "attribution": attribution.astype("f4")}
    return Record("attribute", {**params, "method": "integrated_gradients"}, rows, {}, arrays)


def evaluate(n_classes=10, *, names=None, n_each=8, labelled=True):
    rng = np.random.default_rng(1)
    confusion = np.zeros((1, n_classes, n_classes), np.float32)
    for true in range(n_classes):
        for predicted in np.where(rng.random(n_each) < 0.8, true, rng.integers(0, n_classes, n_each)):
            confusion[0, true, predicted] += 1
    accuracy, n = float(np.trace(confusion[0]) / confusion.sum()), int(confusion.sum())
    low, high = interval(accuracy, n)
    row = {"accuracy": accuracy if labelled else None, "n": n, "ci_low": low, "ci_high": high}
    names = names or [f"sound_class_{k}" for k in range(n_classes)]
    return Record("eval", {"classes": names}, [row], {}, {"confusion": confusion} if labelled else {})


def ensemble():
    single = [{"run": f"runs/{k}", "seed": k, "accuracy": a} for k, a in enumerate((0.84, 0.8525, 0.86, 0.845, 0.8575))]
    low, high = interval(0.88, 400)
    row = {"members": 5, "accuracy": 0.88, "single_mean": 0.851, "n": 400, "ci_low": low, "ci_high": high}
    return Record("ensemble", {"single": single}, [row], {})


def fit(epochs=10):
    history = [
        {
            "epoch": k,
            "train_loss": 0.7 + 2.9 * math.exp(-k / 2),
            "train_accuracy": 0.99 - 0.9 * math.exp(-k / 2.2),
            "held_out_loss": 1.1 + 2.2 * math.exp(-k / 2.5),
            "held_out_accuracy": 0.865 - 0.8 * math.exp(-k / 1.8) - (0.0125 if k == epochs else 0),
        }
        for k in range(1, epochs + 1)
    ]
    accuracy = history[-1]["held_out_accuracy"]
    low, high = interval(accuracy, 400)
    row = {"backbone": "efficientnet_lite0", "init": "imagenet", "fold": 4, "seed": 0, "epochs": epochs}
    row |= {"accuracy": accuracy, "n": 400, "ci_low": low, "ci_high": high, "duration_s": 1000.0}
    return Record(
        "fit", {"history": history}, [row | {"best_accuracy": max(entry["held_out_accuracy"] for entry in history)}], {}
    )


@pytest.fixture(scope="session")
def fake():
    """Makers of records, by probe."""
    return SimpleNamespace(
        sweep=sweep, svcca=svcca, attribute=attribute, evaluate=evaluate, ensemble=ensemble, fit=fit, blocks=BLOCKS
    )
