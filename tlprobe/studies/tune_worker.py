"""One worker of a search: asks for values, trains them, tells what came of it, until there are enough trials.

All that workers share is the journal in the search's folder, so any number of them may run: in this process, in
processes of this machine (`main`), or as tasks elsewhere. A worker may be killed at any time: its trial is then
marked as failed, and its values are the next to be tried, which goes on with the training that was in progress.

The sampler is made anew for each trial, with a seed of the search's seed and the number of trials drawn before:
a search that is killed and goes on draws what it would have drawn.
"""

import dataclasses
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Literal, NoReturn

import optuna
import torch
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel, ConfigDict, Field

from tlprobe.errors import DivergedError, StoppedError, TlprobeError
from tlprobe.numerics.seeds import derive_seed
from tlprobe.studies.execute import Executor
from tlprobe.studies.plan import Plan, Planned, plan_study
from tlprobe.studies.space import Space
from tlprobe.studies.trials import trial_name
from tlprobe.studies.tune_gp import PruningGPSampler
from tlprobe.studies.tune_journal import asking, finished, given_up, open_study, worker_lock
from tlprobe.train.setting import EpochResult
from tlprobe.train.stopping import EXIT_CODE_OF

__all__ = ["N_STARTUP", "Search", "main", "plan_search", "search_worker"]

_log = logging.getLogger(__name__)

N_STARTUP = {"gp": 5, "tpe": 10}
"""Trials that are drawn at random first, complete or pruned. Optuna has 10 of both: of gp, a third of a search."""

_POLL_S = 0.5


class Search(BaseModel):
    """What a search is asked for.

    Attributes
    ----------
    space : Space
        With paths that do not depend on the working folder, if workers are elsewhere.
    n_trials : int >= 1
        Trials that are to be finished: complete, diverged or pruned.
    sampler : {"gp", "tpe", "random"}
    seed : int >= 0
        Of the sampler.
    prune : bool
        End trials that are behind the median of the others after the same epoch.
    trials : Path
        Where runs live.
    device : {"auto", "cpu", "cuda"}
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    space: Space
    n_trials: int = Field(ge=1)
    sampler: Literal["gp", "tpe", "random"] = "gp"
    seed: int = Field(default=0, ge=0)
    prune: bool = True
    trials: Path
    device: str = "auto"


def plan_search(space: Space) -> Plan:
    """Return the plan of a space's one training, with values that are possible, for the others to differ from.

    Raises
    ------
    ParameterError, DataError, CheckpointError
        As `tlprobe.studies.plan.plan_study`.
    """
    return plan_study(space.study(space.example or {}))


def search_worker(
    out: Path, number: int, search: Search, *, plan: Plan | None = None, progress: bool | None = False
) -> None:
    """Run trials of a search until there are enough, or too many have failed in a row.

    Parameters
    ----------
    out : Path
        The search's folder, which is held by whoever starts the workers.
    number : int >= 0
        Which of the workers this is.
    search : Search
    plan : Plan, optional
        Of the search's training, where there is one already.
    progress : bool or None
        None shows bars on a terminal and in a notebook only.

    Raises
    ------
    StoppedError
        After a signal in a training, which has saved its state.
    TlprobeError
        If data or weights cannot be used here.
    """
    plan = plan or plan_search(search.space)
    executor = Executor(plan, trials=search.trials, device=search.device, progress=progress)
    study = open_study(out, prune=search.prune)
    while (trial := _ask(study, out, search, number=number)) is not None:
        _train(study, trial, search, plan.trials[0], executor)


def _ask(study: optuna.Study, out: Path, search: Search, *, number: int) -> optuna.Trial | None:
    """Draw the next trial; None when the search is over. While the last ones run, wait: they may fail."""
    while True:
        with asking(out):
            trials = study.get_trials(deepcopy=False)
            n_finished = len(finished(trials))
            if n_finished >= search.n_trials or given_up(study) is not None:
                return None
            if n_finished + sum(trial.state == TrialState.RUNNING for trial in trials) < search.n_trials:
                study.sampler = _sampler(search, trials)
                trial = study.ask(search.space.distributions())
                trial.set_user_attr("worker", number)
                return trial
        time.sleep(_POLL_S)


def _sampler(search: Search, trials: Sequence[FrozenTrial]) -> BaseSampler:
    drawn = [
        trial
        for trial in trials
        if "resumes" not in trial.user_attrs and trial.params.keys() == search.space.space.keys()
    ]
    seed = derive_seed(search.seed, "sampler", len(drawn)) % 2**32
    ended = [trial for trial in trials if trial.state.is_finished()]
    has_failed = bool(ended) and ended[-1].state == TrialState.FAIL and "reason" in ended[-1].user_attrs
    if search.sampler == "random" or has_failed:  # from which nothing is learnt: gp would draw much the same again
        return RandomSampler(seed=seed)
    if search.sampler == "tpe":
        return TPESampler(seed=seed, n_startup_trials=N_STARTUP["tpe"])
    return PruningGPSampler(seed=seed, n_startup_trials=N_STARTUP["gp"], distributions=search.space.distributions())


def _train(study: optuna.Study, trial: optuna.Trial, search: Search, base: Planned, executor: Executor) -> None:
    """Train a trial, or find it, and tell the study what came of it."""
    seconds: dict[int, float] = {}

    def note(epoch: int, accuracy: float, duration_s: float) -> None:
        if epoch not in seconds:
            trial.report(accuracy, step=epoch - 1)  # Optuna counts from 0
        seconds[epoch] = duration_s

    def on_epoch(result: EpochResult) -> None:
        assert result.inner_accuracy is not None  # there is an inner fold
        note(result.epoch, result.inner_accuracy, result.duration_s)
        if result.epoch < base.config.recipe.epochs and trial.should_prune():
            raise optuna.TrialPruned

    reason: str | None = None
    value: float | None = None
    state: TrialState | None = None
    try:
        planned = _planned(search.space, trial.params, base)
        trial.set_user_attr("run", planned.name)
        _wait_for_equal(study, trial)
        run = executor.run(planned, on_epoch=on_epoch)
        for row in run.record.params["history"]:  # of a run that was finished before
            note(row["epoch"], row["inner_accuracy"], row["duration_s"])
        value = float(run.record.rows[0]["inner_accuracy"])
    except optuna.TrialPruned:
        state = TrialState.PRUNED
    except StoppedError:
        raise
    except DivergedError as error:
        reason, value = str(error), 0.0  # an outcome, and one that the sampler should keep away from
    except TlprobeError as error:
        reason, state = str(error), TrialState.FAIL
    trial.set_user_attr("duration_s", sum(seconds.values()))
    if reason is not None:
        trial.set_user_attr("reason", reason)
    _say(study.tell(trial, value, state=state), study, search)


def _wait_for_equal(study: optuna.Study, trial: optuna.Trial) -> None:
    """Wait while an earlier trial with the same values runs: it is the same run, which one at a time may train."""
    while any(
        other.number < trial.number and other.params == trial.params
        for other in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    ):
        time.sleep(_POLL_S)


def _planned(space: Space, values: Mapping[str, Any], base: Planned) -> Planned:
    config = base.config.model_copy(update={"recipe": space.recipe_of(values)})
    options = dataclasses.replace(base.options, changes={**space.changes, **values})
    return dataclasses.replace(base, name=trial_name(config), config=config, options=options)


def _say(trial: FrozenTrial, study: optuna.Study, search: Search) -> None:
    n_finished = len(finished(study.get_trials(deepcopy=False)))
    values = ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in trial.params.items()
    )
    count = f"{n_finished}/{search.n_trials}"
    if "reason" in trial.user_attrs:
        what = "failed" if trial.state == TrialState.FAIL else "diverged"
        _log.warning("%s trials; trial %d (%s) %s: %s", count, trial.number, values, what, trial.user_attrs["reason"])
    else:
        what = "pruned at" if trial.state == TrialState.PRUNED else "complete,"
        _log.info(
            "%s trials; trial %d (%s) %s %.1f %% on the inner fold",
            count,
            trial.number,
            values,
            what,
            100 * (trial.value or 0),
        )


def main() -> int:
    """Be a worker process of `tlprobe.studies.tune`: standard input has its setup, and ends with its parent."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    setup = json.loads(sys.stdin.readline())
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    _log.setLevel(setup["level"])
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(setup["n_threads"])
    out, number = Path(setup["out"]), setup["number"]
    try:
        with worker_lock(out, number):
            search_worker(out, number, Search.model_validate(setup["search"]))
    except StoppedError as error:
        return error.exit_code
    except TlprobeError as error:
        _log.error("worker %d: %s", number, error)
        return error.exit_code
    return 0


def _end(signum: int, frame: FrameType | None) -> NoReturn:
    """End between trainings, which have a handler of their own; locks are let go of."""
    sys.exit(EXIT_CODE_OF[signum])


def _end_with_parent() -> None:
    while os.read(0, 1):  # not by sys.stdin, whose lock a process cannot end without
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
