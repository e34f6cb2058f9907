"""Bayesian optimisation that learns from pruned trials too.

Optuna's `GPSampler` sees complete trials alone. While all that it proposes is pruned it learns nothing, and proposes
much the same again: in a search of 16 real trainings it did so 11 times. Here it is shown a pruned trial with the
accuracy of its last epoch, which is too low, and says what is worth knowing: not there.
"""

import math
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

__all__ = ["PruningGPSampler"]


class PruningGPSampler(BaseSampler):
    """Proposes what `optuna.samplers.GPSampler` would, had each pruned trial ended where it was pruned.

    Parameters
    ----------
    seed : int
    n_startup_trials : int > 0
        Complete or pruned trials before the first proposal; until then values are random.
    distributions : dict of str to BaseDistribution
        All that is drawn.
    """

    def __init__(self, *, seed: int, n_startup_trials: int, distributions: dict[str, BaseDistribution]) -> None:
        self._distributions = distributions
        self._of_complete = GPSampler(seed=seed, n_startup_trials=n_startup_trials, warn_independent_sampling=False)
        self._alone = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all that is drawn: it is drawn together."""
        return self._distributions

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Ask the sampler in a study of its own, to which pruned trials are told as complete ones."""
        shown = optuna.create_study(direction="maximize", sampler=self._of_complete)
        for other in study.get_trials(deepcopy=False):
            if other.params.keys() != search_space.keys():
                continue
            if other.state == TrialState.RUNNING and other.number != trial.number:
                shown.add_trial(create_trial(state=other.state, params=other.params, distributions=search_space))
            elif (value := _value(other)) is not None:
                shown.add_trial(create_trial(value=value, params=other.params, distributions=search_space))
        return dict(shown.ask(search_space).params)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw one value at random; samplers must have it, and as all values are drawn together nothing comes here."""
        return self._alone.sample_independent(study, trial, param_name, param_distribution)


def _value(trial: FrozenTrial) -> float | None:
    """Return the accuracy that a trial ended with, its last epoch's where it was pruned; None where there is none."""
    value = trial.value if trial.state == TrialState.COMPLETE else None
    if trial.state == TrialState.PRUNED and trial.last_step is not None:
        value = trial.intermediate_values[trial.last_step]
    return value if value is not None and math.isfinite(value) else None
