"""A search's workers as tasks of Ray, see `tlprobe.studies.engine_ray`.

They share the journal in the search's folder, so that folder, like the runs', must be one that all nodes see.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any

import optuna
import torch

from tlprobe.errors import ResourceError, TlprobeError
from tlprobe.studies.engine import Engine
from tlprobe.studies.engine_local import ATTEMPTS, stopped_by
from tlprobe.studies.engine_ray import connected, import_ray, obey_cancel, outcome, resources_of_a_trial, stop_tasks
from tlprobe.studies.tune_journal import asking, finished, given_up, reconcile, worker_lock
from tlprobe.studies.tune_worker import Search, search_worker
from tlprobe.train.stopping import watch_signals

__all__ = ["search_on_ray"]

_log = logging.getLogger(__name__)


def search_on_ray(out: Path, study: optuna.Study, search: Search, *, engine: Engine) -> None:
    """Run as many workers as the engine has jobs, until all have ended.

    Parameters
    ----------
    out : Path
        The search's folder, held by this process.
    study : optuna.Study
        Of its journal.
    search : Search
    engine : Engine
        Of ray.

    Raises
    ------
    ParameterError, ResourceError, StoppedError
        As `tlprobe.studies.engine_ray.run_on_ray`; or all workers ended before there were enough trials.
    """
    ray = import_ray()
    jobs = min(engine.jobs, search.n_trials)
    names, reasons = set(search.space.space), []
    with connected(ray, engine.address, jobs=jobs) as started, watch_signals() as flag:
        n_threads, n_gpus = resources_of_a_trial(ray, engine, jobs=jobs, device=search.device, started=started)
        setup = ray.put(
            json.dumps({"n_threads": n_threads, "search": search.model_dump(mode="json", exclude_unset=True)})
        )
        task = ray.remote(num_cpus=n_threads, num_gpus=n_gpus, max_retries=0)(_work)

        def start(number: int) -> Any:
            return task.options(name=f"search worker {number}").remote(os.path.abspath(out), number, setup)

        running = {start(number): number for number in range(jobs)}
        try:
            while running:
                for ref in ray.wait(list(running), timeout=0.2)[0]:
                    number = running.pop(ref)
                    reason, is_lost = outcome(ray, ref)
                    if reason is None:
                        continue
                    with asking(out):
                        again = is_lost and reconcile(study, names, worker=number, attempts=ATTEMPTS)
                    if again:
                        _log.warning("worker %d: %s; there is a new one", number, reason)
                        running[start(number)] = number
                    else:
                        reasons.append(reason)
                if flag.signum is not None:
                    raise stopped_by(flag.signum)
        finally:
            stop_tasks(ray, list(running))
    n_finished = len(finished(study.get_trials(deepcopy=False)))
    if n_finished < search.n_trials and given_up(study) is None:
        raise ResourceError(f"all {jobs} workers ended: {'; '.join(dict.fromkeys(reasons)) or 'for no reason'}")


def _work(out: str, number: int, setup: str) -> dict[str, str]:
    """Be a worker, in a process of Ray; return nothing, or ``error``."""
    obey_cancel()
    found = json.loads(setup)
    torch.set_num_threads(found["n_threads"])
    try:
        with worker_lock(Path(out), number):
            search_worker(Path(out), number, Search.model_validate(found["search"]))
    except TlprobeError as error:
        return {"error": str(error)}
    return {}
