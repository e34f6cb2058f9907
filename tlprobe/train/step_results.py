"""What the steps of an epoch gave: their losses, how many clips were right, their learning rates."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from tlprobe.errors import DivergedError
from tlprobe.train.plan import EpochPlan

__all__ = ["StepResults"]

_NAMED = 5  # clips named in an error before they are counted


class StepResults:
    """The steps of one epoch after the other; losses stay on the device, so that no step waits.

    Parameters
    ----------
    n_steps : int > 0
        Of an epoch.
    device : torch.device

    Attributes
    ----------
    rates : list of float
        Learning rate of each step.
    """

    def __init__(self, n_steps: int, *, device: torch.device) -> None:
        self.rates = [0.0] * n_steps
        self._losses = torch.zeros(n_steps, dtype=torch.float64, device=device)  # summed over a step's clips
        self._right = torch.zeros(n_steps, dtype=torch.float64, device=device)
        self._checked = 0

    def put(self, step: int, *, loss: torch.Tensor, right: torch.Tensor) -> None:
        """Note a step's loss, summed over its clips, and how many were right."""
        self._losses[step] = loss
        self._right[step] = right

    def begin(self, step: int) -> None:
        """Trust the steps before `step`: they were looked at, or are of another epoch."""
        self._checked = step

    def means(self, *, n_steps: int, n_clips: int) -> tuple[float, float]:
        """Return mean loss and accuracy of the first steps, which had so many clips."""
        return self._losses[:n_steps].sum().item() / n_clips, self._right[:n_steps].sum().item() / n_clips

    def first_bad(self, until: int) -> tuple[int, float] | None:
        """Return the first step since the last look, and before `until`, whose loss is not finite, and that loss."""
        losses = self._losses[self._checked : until].tolist()
        for step, loss in enumerate(losses, start=self._checked):
            if not math.isfinite(loss):
                return step, loss
        self._checked = until
        return None

    def diverged(self, step: int, loss: float, *, plan: EpochPlan, names: Sequence[str], epoch: int) -> DivergedError:
        """Return the error that tells of a step: its epoch, counted from 1, its learning rate and its clips."""
        clips = [names[i] for i in np.asarray(plan.clips[plan.steps[step]])]
        more = f" and {len(clips) - _NAMED} more" if len(clips) > _NAMED else ""
        return DivergedError(
            f"the loss is {loss} in epoch {epoch}, step {step + 1}, lr {self.rates[step]:g}, "
            f"clips {', '.join(clips[:_NAMED])}{more}; try another --lr"
        )

    def state(self) -> dict[str, Any]:
        """Return what the rest of the epoch needs, for ``torch.save``."""
        return {"losses": self._losses.cpu(), "right": self._right.cpu(), "rates": self.rates}

    def restore(self, state: dict[str, Any], *, step: int) -> None:
        """Go on from a state after `step` steps."""
        self._losses.copy_(state["losses"])
        self._right.copy_(state["right"])
        self.rates = [float(rate) for rate in state["rates"]]
        self._checked = step
