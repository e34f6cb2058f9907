"""What do Integrated Gradients cost over Captum called plainly, and how do time and memory grow?

64 steps (--steps), the same internal batch, one network of random weights on random images, in one run and in turns:
Captum's ``attribute`` clip by clip with its convergence delta (which asks the network for both end points), and ours
for all clips together with the gap (which asks once for each). Prints clips a second, their ratio (target: at least 1.0
on a CPU), and for each number of clips the time and the peak of memory of a process of its own.

    python tests/benchmarks/attribution.py [--backbone densenet201 --width 1500]
"""

import argparse
import os
import resource
import subprocess
import sys
import time
import warnings


def prepare(arguments):
    """Return the network, clips and baseline."""
    import torch

    from tlprobe.backbones.registry import build

    shape = (3, 128, arguments.width)
    model = build(arguments.backbone, n_classes=50, seed=0, image_shape=shape).eval().requires_grad_(False)
    x = torch.randn(arguments.clips, *shape, generator=torch.Generator().manual_seed(0))
    return model, x, torch.full((1, 1, *shape), -1.5)


def plain(model, x, baseline, batch, steps):
    """Return the seconds of Captum, clip by clip."""
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(model)
    start = time.perf_counter()
    for i in range(len(x)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            method.attribute(
                x[i : i + 1],
                baselines=baseline[0],
                target=0,
                n_steps=steps,
                internal_batch_size=batch,
                return_convergence_delta=True,
            )
    return time.perf_counter() - start


def ours(model, x, baseline, batch, steps):
    """Return the seconds of ours."""
    from tlprobe.probes.attribution.path import integrated_gradients

    start = time.perf_counter()
    integrated_gradients(model, x, baselines=baseline, columns=[0] * len(x), n_steps=steps, batch=batch)
    return time.perf_counter() - start


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--width", type=int, default=250)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--memory", type=float, help="GB; default: half of what is free")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--grow", type=int, nargs="*", default=[10, 20, 40], help="numbers of clips, a process each")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    from tlprobe.probes.attribution.memory import batch_within
    from tlprobe.train.memory import keep_freed_memory

    keep_freed_memory()
    model, x, baseline = prepare(arguments)
    batch = batch_within(model, x[:1], limit_gb=arguments.memory)
    if arguments.alone:
        taken = ours(model, x, baseline, batch, arguments.steps)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        print(f"{len(x)} clips, batch {batch}: {taken:.1f} s, {taken / len(x):.2f} s a clip, peak {peak:.2f} GB")
        return
    both = {"plain": plain, "ours": ours}
    best = dict.fromkeys(both, float("inf"))
    for _ in range(arguments.repeat):
        for name, call in both.items():
            best[name] = min(best[name], call(model, x, baseline, batch, arguments.steps))
    for name, taken in best.items():
        print(f"{name}: {len(x) / taken:.3f} clips/s, batch {batch}")
    print(f"{best['plain'] / best['ours']:.2f} times Captum called plainly (target 1.0)")
    for n in arguments.grow:
        command = [sys.executable, __file__, "--alone", "--clips", str(n), "--backbone", arguments.backbone]
        command += ["--width", str(arguments.width), "--steps", str(arguments.steps)]
        command += [] if arguments.memory is None else ["--memory", str(arguments.memory)]
        subprocess.run(command, check=True, env=os.environ)


if __name__ == "__main__":
    main()
