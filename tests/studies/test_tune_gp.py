"""Bayesian optimisation among pruned trials: where nothing comes to its end it looks elsewhere."""

import math

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import GPSampler
from optuna.trial import TrialState, create_trial

from tlprobe.studies.tune_gp import PruningGPSampler

SPACE = {"lr": FloatDistribution(1e-5, 1e-2, log=True), "label_smoothing": FloatDistribution(0.0, 0.3)}
# of a real search: these came to their end, and whatever gp proposed after them was pruned
COMPLETE = [
    (0.00273, 0.223, 0.8625), (0.000725, 0.171, 0.875), (0.00637, 0.160, 0.6625), (0.00115, 0.223, 0.875),
    (0.000535, 0.121, 0.8625),
]  # fmt: skip


@pytest.fixture
def study():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    for lr, smoothing, value in COMPLETE:
        study.add_trial(create_trial(value=value, params={"lr": lr, "label_smoothing": smoothing}, distributions=SPACE))
    return study


def _gp(seed):
    return GPSampler(seed=seed, n_startup_trials=5, warn_independent_sampling=False)


def _pruning(seed):
    return PruningGPSampler(seed=seed, n_startup_trials=5, distributions=SPACE)


def _proposed(study, make, n=6):
    """Let a sampler propose, and prune each trial after its second epoch at 40 %."""
    found = []
    for seed in range(n):
        study.sampler = make(seed)
        trial = study.ask(SPACE)
        trial.report(0.4, step=1)
        study.tell(trial, state=TrialState.PRUNED)
        found.append(math.log10(trial.params["lr"]))
    return np.array(found)


def test_optuna_s_own_proposes_the_same_again(study):
    assert np.ptp(_proposed(study, _gp)) < 0.1  # why there is another; once this fails, there need not be


def test_what_was_pruned_is_avoided(study):
    proposed = _proposed(study, _pruning)
    assert np.ptp(proposed) > 0.5
    assert abs(np.diff(proposed)).min() > 1e-3


def test_it_begins_with_the_same_proposal_as_optuna_s_own(study):
    study.sampler = _gp(3)
    own = study.ask(SPACE)
    study.tell(own, state=TrialState.FAIL)
    study.sampler = _pruning(3)
    assert study.ask(SPACE).params == pytest.approx(own.params, rel=1e-3)


def test_it_begins_at_random_and_knows_what_runs():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    study.sampler = _pruning(0)
    first = study.ask(SPACE)
    study.sampler = _pruning(0)
    second = study.ask(SPACE)  # beside the first, which has no value yet
    assert first.params.keys() == second.params.keys() == SPACE.keys()


def test_a_trial_that_was_given_a_value_gets_the_others(study):
    study.enqueue_trial({"lr": 0.001})
    study.sampler = _pruning(0)
    trial = study.ask(SPACE)
    assert trial.params["lr"] == 0.001
    assert 0 <= trial.params["label_smoothing"] <= 0.3
