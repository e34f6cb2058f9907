"""What a run said of its held-out clips after every epoch: ``held_out.safetensors``.

With it, the choice of an epoch is a question that can be asked later, in more than one way, see
`tlprobe.numerics.cross_fitting`. Four rules say which epoch is scored:

``last``          the last: no choice was made
``best``          the best on the scored clips themselves, as in the paper's code: optimistic
``cross_fitted``  the one that the other half of the recordings chose
``inner_chosen``  the best on an inner fold that was neither trained on nor is scored; only where there is one

Logits are stored with the highest of each clip at 0, in float16: the
predicted class stays what it was, and the soft-max is exact to three digits.
"""

import dataclasses
import json
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tlprobe.errors import CheckpointError
from tlprobe.numerics.cross_fitting import cross_fitted

__all__ = ["HELD_OUT", "RULES", "HeldOut", "Rule", "packed"]

HELD_OUT = "held_out.safetensors"

Rule = Literal["last", "best", "cross_fitted", "inner_chosen"]
RULES: tuple[Rule, ...] = ("last", "best", "cross_fitted", "inner_chosen")


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """The answers of every epoch, and what they are about.

    Parameters
    ----------
    clips : tuple of str
        Paths relative to the data set's root.
    groups : tuple of str
        The source recording of each.
    labels : np.ndarray [shape=(n_clips,), int64]
        Class index of each.
    logits : np.ndarray [shape=(n_epochs, n_clips, n_classes), float16, <= 0]
        Relative to the highest of each clip.
    inner_accuracy : tuple of float or None
        On the inner fold, after each epoch.
    """

    clips: tuple[str, ...]
    groups: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float16]
    inner_accuracy: tuple[float, ...] | None = None

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each clip is named rightly, ``(n_epochs, n_clips)``."""
        return np.asarray(self.logits.argmax(2) == self.labels)

    def scores(self, rule: Rule) -> npt.NDArray[np.float64]:
        """Return how often each clip is named rightly at the epoch that a rule chooses, ``(n_clips,)`` in [0, 1].

        NaN for ``cross_fitted`` where all clips are of one recording, which has no halves, and for ``inner_chosen``
        without an inner fold.
        """
        correct: npt.NDArray[np.float64] = self.correct.astype(np.float64)
        if rule == "last":
            return np.asarray(correct[-1])
        if rule == "best":
            return np.asarray(correct[correct.mean(axis=1).argmax()])
        if rule == "inner_chosen" and self.inner_accuracy is not None:
            return np.asarray(correct[int(np.argmax(self.inner_accuracy))])
        if rule == "inner_chosen" or len(set(self.groups)) < 2:
            return np.full(len(self.clips), np.nan)
        return cross_fitted(correct, self.groups)

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        about = json.dumps({"clips": self.clips, "groups": self.groups, "inner_accuracy": self.inner_accuracy})
        # One entry: safetensors writes several in no certain order, and equal runs have equal files.
        return bytes(save({"labels": self.labels, "logits": self.logits}, metadata={"about": about}))

    @classmethod
    def from_bytes(cls, data: bytes, *, source: str) -> "HeldOut":
        """Read what `to_bytes` wrote; `source` names it in errors.

        Raises
        ------
        CheckpointError
            If it is damaged.
        """
        try:
            arrays = load(data)
            size = int.from_bytes(data[:8], "little")
            about = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["about"])
            clips, groups = (tuple(map(str, about[name])) for name in ("clips", "groups"))
            inner = about["inner_accuracy"]
            inner_accuracy = None if inner is None else tuple(map(float, inner))
            return cls(clips, groups, arrays["labels"], arrays["logits"], inner_accuracy)
        except (SafetensorError, KeyError, ValueError, TypeError) as error:
            raise CheckpointError(f"{source} is damaged: {type(error).__name__}: {error}") from error


def packed(logits: torch.Tensor) -> npt.NDArray[np.float16]:
    """Return an epoch's logits ``(n_clips, n_classes)`` as they are stored."""
    return (logits - logits.amax(dim=1, keepdim=True)).to(torch.float16).numpy()
