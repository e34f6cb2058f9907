"""Run a study: what is missing is trained, what fails is told, and one record has all points.

The record's rows are the grid, a missing or failed point included: what is not there is seen not to be there.
"""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlprobe.errors import CheckpointError, ParameterError, TlprobeError
from tlprobe.files import lock_folder
from tlprobe.records import Record, provenance
from tlprobe.studies.engine import Engine
from tlprobe.studies.engine_local import run_here, run_in_workers
from tlprobe.studies.engine_ray import run_on_ray
from tlprobe.studies.plan import Plan, Planned, plan_study
from tlprobe.studies.study_file import Study
from tlprobe.studies.sweeps import TRIALS_FOLDER, kind_columns
from tlprobe.train.progress import duration
from tlprobe.train.run import Run, is_finished

__all__ = ["run_study", "study_record", "study_status"]

_log = logging.getLogger(__name__)


def run_study(
    study: Study,
    *,
    out: Path | str,
    trials: Path | str = TRIALS_FOLDER,
    engine: Engine | None = None,
    device: str = "auto",
    progress: bool | None = None,
) -> Record:
    """Run the trials of a study that are not finished yet.

    Parameters
    ----------
    study : Study
        See `tlprobe.studies.study_file.load_study`.
    out : path
        Gets the record, when the study ends, and whenever a trial fails; held by this process alone.
    trials : path
        Where runs live; finished ones are found there and never redone, of other studies as well.
    engine : Engine, optional
        Default: the study's.
    device : {"auto", "cpu", "cuda"}
        Where to train.
    progress : bool or None
        None shows bars on a terminal and in a notebook only.

    Returns
    -------
    record : Record
        One row a point, see `study_record`.

    Raises
    ------
    ParameterError
        If the study cannot be planned, or `out` holds another one.
    ResourceError
        If another process runs a study in `out`.
    StoppedError
        After a signal; what is finished is kept, what was in progress is saved.
    TlprobeError
        If trials failed: after all others were run, and with their reasons in the record.

    Examples
    --------
    >>> import pathlib
    >>> import tlprobe
    >>> text = "{networks: [timm/test_efficientnet], inits: [random], treatments: [full], changes: {epochs: 1}}"
    >>> _ = pathlib.Path("study.yaml").write_text(text)
    >>> study = tlprobe.load_study("study.yaml")
    >>> record = tlprobe.run_study(study, out="out/study", trials="runs/trials")
    >>> [(row["status"], row["treatment"], 0 <= row["accuracy"] <= 1) for row in record.rows]
    [('finished', 'random', True)]
    """
    out, trials, engine = Path(out), Path(trials), engine or study.engine
    plan = plan_study(study)
    with lock_folder(out):
        _require_same(out, study)
        wanted = [trial for trial in plan.trials if not is_finished(trials / trial.name)]
        _log.info("%d trials, %d finished", len(plan.trials), len(plan.trials) - len(wanted))
        failed: dict[str, str] = {}
        began = time.perf_counter()
        n_done = 0

        def report(trial: Planned, reason: str | None) -> None:
            nonlocal n_done
            n_done += 1
            if reason is not None:
                failed[trial.name] = reason
                _log.warning("%s failed: %s", trial.name, reason)
                study_record(plan, trials=trials, failed=failed).save(out)  # the reason is kept nowhere else
            elapsed = time.perf_counter() - began
            rest = elapsed / n_done * (len(wanted) - n_done)
            _log.info("%d/%d trials, %s left: %s", n_done, len(wanted), duration(rest), trial.name)

        try:
            if engine.name == "ray":
                run_on_ray(plan, wanted, trials=trials, device=device, report=report, engine=engine)
            elif engine.jobs == 1:
                run_here(plan, wanted, trials=trials, device=device, report=report, progress=progress)
            else:
                run_in_workers(plan, wanted, trials=trials, device=device, report=report, jobs=engine.jobs)
        finally:
            record = study_record(plan, trials=trials, failed=failed)
            record.save(out)
    failed |= {row["run"]: row["reason"] for row in record.rows if row["status"] == "failed"}  # unreadable ones as well
    if failed:
        name, reason = next(iter(failed.items()))
        raise TlprobeError(f"{len(failed)} of {len(plan.trials)} trials failed, the others are done: {name}: {reason}")
    return record


def study_status(study: Study, *, trials: Path | str = TRIALS_FOLDER, out: Path | str | None = None) -> Record:
    """Say how far a study is; the data set is opened to plan it, and nothing is trained.

    Parameters
    ----------
    study : Study
        See `tlprobe.load_study`.
    trials : path
        Where runs live.
    out : path, optional
        The folder given to `run_study`, whose record alone has the reasons of trials that failed. Without it these
        are missing ones.

    Returns
    -------
    record : Record
        One row a point: its ``status`` is finished, failed or missing, and its accuracy None unless it is finished.

    Raises
    ------
    ParameterError
        If the study cannot be planned, or `out` holds another one.

    Examples
    --------
    >>> import pathlib
    >>> import tlprobe
    >>> text = "{networks: [timm/test_efficientnet], inits: [random], seeds: [0, 1], treatments: [full]}"
    >>> _ = pathlib.Path("study.yaml").write_text(text)
    >>> study = tlprobe.load_study("study.yaml")
    >>> record = tlprobe.study_status(study, trials="runs/trials")
    >>> [(row["seed"], row["status"], row["accuracy"]) for row in record.rows]
    [(0, 'missing', None), (1, 'missing', None)]
    """
    failed = {}
    if out is not None and (found := _require_same(Path(out), study)) is not None:
        failed = {row["run"]: row["reason"] for row in found.rows if row["status"] == "failed"}
    return study_record(plan_study(study), trials=Path(trials), failed=failed)


def study_record(plan: Plan, *, trials: Path, failed: Mapping[str, str] | None = None) -> Record:
    """Return the record of a study as it stands.

    Parameters
    ----------
    plan : Plan
    trials : Path
        Where runs live.
    failed : mapping of str to str, optional
        Reasons, by trial.

    Returns
    -------
    record : Record
        One row a point, fold and seed: ``status`` (``finished``, ``failed``, ``missing``), ``reason``, what the
        point is, and the result of its trial; its values are None where it is not finished.
    """
    failed = failed or {}
    rows = []
    source: dict[str, Any] | None = None
    for trial in plan.trials:
        run, reason, result = _read(trials / trial.name)
        reason = reason or failed.get(trial.name)
        if run is not None:
            source = {**run.source.describe()}
        status = "finished" if run is not None else "missing" if reason is None else "failed"
        config = trial.config
        for start, point in trial.points:
            rows.append(
                {
                    "status": status,
                    "reason": reason if run is None else None,
                    "start": start,
                    "sweep": point.treatment,
                    "treatment": config.treatment,
                    "block": point.block,
                    **kind_columns(point),
                    "backbone": config.backbone,
                    "features": config.image.features,
                    "data_split": trial.options.data_split,
                    "init": config.init,
                    "fold": config.fold,
                    "seed": config.seed,
                    "epochs": config.recipe.epochs,
                    **{name: result.get(name) for name in _RESULTS},
                    "run": trial.name,
                }
            )
    params = {
        "study": _definition(plan.study),
        "block_names": {network: list(names) for network, names in plan.block_names.items()},
        "n_trials": len(plan.trials),
    }
    return Record("study", params, rows, provenance(data=source))


def _read(folder: Path) -> tuple[Run | None, str | None, Mapping[str, Any]]:
    """Return a finished run with its result, or the reason why it cannot be read: damaged, of another version."""
    if not is_finished(folder):
        return None, None, {}
    try:
        run = Run.load(folder)
        return run, None, run.record.rows[0]
    except CheckpointError as error:
        return None, str(error), {}


_RESULTS = (
    "accuracy",
    "best_accuracy",
    "best_epoch",
    "cross_fitted_accuracy",
    "inner_fold",
    "inner_accuracy",
    "inner_chosen_accuracy",
    "n",
    "n_train",
    "n_leaked",
    "ci_low",
    "ci_high",
    "n_weights",
    "n_trained",
    "duration_s",
)


def _definition(study: Study) -> dict[str, Any]:
    """Return what a study is; where its files lie and what runs it is no part of that."""
    definition = study.model_dump(mode="json", exclude={"engine", "data"})
    definition |= {"inits": [Path(init).name for init in study.inits], "recipe": Path(study.recipe).name}
    if (folds_file := study.data_options.folds_file) is not None:
        definition["data_options"]["folds_file"] = Path(folds_file).name
    return definition


def _require_same(out: Path, study: Study) -> Record | None:
    """Return the study's record in `out`, if there is one, and refuse that of anything else."""
    if not (out / "record.json").is_file():
        return None
    found = Record.load(out)
    if found.probe != "study":
        raise ParameterError(f"{out} holds the result of {found.probe}; give another --out")
    there, asked = dict(found.params.get("study") or {}), _definition(study)
    differing = sorted(name for name in {*there, *asked} if there.get(name) != asked.get(name))
    if differing:
        raise ParameterError(f"{out} holds a study with other {', '.join(differing)}; give another --out")
    return found
