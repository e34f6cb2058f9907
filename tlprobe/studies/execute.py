"""One trial of a study, in this process: images and starting weights are loaded once and kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tlprobe.studies.plan import Plan, Planned, View
from tlprobe.studies.trials import Baseline, run_trial
from tlprobe.train.device import resolve_device
from tlprobe.train.material import Definition, Material, define, prepare
from tlprobe.train.run import Run
from tlprobe.train.setting import EpochResult

__all__ = ["Executor"]


class Executor:
    """Run trials of one study, one after the other.

    Parameters
    ----------
    plan : Plan
        Of which study.
    trials : Path
        Where runs live.
    device : {"auto", "cpu", "cuda"}
        Where to train.
    progress : bool or None
        None shows bars on a terminal and in a notebook only.
    """

    def __init__(self, plan: Plan, *, trials: Path, device: str, progress: bool | None = None) -> None:
        self._plan, self._trials, self._progress = plan, trials, progress
        self._device: torch.device = resolve_device(device)
        self._material: Material | None = None  # of the last trial, for those that share its view and stored variants
        self._shown: tuple[Any, ...] = ()
        self._defined: dict[tuple[Any, ...], Definition] = {}

    def run(self, trial: Planned, *, on_epoch: Callable[[EpochResult], None] | None = None) -> Run:
        """Train a trial, or find it finished, or go on with it.

        Parameters
        ----------
        trial : Planned
            Its recipe may be another than the plan's.
        on_epoch : callable, optional
            As `tlprobe.train.fit.fit_network` takes it.

        Raises
        ------
        TlprobeError
            Whatever its training raises.
        """
        options = trial.options
        view = View.of(options)
        key = options.backbone, str(options.weights), view
        recipe = trial.config.recipe
        shown = (view, recipe.variants, recipe.pitch_semitones, recipe.stretch)
        if self._material is None or shown != self._shown:
            self._material = prepare(options, progress=self._progress).material
            self._shown = shown
        if key not in self._defined:
            self._defined[key] = define(options)
        defined = self._defined[key]
        own = {name: getattr(trial.config, name) for name in ("fold", "inner_fold", "seed", "recipe")}
        baseline = Baseline(
            config=defined.config.model_copy(update=own),
            block_names=self._plan.block_names[options.backbone],
            material=self._material,
            starting=defined.starting,
            full=None,
            folder=self._trials,
            device=self._device,
        )
        return run_trial(baseline, trial.points[0][1], progress=self._progress, on_epoch=on_epoch)


Report = Callable[[Planned, str | None], None]
"""Called after each trial: with None, or with the reason why it failed."""
