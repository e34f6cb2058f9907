"""What does a training step cost, against the step of a plain fine-tuning script?

Plain: the network as its library gives it, one contiguous float32 batch, cross-entropy, AdamW as
``torch.optim`` makes it by default; on a GPU with TF32 allowed. Ours: `tlprobe.train.loop.Trainer`'s step on a
fixed batch that is on the device already, roll and standardisation included. Each side has a process of its
own (the allocator's settings cannot be taken back); they take turns, and the best turn of each counts.

Then ours again, in its real loop over an epoch: batches drawn, gathered and rolled, losses kept, schedule
stepped. Targets: on a CPU 1.25 times as fast as plain; on a GPU 2.5 times at batch 32 and 1.5 at 128; the
loop at 0.95 of the step's speed at least; and what gathering and rolling takes of a step, at most 3 %.

    python tests/benchmarks/step.py
    python tests/benchmarks/step.py --device cuda --batch 32 128 --networks densenet201 resnet50 efficientnet_lite0
"""

import argparse
import json
import subprocess
import sys
import time

N_CLASSES, IMAGE_SHAPE = 50, (3, 128, 250)


def plain_side(network, batch, device):
    """Return a function that takes one plain step, and its peak of GPU memory in bytes."""
    import timm
    import torch
    import torchvision
    from torch.nn import functional

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    if network == "efficientnet_lite0":
        model = timm.create_model("tf_efficientnet_lite0", num_classes=N_CLASSES)
    else:
        model = torchvision.models.get_model(network, weights=None, num_classes=N_CLASSES)
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    images = torch.randn(batch, *IMAGE_SHAPE, device=device)
    labels = torch.randint(0, N_CLASSES, (batch,), device=device)

    def step():
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return {"step": step}


def our_side(network, batch, device, compiled):
    """Return functions that take one step of ours on a fixed batch, read one batch, and train one epoch."""
    import numpy as np
    import torch

    from tlprobe.backbones.registry import build
    from tlprobe.data.augment import Augment
    from tlprobe.data.loader import Standardiser
    from tlprobe.train.device import precision_of
    from tlprobe.train.loop import Trainer
    from tlprobe.train.recipe import load_recipe
    from tlprobe.train.setting import Setting, Split

    where = torch.device(device)
    n_steps = 4 if device == "cpu" else 60
    n_train = n_steps * batch
    images = np.random.default_rng(0).normal(-8, 2, size=(n_train + 2, *IMAGE_SHAPE)).astype(np.float32)
    split = Split(
        views=[images],
        labels=np.arange(len(images)) % N_CLASSES,
        train_index=np.arange(n_train),
        held_out_index=np.arange(n_train, n_train + 2),
        standardise=Standardiser((-8.0,) * 3, (2.0,) * 3),
        names=[str(i) for i in range(len(images))],
    )
    trainer = Trainer(
        build(network, n_classes=N_CLASSES, seed=0),
        split=split,
        recipe=load_recipe("quick", changes={"epochs": 1000, "batch_size": batch, "schedule": "constant"}),
        seed=0,
        setting=Setting(device=where, precision=precision_of("auto", device=where), compiled=compiled),
    )
    augment = Augment(trainer.recipe.augmentation, standardise=split.standardise, device=where)
    epoch = trainer.begin_epoch()
    fixed = trainer.batch(epoch, 0)

    def loop():
        """Seconds of a step in the real loop: an epoch's steps, without the scoring at its end."""
        trainer.step = 0
        start = time.perf_counter()
        trainer.train_epoch(trainer.begin_epoch())
        trainer.check_losses()
        return (time.perf_counter() - start) / trainer.n_steps

    def read():
        images, draws, *_ = trainer.batch(epoch, 1)
        augment(images, draws).contiguous(memory_format=torch.channels_last)

    return {"step": lambda: trainer.one_step(*fixed), "read": read, "loop": loop}


def serve(side, network, batch, device, compiled):
    """Do what standard input asks for, one word a line, and answer with seconds; be killed at the end."""
    import torch

    calls = plain_side(network, batch, device) if side == "plain" else our_side(network, batch, device, compiled)

    def synchronise():
        if device == "cuda":
            torch.cuda.synchronize()

    n = {"cpu": 1, "cuda": 30}[device]
    for line in sys.stdin:
        call = calls[line.strip()]
        if line.strip() == "loop":
            seconds = call()
        else:
            synchronise()
            start = time.perf_counter()
            for _ in range(n):
                call()
            synchronise()
            seconds = (time.perf_counter() - start) / n
        peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
        print(json.dumps({"seconds": seconds, "peak": peak}), flush=True)


class Side:
    """One side's process."""

    def __init__(self, side, network, batch, arguments):
        command = [sys.executable, __file__, "--serve", side, "--networks", network, "--batch", str(batch)]
        command += ["--device", arguments.device, *(["--compile"] if arguments.compile else [])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def take(self, what):
        """Return the seconds and the peak of memory of one turn."""
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self):
        """Kill the process."""
        self._process.kill()
        self._process.communicate()


def compare(network, batch, arguments):
    """Print one row."""
    plain, ours = Side("plain", network, batch, arguments), Side("ours", network, batch, arguments)
    for side in (plain, ours):
        side.take("step")  # the first pays for memory, kernels and graphs
    ours.take("loop")
    turns = {name: [] for name in ("plain", "step", "read", "loop")}
    for _ in range(arguments.repeat):
        found = plain.take("step")
        turns["plain"].append(found)
        for name in ("step", "read", "loop"):
            turns[name].append(ours.take(name))
    for side in (plain, ours):
        side.end()
    best = {name: min(turn["seconds"] for turn in found) for name, found in turns.items()}
    peak = {name: found[-1]["peak"] / 1e6 for name, found in turns.items()}
    print(
        f"{network:>20} {batch:>5} {1e3 * best['plain']:>9.1f} {1e3 * best['step']:>8.1f} "
        f"{best['plain'] / best['step']:>6.2f} {1e3 * best['loop']:>8.1f} {best['step'] / best['loop']:>6.2f} "
        f"{100 * best['read'] / best['step']:>7.2f} {peak['plain']:>9.0f} {peak['loop']:>8.0f}",
        flush=True,
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["efficientnet_lite0", "densenet201"])
    parser.add_argument("--batch", nargs="+", type=int, default=[32])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="ours with torch.compile")
    parser.add_argument("--serve", choices=["plain", "ours"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.networks[0], arguments.batch[0], arguments.device, arguments.compile)
        return
    print(
        f"{'network':>20} {'batch':>5} {'plain ms':>9} {'ours ms':>8} {'ratio':>6} {'loop ms':>8} {'share':>6} "
        f"{'input %':>7} {'plain MB':>9} {'ours MB':>8}"
    )
    for network in arguments.networks:
        for batch in arguments.batch:
            compare(network, batch, arguments)


if __name__ == "__main__":
    main()
