"""Does comparing two DenseNet-201 block by block cost more than running them?

All blocks, every position, 400 images (3, 128, 250): the share of the time that the two forward passes take,
nulls and intervals aside. Random weights and images: the arithmetic is the same.

    python tests/benchmarks/svcca_network.py
"""

import argparse
import time

import numpy as np
import torch

from tlprobe.backbones.registry import build
from tlprobe.data.loader import Standardiser
from tlprobe.probes.capture import find_layers
from tlprobe.probes.comparison import Clips, Network, compare
from tlprobe.probes.estimates import Settings
from tlprobe.probes.pairing import Spot
from tlprobe.train.device import resolve_device, set_up_for_speed

TARGET = 0.7
SETTINGS = Settings(
    measures=("svcca",),
    variance=0.99,
    rule="squared",
    conv="positions",
    n_positions=None,
    n_groups=0,
    n_permutations=0,
    memory=2**31,
    seed=0,
)


def main():
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="densenet201")
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    device = resolve_device(asked.device)
    models = [build(asked.backbone, n_classes=50, seed=seed).eval() for seed in (0, 1)]
    networks = [Network(set_up_for_speed(model, device=device), Standardiser()) for model in models]
    layers = [find_layers(model) for model in models]
    pairs = [(Spot(0, x), Spot(1, y)) for x, y in zip(*layers, strict=True)]
    images = np.random.default_rng(0).normal(size=(asked.clips, 3, 128, 250)).astype(np.float32)
    clips = Clips(images, np.arange(asked.clips), tuple(map(str, range(asked.clips))))
    start = time.perf_counter()
    _, seconds = compare(networks, pairs, clips, SETTINGS, device=device, title=asked.backbone)
    whole = time.perf_counter() - start
    where = f"{device}, {torch.get_num_threads()} threads"
    print(f"{asked.backbone}, {asked.clips} clips, {where}: {whole:.1f} s")
    for name in ("forward", "moments", "values"):
        print(f"{name:>9} {seconds[name]:7.1f} s {100 * seconds[name] / whole:5.1f} %")
    print(f"two forward passes: {seconds['forward'] / whole:.2f} of the time (at least {TARGET})")


if __name__ == "__main__":
    main()
