"""Resume states: what a killed training goes on from, ``resume/00003-000000`` of a run directory.

A state is a folder of its own, named by the finished epochs and the steps of the next one. It is written
whole or not at all, lists the digest of each of its files, and needs no file outside it::

    progress.json      epoch, step, the history so far, which epoch was best
    trainer.pt         network, optimiser, schedule, losses of the epoch in progress
    best.safetensors   the best epoch's network, where that is not the one in trainer.pt
    held_out.npy       held-out logits of the finished epochs; empty before the first is over

The last two are kept: when the newest does not pass its digests, the one before it does the work.
Nothing here needs torch.
"""

import dataclasses
import json
import logging
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tlprobe.errors import CheckpointError, ResourceError
from tlprobe.manifest import Entry, read_verified, write_verified_folder

__all__ = ["KEPT", "Saved", "discard_states", "list_states", "load_state", "save_state"]

_log = logging.getLogger(__name__)

KEPT = 2
"""States that stay on the disk."""

_FOLDER = "resume"
_SCHEMA = 2
_NAME = re.compile(r"(\d{5,})-(\d{6,})")
_PROGRESS, _TRAINER, _BEST, _HELD_OUT = "progress.json", "trainer.pt", "best.safetensors", "held_out.npy"


@dataclasses.dataclass(frozen=True)
class Saved:
    """One state.

    Parameters
    ----------
    epoch, step : int >= 0
        Finished epochs, and finished steps of the next one.
    config : dict
        What ``config.json`` holds: a state explains itself.
    files : dict
        Manifest entries of the run directory's own files so far.
    history : sequence of dict
        One row a finished epoch.
    trainer : bytes
        What the next step depends on.
    best_epoch : int or None
        None before the first epoch is over.
    best : bytes or None
        The best epoch's network; None where `trainer` is of the end of that epoch.
    held_out : bytes
        Held-out logits of the finished epochs as an ``.npy`` file; empty before the first is over.
    """

    epoch: int
    step: int
    config: dict[str, Any]
    files: dict[str, Entry]
    history: Sequence[Mapping[str, Any]]
    trainer: bytes
    best_epoch: int | None = None
    best: bytes | None = None
    held_out: bytes = b""


def save_state(out: Path, saved: Saved) -> Path:
    """Write a state, then delete all but the last two; what a killed call left beyond them goes first.

    So there are never more than ``KEPT + 1``, however often a process is killed here.

    Parameters
    ----------
    out : Path
        The run directory; must be there.

    Returns
    -------
    folder : Path

    Raises
    ------
    ResourceError
        If the disk is full or the run directory is gone; the earlier states are unharmed.
    """
    parent = out / _FOLDER
    try:
        parent.mkdir(exist_ok=True)
    except OSError as error:
        gone = "it has vanished" if not out.exists() else error.strerror
        raise ResourceError(f"cannot save the state of {out}: {gone or error}") from error
    folder = parent / f"{saved.epoch:05d}-{saved.step:06d}"
    _delete_old(out)
    if folder.exists():  # of the same step; a resumed run may get here again, by way of a state that was refused
        shutil.rmtree(folder)
    progress = {
        "schema": _SCHEMA,
        "epoch": saved.epoch,
        "step": saved.step,
        "config": saved.config,
        "files": saved.files,
        "history": [dict(row) for row in saved.history],
        "best_epoch": saved.best_epoch,
    }
    contents = {
        _PROGRESS: (json.dumps(progress, indent=1) + "\n").encode(),
        _TRAINER: saved.trainer,
        _HELD_OUT: saved.held_out,
    }
    if saved.best is not None:
        contents[_BEST] = saved.best
    write_verified_folder(folder, contents)
    _delete_old(out)
    return folder


def list_states(out: Path) -> list[Path]:
    """Return the folders of a run's states, oldest first, without a look inside."""
    found = [(match, folder) for folder in (out / _FOLDER).glob("*") if (match := _NAME.fullmatch(folder.name))]
    return [folder for _, folder in sorted(found, key=lambda item: (int(item[0][1]), int(item[0][2])))]


def load_state(out: Path) -> Saved | None:
    """Return the newest state that is as it was written, or None if there is none at all.

    A newer one that is damaged is passed over, deleted, and said so in a warning.

    Raises
    ------
    CheckpointError
        If there are states, but each is damaged or of another schema; they stay where they are.
    """
    refused: list[tuple[Path, CheckpointError]] = []
    for folder in reversed(list_states(out)):
        try:
            saved = _read(folder)
        except CheckpointError as error:
            refused.append((folder, error))
            continue
        for damaged, reason in refused:
            _log.warning("%s; going back to epoch %d, step %d", reason, saved.epoch, saved.step)
            shutil.rmtree(damaged)
        return saved
    if refused:
        reasons = "; ".join(str(error) for _, error in refused)
        raise CheckpointError(f"no state of {out} can be gone on with: {reasons}; start again by --overwrite")
    return None


def discard_states(out: Path) -> None:
    """Delete all states of a run, one that was not finished writing included."""
    shutil.rmtree(out / _FOLDER, ignore_errors=True)


def _delete_old(out: Path) -> None:
    for old in list_states(out)[:-KEPT]:
        shutil.rmtree(old)


def _read(folder: Path) -> Saved:
    try:
        body = json.loads(read_verified(folder, _PROGRESS))
        if body["schema"] != _SCHEMA:
            raise CheckpointError(f"{folder / _PROGRESS} has schema {body['schema']!r}; this tlprobe reads {_SCHEMA}")
        best_is_apart = body["best_epoch"] is not None and (body["step"], body["best_epoch"]) != (0, body["epoch"])
        return Saved(
            epoch=int(body["epoch"]),
            step=int(body["step"]),
            config=dict(body["config"]),
            files=dict(body["files"]),
            history=list(body["history"]),
            trainer=read_verified(folder, _TRAINER),
            best_epoch=body["best_epoch"],
            best=read_verified(folder, _BEST) if best_is_apart else None,
            held_out=read_verified(folder, _HELD_OUT),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / _PROGRESS} is incomplete: {type(error).__name__}: {error}") from error
