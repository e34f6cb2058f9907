"""Where a network computes, and in which arithmetic.

On a CPU: float32, channels-last. On a GPU: matrix products and convolutions in bfloat16 where the card has
it, everything else in float32. Both are measured choices (tests/benchmarks/step.py), not part of what
defines a run: they are recorded beside its result.
"""

from typing import Literal, TypeAlias

import torch

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.errors import ParameterError
from tlprobe.train.memory import keep_freed_memory

__all__ = ["PRECISIONS", "Precision", "precision_of", "resolve_device", "set_up_for_speed"]

Precision: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]
PRECISIONS: tuple[Precision, ...] = ("auto", "float32", "bfloat16", "float16")


def resolve_device(name: str) -> torch.device:
    """Return the device for ``"auto"`` (CUDA when there is one), ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ParameterError
        If it is not to be had.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ParameterError(f"device={name!r}; choose from auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ParameterError("device='cuda', but torch sees no CUDA device here; choose auto or cpu")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


def precision_of(name: str, *, device: torch.device) -> torch.dtype:
    """Return the type that matrix products and convolutions of a training step are computed in.

    Parameters
    ----------
    name : {"auto", "float32", "bfloat16", "float16"}
        ``auto``: float32 on a CPU, bfloat16 on a GPU that has it, float16 on an older one.
    device : torch.device

    Raises
    ------
    ParameterError
        If the name is unknown, or the device does not have it.
    """
    if name not in PRECISIONS:
        raise ParameterError(f"precision={name!r}; choose from {', '.join(PRECISIONS)}")
    if name == "float16" and device.type == "cpu":
        raise ParameterError("precision='float16' is for a GPU; choose float32 or bfloat16 on a CPU")
    if name == "auto":
        if device.type == "cpu":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def set_up_for_speed(model: BlockedCNN, *, device: torch.device) -> BlockedCNN:
    """Move `model` to `device` in channels-last layout, in place; on a CPU, let freed memory be kept."""
    if device.type == "cpu":
        keep_freed_memory()
    return model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
