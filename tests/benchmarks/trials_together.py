"""How many small trainings should share one GPU?

Trains the same network in 1, 2, 4 and 8 processes at once, each with its own images and CUDA graphs, and
counts clips a second over all of them: time-sliced by the driver, and under NVIDIA's Multi-Process Service
where ``nvidia-cuda-mps-control`` is there. The best setting is what ``--jobs auto`` of the sweeps uses.

    python tests/benchmarks/trials_together.py --network efficientnet_lite0
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

N_CLASSES, IMAGE_SHAPE = 50, (3, 128, 250)


def work(network, batch, seconds):
    """Train until told the time is over; print how many clips were trained."""
    import numpy as np
    import torch

    from tlprobe.backbones.registry import build
    from tlprobe.data.loader import Standardiser
    from tlprobe.train.device import precision_of
    from tlprobe.train.loop import Trainer
    from tlprobe.train.recipe import load_recipe
    from tlprobe.train.setting import Setting, Split

    torch.set_num_threads(1)
    where = torch.device("cuda")
    n = 10 * batch
    images = np.random.default_rng(0).normal(-8, 2, size=(n + 2, *IMAGE_SHAPE)).astype(np.float32)
    split = Split(
        views=[images],
        labels=np.arange(n + 2) % N_CLASSES,
        train_index=np.arange(n),
        held_out_index=np.arange(n, n + 2),
        standardise=Standardiser((-8.0,) * 3, (2.0,) * 3),
        names=[str(i) for i in range(n + 2)],
    )
    trainer = Trainer(
        build(network, n_classes=N_CLASSES, seed=0),
        split=split,
        recipe=load_recipe("quick", changes={"batch_size": batch, "schedule": "constant"}),
        seed=0,
        setting=Setting(device=where, precision=precision_of("auto", device=where)),
    )

    def epoch():
        trainer.step = 0
        trainer.train_epoch(trainer.begin_epoch())
        trainer.check_losses()

    epoch()
    print("ready", flush=True)
    sys.stdin.readline()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        epoch()
        done += n
    print(json.dumps({"clips": done, "seconds": time.perf_counter() - start}), flush=True)


def throughput(n_processes, arguments, env):
    """Return clips a second of some processes together."""
    command = [sys.executable, __file__, "--work", "--network", arguments.network]
    command += ["--batch", str(arguments.batch), "--seconds", str(arguments.seconds)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": {**os.environ, **env}}
    workers = [subprocess.Popen(command, **pipes) for _ in range(n_processes)]
    for worker in workers:
        if worker.stdout.readline() != "ready\n":
            raise SystemExit("a worker died")
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    found = [json.loads(worker.communicate()[0]) for worker in workers]
    return sum(one["clips"] / one["seconds"] for one in found)


def start_mps(folder):
    """Start the Multi-Process Service for this user, if it is there; return its environment."""
    if shutil.which("nvidia-cuda-mps-control") is None:
        return None
    env = {"CUDA_MPS_PIPE_DIRECTORY": str(folder / "pipe"), "CUDA_MPS_LOG_DIRECTORY": str(folder / "log")}
    for path in env.values():
        Path(path).mkdir()
    done = subprocess.run(["nvidia-cuda-mps-control", "-d"], env={**os.environ, **env}, check=False)
    return env if done.returncode == 0 else None


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.network, arguments.batch, arguments.seconds)
        return
    print(f"{arguments.network}, batch {arguments.batch}: clips/s together, and over one process")
    modes = {"time-sliced": {}}
    with tempfile.TemporaryDirectory() as folder:
        alone = throughput(1, arguments, {})
        print(f"{'alone':>12} {1:>3} {alone:>9.0f}", flush=True)
        mps = start_mps(Path(folder))
        if mps is None:
            print("Multi-Process Service: not there")
        else:
            modes["MPS"] = mps
        for mode, env in modes.items():
            for n in (n for n in arguments.processes if n > 1):
                together = throughput(n, arguments, env)
                print(f"{mode:>12} {n:>3} {together:>9.0f} {together / alone:>6.2f}", flush=True)
        if mps is not None:
            subprocess.run(
                ["nvidia-cuda-mps-control"], input="quit\n", text=True, env={**os.environ, **mps}, check=False
            )


if __name__ == "__main__":
    main()
