"""What a network answers to some clips, and whose logit is explained."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from tlprobe.errors import ParameterError
from tlprobe.probes.attribution.choose import Chosen
from tlprobe.probes.attribution.memory import batch_within
from tlprobe.probes.attribution.path import logits_of
from tlprobe.train.checkpoint import Checkpoint
from tlprobe.train.device import set_up_for_speed

__all__ = ["PREDICTED", "TRUE", "Asked", "ask", "network_of", "require_alike"]

PREDICTED = "predicted"
"""The target that means "whatever class the network says"."""
TRUE = "true"
"""The target that means "the clip's own class"."""


class Asked(NamedTuple):
    """A network and its answers to the clips.

    Parameters
    ----------
    classes : tuple of str
    model : nn.Module
        In evaluation mode, its weights without gradients.
    x : torch.Tensor [shape=(n, 3, n_mels, width)]
        The clips as the network sees them.
    batch : int > 0
        Images that fit into the memory at a time.
    probabilities : np.ndarray [shape=(n, n_classes)]
    columns : list of int [length n]
        Whose logit is explained.
    """

    classes: tuple[str, ...]
    model: torch.nn.Module
    x: torch.Tensor
    batch: int
    probabilities: npt.NDArray[np.float64]
    columns: list[int]

    def answer(self, number: int, chosen: Chosen) -> dict[str, Any]:
        """Return what a row says of a clip and of the network's answer."""
        said = self.probabilities[number]
        column = self.columns[number]
        return {
            "clip": chosen.names[number],
            "label": chosen.labels[number],
            "group": chosen.groups[number],
            **dict(zip(("start_s", "end_s"), chosen.parts[number], strict=True)),
            "shown_s": chosen.shown_s[number],
            "target": self.classes[column],
            "predicted": self.classes[int(said.argmax())],
            "probability": float(said.max()),
            "target_probability": float(said[column]),
        }


def ask(checkpoint: Checkpoint, chosen: Chosen, *, target: str, memory_gb: float | None, device: torch.device) -> Asked:
    """Ask a network about some clips; `target` and `memory_gb` as `tlprobe.probes.attribute.attribute` takes them."""
    model = set_up_for_speed(checkpoint.after(), device=device).requires_grad_(False)
    x = checkpoint.standardise(torch.from_numpy(chosen.images)).to(device)
    batch = batch_within(model, x[:1], limit_gb=memory_gb)
    probabilities = torch.softmax(logits_of(model, x, batch=batch).double(), dim=1).cpu().numpy()
    classes = checkpoint.classes
    columns = [
        int(said) if target == PREDICTED else classes.index(str(label) if target == TRUE else target)
        for said, label in zip(probabilities.argmax(axis=1), chosen.labels, strict=True)
    ]
    return Asked(classes, model, x, batch, probabilities, columns)


def named_apart(checkpoints: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Return the checkpoints under names that tell them apart: with as many of the folders above as it takes.

    Raises
    ------
    ParameterError
        If one of them comes twice.
    """
    named = list(checkpoints)
    folders = [None if c.run is None else c.run.path.resolve() for c in named]
    for number, folder in enumerate(folders):
        if folder is not None and folder in folders[:number]:
            raise ParameterError(f"{folder} was given twice; a network is compared with others")
    depth = 1
    while len({c.name for c in named}) < len(named):
        depth += 1
        named = [
            c if folder is None else dataclasses.replace(c, name="/".join(folder.parts[-depth:]))
            for c, folder in zip(checkpoints, folders, strict=True)
        ]
    return named


def require_alike(checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """Return the first of some networks, if a clip is the same question to all of them."""
    first, *others = checkpoints
    for other in others:
        for what, own, theirs in (
            ("data", first.material.dataset.content_hash, other.material.dataset.content_hash),
            ("images", first.material.settings, other.material.settings),
            ("fold", first.fold, other.fold),
        ):
            if own != theirs:
                raise ParameterError(f"{other.name} has other {what} than {first.name}; attributions of the two differ")
    return first


def network_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the columns that tell a network from others; None where a weight file does not say."""
    config = None if checkpoint.run is None else checkpoint.run.config
    return {
        "run": checkpoint.name,
        "backbone": checkpoint.backbone,
        "init": checkpoint.init,
        "seed": checkpoint.seed,
        "treatment": None if config is None else config.treatment,
        "blocks": None if config is None else " ".join(config.blocks),
        "epochs": checkpoint.epochs,
    }
