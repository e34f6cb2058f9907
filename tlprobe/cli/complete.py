"""What a shell offers for the value of an option: names that are known without torch, which a shell cannot wait for."""

from collections.abc import Callable

import typer

__all__ = ["OFFERED", "offer", "verbs_offered"]

OFFERED: dict[str, tuple[str, ...]] = {
    "backbone": (
        "efficientnet_lite0",
        "densenet121",
        "densenet169",
        "densenet201",
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "inception_v3",
        "googlenet",
        "timm/",
    ),
    "weights": ("imagenet", "random"),
    "recipe": ("quick", "paper", "paper-scratch"),
    "optimizer": ("adam", "adamw", "sgd"),
    "schedule": ("constant", "step", "multistep", "onecycle"),
    "normalize": ("channel", "none"),
    "dataset": ("esc50", "esc10", "urbansound8k", "gtzan", "folder", "table", "named"),
    "data_split": ("paper", "fault-filtered", "artists"),
    "on_error": ("fail", "skip"),
    "short": ("silence", "repeat", "stretch"),
    "features": ("log-mel3", "log-mel", "log-spec", "mfcc", "gammatone"),
    "device": ("auto", "cpu", "cuda"),
    "block": ("none", "stem", "block1", "block2", "block3", "block4"),
    "measure": ("svcca", "mean-cca", "pwcca", "cka", "cka-debiased", "procrustes", "all"),
    "to": ("torchvision", "timm", "onnx"),
}
"""Values by the name of their option."""


def offer(name: str) -> Callable[[str], list[str]] | None:
    """Return what completes the value of an option, or None where nothing is known."""
    if name not in OFFERED:
        return None

    def matching(incomplete: str) -> list[str]:
        return [value for value in OFFERED[name] if value.startswith(incomplete)]

    return matching


def verbs_offered(context: typer.Context, incomplete: str) -> list[str]:
    """Return the verbs that begin so."""
    commands = getattr(context.find_root().command, "commands", {})
    return [verb for verb in commands if verb.startswith(incomplete)]
