"""How fast would a network train here? An estimate of seconds, before a training of hours."""

import dataclasses
import time

import numpy as np
import torch

from tlprobe.backbones.registry import build
from tlprobe.data.loader import Standardiser
from tlprobe.train.device import Precision, precision_of
from tlprobe.train.loop import Trainer
from tlprobe.train.memory import explain_out_of_memory
from tlprobe.train.recipe import load_recipe
from tlprobe.train.setting import Setting, Split

__all__ = ["BATCH_SIZE", "TYPICAL", "Speed", "training_speed"]

TYPICAL = ("efficientnet_lite0", "densenet201", "resnet50", "inception_v3", "googlenet")
"""One backbone a family: those of the paper, and the default."""

BATCH_SIZE = {"cpu": 8, "cuda": 32}
"""Clips a step of an estimate; on a CPU, clips a second hardly depend on it."""

_N_CLASSES, _IMAGE_SHAPE = 50, (3, 128, 250)  # ESC-50's


@dataclasses.dataclass(frozen=True)
class Speed:
    """An estimate.

    Parameters
    ----------
    clips_per_s : float
        Of training, without scoring.
    n_steps : int
        Steps that it rests on, after one that is not counted.
    peak_bytes : int or None
        GPU memory at its highest; None on a CPU.
    """

    clips_per_s: float
    n_steps: int
    peak_bytes: int | None


def training_speed(
    backbone: str, *, device: torch.device, seconds: float, batch_size: int | None = None, precision: Precision = "auto"
) -> Speed:
    """Time real training steps of the quick recipe, on images (3, 128, 250) of noise.

    Parameters
    ----------
    backbone : str
        See `tlprobe.backbones.registry.build`.
    device : torch.device
    seconds : float > 0
        How long to train; at least one step is counted, however long it takes.
    batch_size : int >= 2, optional
        Default: `BATCH_SIZE` of the device.
    precision : str
        See `tlprobe.train.device.precision_of`.

    Raises
    ------
    ParameterError
        If the backbone is unknown.
    ResourceError
        If memory does not suffice.
    """
    n = batch_size or BATCH_SIZE[device.type]
    images = np.random.default_rng(0).standard_normal((n + 2, *_IMAGE_SHAPE), dtype=np.float32)
    split = Split(
        views=[images],
        labels=np.arange(n + 2) % _N_CLASSES,
        train_index=np.arange(n),
        held_out_index=np.arange(n, n + 2),
        standardise=Standardiser(),
        names=[str(i) for i in range(n + 2)],
    )
    setting = Setting(device=device, precision=precision_of(precision, device=device))
    recipe = load_recipe("quick", changes={"batch_size": n, "schedule": "constant"})
    with explain_out_of_memory(batch_size=n, precision=setting.precision):
        trainer = Trainer(
            build(backbone, n_classes=_N_CLASSES, seed=0), split=split, recipe=recipe, seed=0, setting=setting
        )
        epoch = trainer.begin_epoch()

        def step() -> None:
            loss, _ = trainer.one_step(*trainer.batch(epoch, 0))
            loss.item()  # waits for the GPU

        step()  # pays for memory, kernels and graphs
        start, n_steps = time.perf_counter(), 0
        while n_steps == 0 or time.perf_counter() - start < seconds:
            step()
            n_steps += 1
        taken = time.perf_counter() - start
        trainer.close()
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return Speed(clips_per_s=n * n_steps / taken, n_steps=n_steps, peak_bytes=peak)
