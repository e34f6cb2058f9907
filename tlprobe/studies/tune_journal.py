"""The journal of a search: Optuna's own, a file that any number of workers append to, a line an event.

What a killed process leaves in it is put in order before the search goes on: half a line, a lock, trials that
seem to run.
"""

import contextlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import filelock
import optuna
from optuna.pruners import MedianPruner, NopPruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from tlprobe.errors import DataError, ResourceError
from tlprobe.files import write_atomic

__all__ = [
    "GIVE_UP",
    "JOURNAL",
    "asking",
    "begin",
    "finished",
    "given_up",
    "mend",
    "open_study",
    "reason_of",
    "reconcile",
    "wait_for_workers",
    "worker_lock",
]

_log = logging.getLogger(__name__)

JOURNAL = "trials.jsonl"
"""The file's name."""
GIVE_UP = 10
"""Trials in a row that fail before a search ends."""

_PRUNER_STARTUP = 5  # complete trials before any is pruned
_PRUNER_WARMUP = 1  # epochs after which none is pruned
_WORKER_ENDS_S = 60  # within which the workers of a killed search save and end
_WHY_NONE = "its process ended before it did"
_REASON = "reason"
_BEGAN = "began"
_WORKER = ".worker"
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def open_study(out: Path, *, prune: bool) -> optuna.Study:
    """Return Optuna's study in a search's folder; made when missing.

    Parameters
    ----------
    out : Path
    prune : bool
        End trials that are behind the median of the others after the same epoch.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # of trials we tell ourselves; gp says that it could be faster
    pruner = MedianPruner(n_startup_trials=_PRUNER_STARTUP, n_warmup_steps=_PRUNER_WARMUP) if prune else NopPruner()
    storage = JournalStorage(JournalFileBackend(str(out / JOURNAL)))
    with contextlib.suppress(KeyError):
        return optuna.load_study(storage=storage, study_name="tune", pruner=pruner)
    return optuna.create_study(storage=storage, study_name="tune", pruner=pruner, direction="maximize")


def mend(out: Path) -> None:
    """Cut off half a line at a journal's end, which an append would run into, and remove its lock.

    Parameters
    ----------
    out : Path
        The search's folder, held by this process; none of its workers runs.

    Raises
    ------
    DataError
        If another line is damaged.
    """
    file = out / JOURNAL
    for left in out.glob(f"{JOURNAL}.lock*"):  # Optuna would wait for it, half a minute
        left.unlink(missing_ok=True)
    if not file.is_file():
        return
    data = file.read_bytes()
    lines = data.split(b"\n")  # after the last newline there is nothing
    whole = lines[:-1]
    if whole and not lines[-1] and not _is_event(whole[-1]):
        whole = whole[:-1]
    for number, line in enumerate(whole, start=1):
        if not _is_event(line):
            raise DataError(
                f"{file}: line {number} is damaged; give another --out (finished trainings are found again)"
            )
    sound = b"".join(line + b"\n" for line in whole)
    if sound != data:
        write_atomic(file, sound)
        _log.warning("%s: cut off its last line, of which a part was written when a process was killed", file)


def reconcile(study: optuna.Study, names: set[str], *, worker: int | None = None, attempts: int = 1) -> bool:
    """Mark trials whose process is gone as failed, and put their values before all others.

    Parameters
    ----------
    study : optuna.Study
    names : set of str
        What the space searches. A trial that has not all of it did not begin.
    worker : int, optional
        Only of this one, which died while the others run; hold `asking`.
    attempts : int
        Of a trial that outlives that many workers, if there is `worker`.

    Returns
    -------
    found : bool
        Whether there were any.
    """
    trials = study.get_trials(deepcopy=False)
    tried_again = {trial.user_attrs.get("resumes") for trial in trials}
    dead = [
        trial
        for trial in trials
        if trial.state == TrialState.RUNNING and worker in (None, trial.user_attrs.get("worker", worker))
    ]
    for trial in dead:
        attempt = trial.user_attrs.get("attempt", 1)
        again = trial.params.keys() == names and trial.number not in tried_again
        if again and (worker is None or attempt < attempts):
            # First this: killed in between, the next start finds the trial, and its successor as well.
            following = attempt if worker is None else attempt + 1
            study.enqueue_trial(trial.params, user_attrs={"resumes": trial.number, "attempt": following})
        study.tell(trial.number, state=TrialState.FAIL)
        _log.warning("trial %d failed: %s", trial.number, reason_of(study.trials[trial.number], study.trials))
    return bool(dead)


def reason_of(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> str | None:
    """Return why a trial failed or diverged; None for others."""
    if trial.state != TrialState.FAIL or _REASON in trial.user_attrs:
        reason: str | None = trial.user_attrs.get(_REASON)
        return reason
    following = next((other.number for other in trials if other.user_attrs.get("resumes") == trial.number), None)
    return _WHY_NONE if following is None else f"{_WHY_NONE}; trial {following} goes on with it"


def finished(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that count: complete (diverged ones as well) or pruned."""
    return [trial for trial in trials if trial.state in _FINISHED]


def begin(study: optuna.Study) -> None:
    """Note that a search begins, or goes on: failures before do not count for `given_up`."""
    study.set_user_attr(_BEGAN, len(study.get_trials(deepcopy=False)))


def given_up(study: optuna.Study) -> str | None:
    """Return why a search ends before it has its trials: too many in a row failed, of themselves. None: it goes on."""
    trials = study.get_trials(deepcopy=False)[study.user_attrs.get(_BEGAN, 0) :]
    ended = [trial for trial in trials if trial.state in _FINISHED or _REASON in trial.user_attrs]
    last = ended[-GIVE_UP:]
    if len(last) < GIVE_UP or any(trial.state != TrialState.FAIL for trial in last):
        return None
    return f"the last {GIVE_UP} trials failed, trial {last[-1].number}: {last[-1].user_attrs[_REASON]}"


def asking(out: Path) -> filelock.BaseFileLock:
    """Return the lock under which trials are counted and drawn, by one worker at a time."""
    return filelock.FileLock(out / ".ask.lock")


def worker_lock(out: Path, number: int) -> filelock.BaseFileLock:
    """Return the lock that a worker process holds while it lives."""
    return filelock.FileLock(out / f"{_WORKER}{number}.lock", timeout=_WORKER_ENDS_S)


def wait_for_workers(out: Path) -> None:
    """Wait for workers of a search that was killed: each saves its training and ends.

    Raises
    ------
    ResourceError
        If one does not.
    """
    for file in out.glob(f"{_WORKER}*.lock"):
        try:
            with filelock.FileLock(file, timeout=_WORKER_ENDS_S):
                pass
        except filelock.Timeout as error:
            raise ResourceError(f"{file} is held by a worker of a search that is gone; end it, or wait") from error


def _is_event(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
