"""The Ray engine: each trial is a task, on a Ray of this machine or on a cluster.

Data, weight files, recipe and trials are shared by path: every node finds them where this machine does, or has a
copy of the data there; a node without them fails its trials with a line that names it. The study is put into Ray
once. A worker process keeps its plan, images and starting weights for its next trial; after a trial on a GPU, Ray
ends it, since a process cannot be moved to another GPU.

A trial whose worker or node is lost is tried once more, from its last saved step; the others go on. After a
signal no trial begins, and those that run save and end. A Ray that was started here ends with the study; one that
was joined goes on.
"""

import collections
import contextlib
import functools
import io
import json
import logging
import os
import platform
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tlprobe.data.line_process import own_imports
from tlprobe.errors import ParameterError, ResourceError, StoppedError, TlprobeError
from tlprobe.studies.engine import Engine
from tlprobe.studies.engine_local import ATTEMPTS, stopped_by, threads_each
from tlprobe.studies.execute import Report
from tlprobe.studies.plan import Plan, Planned
from tlprobe.studies.study_file import Study
from tlprobe.studies.worker import Bench
from tlprobe.train.recipe import RECIPES
from tlprobe.train.run import is_finished
from tlprobe.train.stopping import watch_signals

__all__ = [
    "START_LIMIT_S",
    "connected",
    "import_ray",
    "obey_cancel",
    "outcome",
    "resources_of_a_trial",
    "run_on_ray",
    "stop_tasks",
]

_log = logging.getLogger(__name__)

START_LIMIT_S = 60
"""Within which a Ray must answer."""

_OBJECT_STORE = 100 * 2**20  # bytes; nothing but the study goes through it
_QUIET = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
_JOIN = f"""
import sys, ray
try:
    ray.init(sys.argv[1], **{_QUIET!r})
except Exception as error:
    sys.exit(str(error).splitlines()[0])
ray.shutdown()
"""


def run_on_ray(
    plan: Plan, wanted: Sequence[Planned], *, trials: Path, device: str, report: Report, engine: Engine
) -> None:
    """Run trials as tasks of Ray.

    Parameters
    ----------
    plan : Plan
    wanted : sequence of Planned
        Those of its trials that are missing.
    trials : Path
        Where runs live, for all nodes.
    device : {"auto", "cpu", "cuda"}
        ``auto`` asks for GPUs where Ray has any.
    report : callable
        Told of each trial's end, in this thread.
    engine : Engine

    Raises
    ------
    ParameterError
        If Ray is not installed, or has no GPU for device ``cuda``.
    ResourceError
        If Ray cannot be started, or does not answer at the engine's address.
    StoppedError
        After a signal; the trials in progress have saved their states.
    """
    ray = import_ray()
    if not wanted:
        return
    jobs = min(engine.jobs, len(wanted))
    with connected(ray, engine.address, jobs=jobs) as started, watch_signals() as flag:
        n_threads, n_gpus = resources_of_a_trial(ray, engine, jobs=jobs, device=device, started=started)
        setup = ray.put(
            {
                "study": _from_anywhere(plan.study).model_dump(mode="json", exclude_unset=True),
                "trials": os.path.abspath(trials),
                "device": device,
                "n_threads": n_threads,
            }
        )
        # Ray's own retries would count a killing for memory as none, and say nothing. GPUs are named here, not in
        # options(): only so does Ray end their workers.
        task = ray.remote(num_cpus=n_threads, num_gpus=n_gpus, max_retries=0)(_train)
        waiting = collections.deque((trial, 1) for trial in wanted)
        running: dict[Any, tuple[Planned, int]] = {}
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    trial, attempt = waiting.popleft()
                    running[task.options(name=trial.name).remote(setup, trial.name)] = trial, attempt
                for ref in ray.wait(list(running), timeout=0.2)[0]:
                    trial, attempt = running.pop(ref)
                    reason, is_lost = outcome(ray, ref)
                    if is_lost and attempt < ATTEMPTS:
                        _log.warning("%s: %s", trial.name, reason)
                        waiting.appendleft((trial, attempt + 1))
                        continue
                    if reason is None and not is_finished(trials / trial.name):
                        reason = f"its run is not in {os.path.abspath(trials)}; all nodes must share that folder"
                    report(trial, reason)
                if flag.signum is not None:
                    raise stopped_by(flag.signum)
        finally:
            stop_tasks(ray, list(running))


def _train(setup: dict[str, Any], name: str) -> dict[str, str]:
    """Train a trial, in a worker process of Ray; return as `Bench.run`."""
    obey_cancel()
    try:
        bench = _bench(json.dumps(setup, sort_keys=True))
    except TlprobeError as error:
        return {"error": f"on {platform.node()}: {error}"}
    try:
        return bench.run(name)
    except StoppedError as error:  # nobody but the engine stops a task, and it does not ask why
        return {"error": str(error)}


@functools.lru_cache(maxsize=1)
def _bench(setup: str) -> Bench:
    return Bench(json.loads(setup))


def obey_cancel() -> None:
    """Let a worker be interrupted, which is how Ray cancels; of a study in the background it inherits to ignore it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def stop_tasks(ray: Any, refs: Sequence[Any]) -> None:
    """Tell tasks to save and end, and wait until they have."""
    for ref in refs:
        ray.cancel(ref)  # as Ctrl-C would be, in its process: a training saves at its next step
    if refs:
        ray.wait(list(refs), num_returns=len(refs))


def outcome(ray: Any, ref: Any) -> tuple[str | None, bool]:
    """Return why a task failed, or None, and whether that may have been its worker's fault.

    A task returns a table that is empty, or says why by ``error``.
    """
    try:
        return ray.get(ref).get("error"), False
    except ray.exceptions.RayTaskError as error:
        return f"{type(error.cause).__name__}: {_first_line(error.cause)}", True
    except ray.exceptions.RayError as error:
        return f"its worker process or node is lost (out of memory?): {_first_line(error).split('. ')[0]}", True


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def import_ray() -> Any:
    """Return the module.

    Raises
    ------
    ParameterError
        If it is not installed.
    """
    logging.getLogger("ray.widgets").setLevel(logging.ERROR)  # in a notebook its import asks for ipywidgets, aloud
    try:
        import ray
    except ImportError as error:
        raise ParameterError("engine ray needs Ray: pip install 'tlprobe[ray]'") from error
    return ray


def _from_anywhere(study: Study) -> Study:
    """Return a study whose paths do not depend on the working folder; links stay, as nodes share those."""
    changes: dict[str, Any] = {}
    if study.data is not None:
        changes["data"] = Path(os.path.abspath(study.data))
    if study.recipe not in RECIPES:
        changes["recipe"] = os.path.abspath(study.recipe)
    changes["inits"] = tuple(init if init in ("imagenet", "random") else os.path.abspath(init) for init in study.inits)
    return study.model_copy(update=changes)


def resources_of_a_trial(ray: Any, engine: Engine, *, jobs: int, device: str, started: bool) -> tuple[int, float]:
    """Return how many threads and GPUs each of `jobs` trials at a time gets.

    Parameters
    ----------
    ray : module
    engine : Engine
    jobs : int >= 1
    device : {"auto", "cpu", "cuda"}
    started : bool
        Whether this Ray was started here: then threads are those of the local engine. On a cluster a trial has no more
        than its largest node.

    Raises
    ------
    ParameterError
        If there is no GPU for device ``cuda``.
    """
    n_threads = threads_each(jobs)
    if not started:
        cpus = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        n_threads = max(1, min(sum(cpus) // jobs, max(cpus, default=1)))
    has_gpus = ray.cluster_resources().get("GPU", 0) > 0
    if device == "cuda" and not has_gpus:
        raise ParameterError("device='cuda', but this Ray has no GPU; choose auto or cpu")
    return n_threads, engine.gpu_share if has_gpus and device != "cpu" else 0


@contextlib.contextmanager
def connected(ray: Any, address: str | None, *, jobs: int) -> Iterator[bool]:
    """Connect to Ray for the length of a ``with`` block, and say whether it was started for that."""
    if ray.is_initialized():  # by the caller, whose it stays
        yield False
        return
    is_own = address in (None, "local")
    environment = {**own_imports(), "OMP_NUM_THREADS": str(threads_each(jobs))}
    if "TLPROBE_CACHE" in os.environ:
        environment["TLPROBE_CACHE"] = os.environ["TLPROBE_CACHE"]
    options: dict[str, Any] = {"runtime_env": {"env_vars": environment}, **_QUIET}
    if is_own:
        # More trials than cores are as good here as with the local engine: Ray's CPUs are but a count.
        options |= {"num_cpus": jobs * threads_each(jobs), "object_store_memory": _OBJECT_STORE}
        options |= {"include_dashboard": False}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it reports to Ray's makers
    else:
        _require_answer(str(address))
    with _silenced():
        try:
            with _own_sigterm(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ray.init(address or "local", **options)
        except SystemExit as error:  # of Ray's own handler
            raise stopped_by(signal.SIGTERM) from error
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            what = "cannot start Ray" if is_own else f"cannot join Ray at {address}"
            raise ResourceError(f"{what}: {_first_line(error)}") from error
        try:
            yield is_own
        finally:
            ray.shutdown()


def _require_answer(address: str) -> None:
    """Join a Ray and leave it, in a process of its own: one that does not answer ends its caller, after minutes."""
    command = [sys.executable, "-W", "ignore", "-c", _JOIN, address]
    environment = {**os.environ, **own_imports()}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment,
            timeout=START_LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ResourceError(
            f"no Ray answers at {address} within {START_LIMIT_S} s; is it the right --address?"
        ) from error
    if done.returncode != 0:
        last = ([line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"])[-1]
        raise ResourceError(f"cannot join Ray at {address}: {last}")


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Keep Ray's notes from standard output, and all but its errors from standard error."""
    log = logging.getLogger("ray")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # lost workers, which the study tells of itself
            yield
    finally:
        log.setLevel(level)


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Give SIGTERM back the handler that `ray.init` takes from it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
