"""What is in the output folder already, and may this training go on with it?"""

import logging
import shutil
from pathlib import Path
from typing import Any

from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.manifest import MANIFEST, check_entry, entry_of
from tlprobe.records import dump_json
from tlprobe.train.config import FitConfig
from tlprobe.train.held_out import HELD_OUT
from tlprobe.train.keeper import Keeper
from tlprobe.train.run import is_finished, read_config
from tlprobe.train.states import Saved, discard_states, list_states, load_state

__all__ = ["clear", "find_unfinished", "mend"]

_log = logging.getLogger(__name__)

_RUN_FILES = (
    "record.json",  # first: without it the run counts as unfinished
    "record.csv",
    MANIFEST,
    "weights.safetensors",
    "best.safetensors",
    "init.safetensors",
    "history.csv",
    "predictions.csv",
    HELD_OUT,
    "config.json",
)
_RUN_FOLDERS = ("epochs", "tensorboard")


def find_unfinished(out: Path, config: FitConfig, *, resume: bool) -> Saved | None:
    """Return the state of an unfinished run to go on with; None for a new or a finished one.

    Parameters
    ----------
    out : Path
        The run directory, held by this process.
    config : FitConfig
        The training that is asked for. It must be the one that `out` holds, but for the number of epochs
        where the schedule of an epoch does not depend on it.
    resume : bool
        Whether going on was asked for.

    Raises
    ------
    ParameterError
        If `out` holds something else, or an unfinished run and `resume` is false.
    CheckpointError
        If what it holds is damaged.
    """
    states = list_states(out)
    if not (out / "config.json").is_file() and not states:
        if (out / "record.json").is_file():
            raise ParameterError(f"{out} holds the result of another verb; give another --out, or --overwrite")
        return None
    finished = is_finished(out)
    kind = "a finished run" if finished else "an unfinished run"
    saved = load_state(out) if resume and not finished else None
    found = (saved.config if saved is not None else read_config(out)).get("config")
    differing = _differing(found if isinstance(found, dict) else {}, config.model_dump(mode="json"))
    fixed_rates = config.recipe.schedule != "onecycle"
    if differing and not (differing == ["recipe.epochs"] and saved is not None and fixed_rates):
        why = ""
        if "recipe.epochs" in differing and not finished and not fixed_rates:
            why = " (the onecycle schedule changes the rate of every step with it)"
        raise ParameterError(
            f"{out} holds {kind} with other {', '.join(differing)}{why}; give another --out or --overwrite"
        )
    if finished or not states:  # without a state it was stopped before its first: there is nothing to lose
        return None
    if saved is None:
        raise ParameterError(f"{out} holds {kind}; go on with it by --resume, or start again by --overwrite")
    if saved.epoch + (saved.step > 0) > config.recipe.epochs:
        raise ParameterError(f"{out} is past epoch {saved.epoch} already; --epochs {config.recipe.epochs} is less")
    return saved


def _differing(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Name what differs between two definitions, recipe and image settings value by value."""
    names = []
    for name, value in wanted.items():
        there = found.get(name)
        if isinstance(value, dict) and isinstance(there, dict):
            names += [f"{name}.{key}" for key in {**value, **there} if value.get(key) != there.get(key)]
        elif there != value:
            names.append(name)
    return names


def mend(out: Path, keeper: Keeper, *, init: bytes) -> None:
    """See to it that what an unfinished run had before its state is there, as it was written.

    Parameters
    ----------
    out : Path
        The run directory.
    keeper : Keeper
        Knows what should be there.
    init : bytes
        The network at its start, made again.

    Raises
    ------
    CheckpointError
        If a file is damaged that cannot be made again.
    """
    config = dump_json(keeper.config).encode()
    for name, entry in sorted(keeper.files.items()):
        try:
            if name != "config.json":
                check_entry(out / name, entry)
        except CheckpointError as error:
            if name != "init.safetensors" or entry_of(init) != entry:
                raise CheckpointError(f"{error}; start again by --overwrite") from error
            _log.warning("%s; written again", error)
            keeper.write({name: init})
    keeper.write({"config.json": config})  # with the number of epochs that is asked for now


def clear(out: Path) -> None:
    """Delete all that a run leaves in its directory, and nothing else."""
    for name in _RUN_FILES:
        (out / name).unlink(missing_ok=True)
    discard_states(out)
    for name in _RUN_FOLDERS:
        shutil.rmtree(out / name, ignore_errors=True)
