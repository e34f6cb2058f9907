"""Search a recipe's values: each trial is a training, chosen on an inner fold that is neither trained on nor scored.

The held-out fold is looked at once, at the end, for the chosen trial. Trials are ordinary run directories, so a
finished one is found and never redone, a pruned one may be finished by another search or study, and a search that
is killed goes on with the trainings that were in progress.

Trials that count are those that came to an end: complete, diverged (the sampler is told an accuracy of 0) or
pruned. Failed ones do not.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tlprobe.errors import ParameterError, ResourceError, TlprobeError

try:
    import optuna
except ImportError as missing:
    raise ParameterError("a search needs Optuna: pip install 'tlprobe[tune]'") from missing

from tlprobe.data.line_process import own_imports
from tlprobe.files import lock_folder, write_atomic
from tlprobe.records import Record
from tlprobe.studies.engine import Engine
from tlprobe.studies.engine_local import ATTEMPTS, gpus_here, stopped_by, threads_each
from tlprobe.studies.plan import Plan
from tlprobe.studies.space import Space, load_space
from tlprobe.studies.sweeps import TRIALS_FOLDER
from tlprobe.studies.tune_journal import (
    asking,
    begin,
    finished,
    given_up,
    mend,
    open_study,
    reconcile,
    wait_for_workers,
)
from tlprobe.studies.tune_ray import search_on_ray
from tlprobe.studies.tune_record import best_yaml, search_record
from tlprobe.studies.tune_worker import Search, plan_search, search_worker
from tlprobe.train.recipe import explain_validation
from tlprobe.train.stopping import watch_signals

__all__ = ["BEST", "load_space", "tune"]

_log = logging.getLogger(__name__)

BEST = "best.yaml"
"""The chosen recipe, as a file for ``--recipe``."""


def tune(
    space: Space,
    *,
    out: Path | str,
    n_trials: int,
    sampler: str = "gp",
    seed: int = 0,
    prune: bool = True,
    engine: Engine | None = None,
    trials: Path | str = TRIALS_FOLDER,
    device: str = "auto",
    progress: bool | None = None,
) -> Record:
    """Search a recipe's values until so many trials are finished, those of an earlier call included.

    Parameters
    ----------
    space : Space
        See `load_space`.
    out : path
        Gets journal, record and ``best.yaml``; held by this process alone.
    n_trials : int >= 1
        Trials that are to be finished: complete, diverged or pruned.
    sampler : {"gp", "tpe", "random"}
        Bayesian optimisation by a Gaussian process, tree-structured Parzen estimators, or at random. The first two
        begin at random, see `tlprobe.studies.tune_worker.N_STARTUP`.
    seed : int >= 0
        Of the sampler; that of the trainings is the space's. With one trial at a time it determines the search.
    prune : bool
        End trials that are behind the median of the others after the same epoch (from the sixth trial and the second
        epoch on).
    engine : Engine, optional
        Where trials run, and how many at a time: worker processes, or workers that are tasks of Ray. Default: one at a
        time, in this process.
    trials : path
        Where runs live.
    device : {"auto", "cpu", "cuda"}
        Where to train.
    progress : bool or None
        None shows bars on a terminal and in a notebook only.

    Returns
    -------
    record : Record
        One row a trial. ``params["chosen"]`` is the best on the inner fold, with its accuracy there and, once all
        trials are finished, on the held-out fold, which no choice was made on.

    Raises
    ------
    ParameterError, DataError, CheckpointError
        If values, data or weights cannot be used, or `out` holds another search.
    ResourceError
        If another process searches in `out`, or the workers do not start.
    StoppedError
        After a signal; the same call goes on.
    TlprobeError
        If too many trials failed in a row.

    Examples
    --------
    >>> import pathlib
    >>> import tlprobe
    >>> text = "{network: timm/test_efficientnet, init: random, changes: {epochs: 1}, space: {batch_size: [32, 64]}}"
    >>> _ = pathlib.Path("space.yaml").write_text(text)
    >>> record = tlprobe.tune(tlprobe.load_space("space.yaml"), out="out/tune", n_trials=1, trials="runs/trials")
    >>> record.params["chosen"]["values"]["batch_size"] in (32, 64)
    True
    """
    out = Path(out)
    engine = engine or Engine()
    try:
        search = Search(
            space=space.absolute(),
            n_trials=n_trials,
            sampler=sampler,  # type: ignore[arg-type]  # checked here
            seed=seed,
            prune=prune,
            trials=Path(os.path.abspath(trials)),
            device=device,
        )
    except ValidationError as error:
        raise ParameterError(explain_validation(error)) from error
    plan = plan_search(search.space)
    with lock_folder(out):
        study = _take_up(out, search, plan)
        try:
            if engine.name == "ray":
                search_on_ray(out, study, search, engine=engine)
            elif engine.jobs == 1:
                search_worker(out, 0, search, plan=plan, progress=progress)
            else:
                _in_processes(out, study, search, jobs=min(engine.jobs, n_trials))
        finally:
            record = search_record(study, search, plan)
            record.save(out)
        if record.params["n_finished"] < n_trials:
            raise TlprobeError(f"{given_up(study)}; {record.params['n_finished']} of {n_trials} are finished")
        if record.params["chosen"] is not None:
            write_atomic(out / BEST, best_yaml(record, search))
    return record


def _take_up(out: Path, search: Search, plan: Plan) -> optuna.Study:
    """Return the study in `out`, new or gone on with, in order."""
    if (out / "config.json").is_file():
        raise ParameterError(f"{out} is a run directory, which a search would damage; give another --out")
    if (out / "record.json").is_file() and (found := Record.load(out).probe) != "tune":
        raise ParameterError(f"{out} holds the result of {found}; give another --out")
    wait_for_workers(out)
    mend(out)
    study = open_study(out, prune=search.prune)
    asked = _definition(search, plan)
    there = study.user_attrs.get("search", asked)
    if differing := sorted(name for name in {*there, *asked} if there.get(name) != asked.get(name)):
        raise ParameterError(f"{out} holds a search with other {', '.join(differing)}; give another --out")
    study.set_user_attr("search", asked)
    reconcile(study, set(search.space.space))
    begin(study)
    return study


def _definition(search: Search, plan: Plan) -> dict[str, Any]:
    """Return what a search is, as JSON: all but where it runs and how long."""
    config = plan.trials[0].config.model_dump(mode="json")
    recipe = {name: value for name, value in config.pop("recipe").items() if name not in search.space.space}
    space = search.space.model_dump(mode="json")["space"]
    body = {**config, "recipe": recipe, "space": space, "sampler": search.sampler}
    return {**body, "sampler's seed": search.seed, "pruning": search.prune}


def _in_processes(out: Path, study: optuna.Study, search: Search, *, jobs: int) -> None:
    """Run worker processes until all have ended."""
    names = set(search.space.space)
    codes = []
    with watch_signals() as flag:
        workers = {number: _start(out, search, number=number, jobs=jobs) for number in range(jobs)}
        try:
            while workers:
                time.sleep(0.2)
                if flag.signum is not None:
                    raise stopped_by(flag.signum)
                for number, process in list(workers.items()):
                    if process.poll() is None:
                        continue
                    del workers[number]
                    _close(process)
                    with asking(out):
                        lost = process.returncode != 0 and reconcile(study, names, worker=number, attempts=ATTEMPTS)
                    if lost:  # it may have been killed for another's memory
                        _log.warning("worker %d ended with code %d; there is a new one", number, process.returncode)
                        workers[number] = _start(out, search, number=number, jobs=jobs)
                    elif process.returncode != 0:
                        codes.append(process.returncode)
        finally:
            for process in workers.values():
                process.terminate()
            for process in workers.values():
                _close(process)
    n_finished = len(finished(study.get_trials(deepcopy=False)))
    if n_finished < search.n_trials and given_up(study) is None:
        raise ResourceError(f"all {jobs} worker processes ended, with code {', '.join(map(str, codes))}")


def _start(out: Path, search: Search, *, number: int, jobs: int) -> "subprocess.Popen[bytes]":
    n_threads = threads_each(jobs)
    environment = {**os.environ, **own_imports(), "OMP_NUM_THREADS": str(n_threads)}
    if gpus := gpus_here():
        environment["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tlprobe.studies.tune_worker"],
        stdin=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # Ctrl-C is for this process, which then stops the worker
    )
    setup = {"out": os.path.abspath(out), "number": number, "n_threads": n_threads, "level": _log.getEffectiveLevel()}
    setup["search"] = search.model_dump(mode="json", exclude_unset=True)
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died at once, as its code tells
        process.stdin.write(json.dumps(setup).encode() + b"\n")
        process.stdin.flush()
    return process


def _close(process: "subprocess.Popen[bytes]") -> None:
    """Wait for a process's end, and only then close its input: that would be a second signal to it."""
    process.wait()
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
