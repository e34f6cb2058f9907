"""How much faster is a training step on the stored output of frozen blocks than plain freezing?

Steps of the same network, frozen up to each block, on images (3, 128, 250) of noise: plain (the whole network
forward, the rest backward) and on stored outputs, in turns, best of each. What it costs to compute the outputs once is
shown as the number of epochs after which it has paid, for one view of each clip.

    python tests/benchmarks/prefix.py --backbone efficientnet_lite0
    python tests/benchmarks/prefix.py --backbone densenet201 --batch 8
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from tlprobe.backbones.registry import build
from tlprobe.data.loader import Standardiser
from tlprobe.train.device import resolve_device
from tlprobe.train.loop import Trainer
from tlprobe.train.prefix import with_stored_prefix
from tlprobe.train.recipe import load_recipe
from tlprobe.train.setting import Setting, Split


def trainers_of(backbone, whole, *, upto, recipe, device, cache):
    """Return a plain trainer, one on stored outputs, and the seconds that storing them took; none if it is not done."""
    found, once = {}, 0.0
    for kind in ("plain", "stored"):
        model = build(backbone, n_classes=50, seed=0)
        model.frozen = model.block_names[: model.block_names.index(upto) + 1]
        split = whole
        if kind == "stored":
            start = time.perf_counter()
            split = with_stored_prefix(
                model, whole, recipe=recipe, image_keys=["noise"], device=device, cache=cache, progress=False
            )
            once = time.perf_counter() - start
            if split.after is None:
                return {}, 0.0
        found[kind] = Trainer(model, split=split, recipe=recipe, seed=0, setting=Setting(device=device))
    return found, once


def compare(trainers, device, repeat):
    """Return the shortest step of each, in turns."""
    best = dict.fromkeys(trainers, float("inf"))
    epochs = {kind: trainer.begin_epoch() for kind, trainer in trainers.items()}
    for turn in range(repeat + 1):
        for kind, trainer in trainers.items():
            start = time.perf_counter()
            trainer.one_step(*trainer.batch(epochs[kind], 0))[0].item()  # waits for a GPU
            if turn:  # the first pays for memory and kernels
                best[kind] = min(best[kind], time.perf_counter() - start)
    return best


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    device, n = resolve_device(asked.device), asked.batch
    recipe = load_recipe("quick", changes={"batch_size": n, "schedule": "constant", "time_roll": False})
    whole = Split(
        views=[np.random.default_rng(0).standard_normal((n + 2, 3, 128, 250), dtype=np.float32)],
        labels=np.arange(n + 2) % 50,
        train_index=np.arange(n),
        held_out_index=np.arange(n, n + 2),
        standardise=Standardiser(),
        names=[str(i) for i in range(n + 2)],
    )
    print(f"{asked.backbone}, batch {n}, {device}, {torch.get_num_threads()} threads")
    for upto in build(asked.backbone, n_classes=50, seed=0).block_names:
        with tempfile.TemporaryDirectory() as folder:
            trainers, once = trainers_of(
                asked.backbone, whole, upto=upto, recipe=recipe, device=device, cache=Path(folder)
            )
            if not trainers:
                print(f"frozen up to {upto}: not stored, the output is larger than the image")
                continue
            best = compare(trainers, device, asked.repeat)
            stored = trainers["stored"].split.views[0]
            for trainer in trainers.values():
                trainer.close()
        saved = best["plain"] - best["stored"]
        print(
            f"frozen up to {upto}: plain {1e3 * best['plain']:.0f} ms, stored {1e3 * best['stored']:.1f} ms, "
            f"{best['plain'] / best['stored']:.2f} times as fast; {stored.nbytes / len(stored) / 1e6:.2f} MB a clip; "
            + (f"paid after {once / saved:.1f} epochs" if saved > 0 else "never pays"),
            flush=True,
        )


if __name__ == "__main__":
    main()
