"""Made-up records with the shape and the numbers of real ones."""

import itertools
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


SIMILAR = {"imagenet": [0.945, 0.9, 0.79, 0.51, 0.49], "random": [0.79, 0.46, 0.26, 0.2, 0.31]}
NULL = {"positions": [0.054, 0.086, 0.099, 0.114, 0.424], "pool": [0.15, 0.2, 0.28, 0.55, 0.97]}


def similarity(value, null, **about):
    """A row of ``tlprobe svcca``; half of the interval is 0.01, of the null's band 0.005."""
    known, room = value is not None and null is not None, null is not None and null < 1
    ends = {"ci_low": max(value - 0.01, 0), "ci_high": min(value + 0.01, 1)} if value is not None else {}
    band = {"null_low": max(null - 0.005, 0), "null_high": min(null + 0.005, 1)} if null is not None else {}
    return {
        **{"backbone": "efficientnet_lite0", "fold": 4, "seed": 0, "epochs": 10, "against": "init", "epoch": None},
        **{"n": 400, "n_clips": 400, "d_x": 40, "d_y": 40, "k_x": 37, "k_y": 38, "rule": "squared", "warnings": ""},
        **dict.fromkeys(("ci_low", "ci_high", "null_low", "null_high")),
        **{"measure": "svcca", "value": value, "null": null, **ends, **band},
        "corrected": (value - null) / (1 - null) if known and room else None,
        "n_permutations": 20 if null is not None else 0,
        **about,
    }


def svcca_record(rows, mode, **params):
    names = {name: list(dict.fromkeys(row[name[:-1]] for row in rows)) for name in ("blocks", "layers", "measures")}
    conv = list(dict.fromkeys(row["conv"].partition(",")[0] for row in rows))
    return Record("svcca", {"mode": mode, **names, "conv": conv, "n_positions": None, **params}, rows, {})


def svcca(inits=("imagenet", "random"), *, runs=1, conv=("positions",), measures=("svcca",), mode="change", n_blocks=5):
    """Before against after fine-tuning, or another run, by block."""
    rows = []
    for init, k, treatment, m, x in itertools.product(inits, range(runs), conv, range(len(measures)), range(n_blocks)):
        null = NULL[treatment][x] * (0.6 if init == "random" else 1)
        value = SIMILAR.get(init, [0.9, 0.8, 0.75, 0.6, 0.4])[x] - 0.03 * k - 0.06 * m
        rows.append(
            similarity(
                max(null + (1 - null) * value if treatment == "pool" else value, 0.0),
                null,
                **{"run": f"{init}{k}", "init": init, "seed": k, "measure": measures[m], "conv": treatment},
                **{"block": BLOCKS[x + 1], "layer": f"{BLOCKS[x + 1]}.2"},
                **({"epochs": 0, "against": init} if init == "random pair" else {}),
                **({"against": "full-efficientnet_lite0-fold4-seed1-b136233658"} if mode == "against" else {}),
            )
        )
    return svcca_record(rows, mode)


def svcca_layers(inits=("imagenet", "random"), *, runs=1, sizes=(1, 13, 25, 97, 65), **options):
    """Every convolution; the sizes of the blocks are those of densenet201 by default."""
    rng = np.random.default_rng(3)
    names = [(BLOCKS[b + 1], f"features.{b}.conv{k}") for b, size in enumerate(sizes) for k in range(size)]
    depth = np.linspace(0, 4, len(names))
    rows = [
        similarity(
            float(np.clip(np.interp(at, range(5), SIMILAR[init]) + rng.normal(0, 0.02) - 0.03 * k, 0, 1)),
            float(np.interp(at, range(5), NULL["positions"])),
            **{"run": f"{init}{k}", "init": init, "block": block, "layer": layer, "conv": "positions"},
        )
        for init in inits
        for k in range(runs)
        for at, (block, layer) in zip(depth, names, strict=True)
    ]
    return svcca_record(rows, "change", **options)


def svcca_grid(inits=("imagenet",), *, runs=1, measures=("svcca",), n=5, against="init"):
    """Every layer against every other; n layers, one a block up to 5."""
    names = [(BLOCKS[1 + x * 5 // max(n, 5)], f"layer{x}") for x in range(n)]
    rows = [
        similarity(
            max(0.0, math.exp(-abs(x - y) * 4 / n) * (0.95 - 0.4 * x / n) - 0.05 * m),
            0.1,
            **{"run": f"{init}{k}", "init": init, "seed": k, "measure": measure, "against": against},
            **{"block": names[x][0], "layer": names[x][1], "block_y": names[y][0], "layer_y": names[y][1]},
            conv="positions" if x == y else f"positions, pooled to {64 >> max(x, y)} x {64 >> max(x, y)}",
        )
        for init in inits
        for k in range(runs)
        for m, measure in enumerate(measures)
        for x in range(n)
        for y in range(n)
    ]
    return svcca_record(rows, "grid")


def svcca_training(inits=("imagenet", "random"), *, runs=1, measures=("svcca",), epochs=(0, 1, 2, 5, 8), per_block=1):
    """Each kept epoch against the end, epoch 10."""
    rows = [
        similarity(
            1 - (1 - SIMILAR[init][x] + 0.01 * k) * math.exp(-epoch / 3),
            NULL["positions"][x],
            **{"run": f"{init}{k}", "init": init, "seed": k, "measure": measure, "against": "final", "epoch": epoch},
            **{"block": BLOCKS[x + 1], "layer": f"{BLOCKS[x + 1]}.{part}", "conv": "positions"},
        )
        for init in inits
        for k in range(runs)
        for measure in measures
        for epoch in epochs
        for x in range(5)
        for part in range(per_block)
    ]
    return svcca_record(rows, "training")


def weight_distance(inits=("imagenet", "random"), *, runs=1):
    blocks = BLOCKS[1:]
    moved = {"imagenet": [0.016, 0.044, 0.065, 0.123, 0.177], "random": [0.042, 0.046, 0.064, 0.09, 0.123]}
    means = {"imagenet": [0.13, 0.14, 0.15, 0.13, 0.16], "random": [0.43, 0.44, 0.45, 0.47, 0.49]}
    log_stds = {"imagenet": [0.41, 0.22, 0.14, 0.14, 0.18], "random": [0.93, 0.58, 0.46, 0.42, 0.51]}
    rows = [
        {
            "run": f"runs/{init}{k}",
            "backbone": "efficientnet_lite0",
            "init": init,
            "fold": 4,
            "seed": k,
            "epochs": 10,
            "epoch": None,
            "block": block,
            "relative_l2": moved[init][x] * (1 + 0.1 * k),
            "cosine": 1 - moved[init][x] ** 2 / 2,
            "norm_relative_l2": 0.007 if init == "imagenet" else 0.02,
            "n_weights": 1800 << 2 * x,
            "n_norm_weights": 160 << x,
            "bn_mean_shift": means[init][x] * (1 + 0.1 * k),
            "bn_log_std_shift": log_stds[init][x] * (1 + 0.1 * k),
            "n_bn_channels": 80 << x,
        }
        for init in inits
        for k in range(runs)
        for x, block in enumerate(blocks)
    ]
    return Record("weight_distance", {"blocks": blocks}, rows, {})


def attribute(
    n=4, *, names=None, width=100, n_mels=128, sr=16000, clip_s=5.0, features="log-mel3", ways=None, channels=()
):
    """`ways`: of each way to explain the columns that tell it from others."""
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
            **{"run": "run", "method": "integrated-gradients", "baseline": "silence", "block": None, **way},
            "image_index": k,
            "array_index": number * n + k,
        }
        for number, way in enumerate(ways or [{}])
        for k in range(n)
    ]
    n_ways = len(ways or [{}])
    attribution = np.concatenate([attribution * (1 + number) for number in range(n_ways)])
    image = {"sr": sr, "clip_s": clip_s, "features": features, "n_mels": n_mels, "width": width}
    params = {
        "image": image,
        "row_hz": None if features == "mfcc" else mel_hz.tolist(),
        "silence": floor,
        "baseline": "silence",
        "n_steps": 50,
        "channels": list(channels),
    }
    arrays = {"spectrogram": spectrogram.astype("f4"), "attribution": attribution.astype("f4")}
    return Record("attribute", params, rows, {}, arrays)


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
    soup_low, soup_high = interval(0.8625, 400)
    row |= {"soup_accuracy": 0.8625, "soup_ci_low": soup_low, "soup_ci_high": soup_high}
    return Record("ensemble", {"single": single, "fold": 4}, [row], {})


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
        sweep=sweep,
        svcca=svcca,
        svcca_layers=svcca_layers,
        svcca_grid=svcca_grid,
        svcca_training=svcca_training,
        weight_distance=weight_distance,
        attribute=attribute,
        evaluate=evaluate,
        ensemble=ensemble,
        fit=fit,
        blocks=BLOCKS,
    )
