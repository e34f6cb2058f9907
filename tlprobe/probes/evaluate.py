"""Evaluation: how well does a network do on clips it has not seen, and where does it err?"""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tlprobe.data.cache import images_of, load_images
from tlprobe.data.dataset import Dataset, inside
from tlprobe.data.open import open_dataset
from tlprobe.data.options import DataOptions
from tlprobe.errors import DataError, ParameterError
from tlprobe.numerics.intervals import INTERVALS, accuracy_interval
from tlprobe.records import Record, provenance
from tlprobe.train.checkpoint import Checkpoint, FileOptions, open_checkpoint
from tlprobe.train.device import resolve_device, set_up_for_speed
from tlprobe.train.predict import predict
from tlprobe.train.predictions import Predictions
from tlprobe.train.run import Run

__all__ = ["evaluate", "predictions_of"]

_log = logging.getLogger(__name__)

_OF_ANY_LAYOUT = ("data_seed", "n_folds", "window_s", "allow_leaks", "on_error")


def evaluate(
    ckpt: Path | str | Run,
    *,
    data: Path | str | None = None,
    clips: Sequence[Path | str] = (),
    options: FileOptions | None = None,
    device: str = "auto",
    progress: bool | None = None,
) -> Record:
    """Score a network on its held-out fold, on another data set, or let it name single recordings.

    Parameters
    ----------
    ckpt : path or Run
        A run directory, or a weight file with `options`.
    data : path, optional
        The run's data set where it has moved: its held-out fold is scored. Another data set, of the same
        classes or some of them: all its clips are scored.
    clips : sequence of path
        Recordings to name instead, any files or paths in the data set; they have no label, so there is no accuracy.
    options : FileOptions, optional
        What a bare weight file does not say.
    device : {"auto", "cpu", "cuda"}
        Where.
    progress : bool or None
        None shows a bar on a terminal and in a notebook only.

    Returns
    -------
    record : Record
        One row: ``accuracy`` in [0, 1], ``n``, ``ci_low``, ``ci_high`` (over source recordings), ``clips`` (what was
        scored), of another data set ``n_seen`` (clips whose very file the network was trained on, also told in a
        warning); or, of `clips`, a row each: ``clip``, ``predicted``, ``probability``. ``params["clips"]``,
        ``["labels"]`` and ``["classes"]`` go with the array ``probabilities`` ``(n, n_classes)``; the array
        ``confusion`` ``(1, n_classes, n_classes)`` counts true (rows) against predicted (columns).

    Raises
    ------
    CheckpointError, DataError, ParameterError
        If the checkpoint, data or a recording cannot be used.

    Examples
    --------
    >>> import tlprobe
    >>> run = tlprobe.Run.load("runs/full")
    >>> tlprobe.evaluate(run).rows[0]["accuracy"] == run.record.rows[0]["accuracy"]
    True
    """
    where = resolve_device(device)
    checkpoint, other = _open(ckpt, data=data, options=options, progress=progress)
    about = provenance(data=checkpoint.material.dataset.describe(), device=str(where))
    params: dict[str, Any] = {
        "run": checkpoint.name,
        "backbone": checkpoint.backbone,
        "init": checkpoint.init,
        "fold": checkpoint.fold,
        "epochs": checkpoint.epochs,
        "classes": list(checkpoint.classes),
    }
    if clips:
        if other is not None:
            raise ParameterError(
                f"{other.root} is not the data set of {checkpoint.name}; score it, or name clips, not both"
            )
        names, files = _loose(clips, root=checkpoint.material.dataset.root)
        images = images_of(files, checkpoint.material.settings)
        probabilities = _probabilities(checkpoint, images, np.arange(len(files)), device=where)
        rows = [_named_row(name, row, checkpoint.classes) for name, row in zip(names, probabilities, strict=True)]
        params |= {"clips": names, "labels": None}
        return Record("eval", params, rows, about, {"probabilities": probabilities})
    if other is not None:
        dataset = other
        unknown = sorted(set(dataset.classes) - set(checkpoint.classes))
        if unknown:
            raise DataError(
                f"{dataset.root} has classes that {checkpoint.name} does not know: {', '.join(unknown[:5])}"
            )
        images = load_images(dataset, checkpoint.material.settings, progress=progress).array
        index, scored = np.arange(len(dataset.clips)), "all"
        about["data"] = dataset.describe()
        n_seen = _n_seen(dataset, checkpoint)
    else:
        dataset, images = checkpoint.material.dataset, checkpoint.material.images.array
        index, scored = checkpoint.held_out, f"fold {checkpoint.fold}"
        n_seen = None
    probabilities = _probabilities(checkpoint, images, index, device=where)
    found = Predictions(
        clips=tuple(dataset.clips[i].path for i in index),
        labels=tuple(dataset.clips[i].label for i in index),
        classes=checkpoint.classes,
        probabilities=probabilities,
    )
    low, high = accuracy_interval(found.correct, [dataset.clips[i].group for i in index])
    row = {
        "run": checkpoint.name,
        "clips": scored,
        "accuracy": found.n_correct / len(index),
        "n": len(index),
        "ci_low": low,
        "ci_high": high,
        "n_seen": n_seen,
    }
    params |= {"clips": list(found.clips), "labels": list(found.labels), **INTERVALS}
    arrays = {"probabilities": probabilities, "confusion": _confusion(found)[None]}
    return Record("eval", params, [row], about, arrays)


def predictions_of(record: Record) -> Predictions:
    """Return the table of predictions that an ``eval`` record holds; unknown labels are empty."""
    clips = tuple(record.params["clips"])
    return Predictions(
        clips=clips,
        labels=tuple(record.params["labels"] or [""] * len(clips)),
        classes=tuple(record.params["classes"]),
        probabilities=record.arrays["probabilities"].astype(np.float64),
    )


def _open(
    ckpt: Path | str | Run, *, data: Path | str | None, options: FileOptions | None, progress: bool | None
) -> tuple[Checkpoint, Dataset | None]:
    """Return the checkpoint, and the data set to score where it is not the checkpoint's own."""
    if data is None or (not isinstance(ckpt, Run) and Path(ckpt).is_file()):
        return open_checkpoint(ckpt, data=data, options=options, progress=progress), None
    run = ckpt if isinstance(ckpt, Run) else Run.load(ckpt)
    dataset = _open_other(Path(data), run)
    if dataset.content_hash == run.source.hash:
        return open_checkpoint(run, data=data, progress=progress), None
    return open_checkpoint(run, progress=progress), dataset


def _open_other(path: Path, run: Run) -> Dataset:
    """Open a data set as a run's own; else without its folds, which may be of other clips; else as another layout.

    Dropped options are told. Where nothing helps, the error is the one of the run's own layout.
    """
    given = run.source.options_now
    own_layout = dataclasses.replace(given, folds_file=None)
    any_layout = DataOptions(**{name: getattr(given, name) for name in _OF_ANY_LAYOUT})
    wrong: DataError | ParameterError | None = None
    for options in dict.fromkeys((given, own_layout, any_layout)):
        try:
            dataset = open_dataset(path, options, channel=run.config.image.channel)
        except (DataError, ParameterError) as error:
            wrong = error if options in (given, own_layout) or wrong is None else wrong
            continue
        if dropped := sorted(given.given().keys() - options.given().keys()):
            _log.warning("%s is read without %s of %s: %s", path, ", ".join(dropped), run.name, wrong)
        return dataset
    assert wrong is not None  # one was tried at least
    raise wrong


def _n_seen(dataset: Dataset, checkpoint: Checkpoint) -> int:
    """Return how many clips of another data set lie in files that the network was trained on."""
    own = checkpoint.material.dataset
    train_index, _ = own.split(checkpoint.fold)
    inner_fold = None if checkpoint.run is None else checkpoint.run.config.inner_fold
    trained_on = {own.file_hashes[i] for i in train_index if own.clips[i].fold != inner_fold}
    n_seen = sum(file_hash in trained_on for file_hash in dataset.file_hashes)
    if n_seen:
        _log.warning(
            "%d of the %d clips of %s are in files that %s was trained on",
            n_seen,
            len(dataset.clips),
            dataset.root,
            checkpoint.name,
        )
    return n_seen


def _loose(clips: Sequence[Path | str], *, root: Path) -> tuple[list[str], list[Path]]:
    """Return the names for the record, and the files, of clips given as any file or as a path in the data set."""
    names, files = [], []
    for clip in clips:
        in_set = not Path(clip).is_file() and inside(root, str(clip)) is not None and (root / clip).is_file()
        names.append(Path(clip).as_posix() if in_set else Path(clip).name)
        files.append(root / clip if in_set else Path(clip))
    return names, files


def _probabilities(
    checkpoint: Checkpoint, images: np.ndarray, index: np.ndarray, *, device: torch.device
) -> np.ndarray:
    model = set_up_for_speed(checkpoint.after(), device=device)
    logits = predict(model, images, index, standardise=checkpoint.standardise, device=device)
    return np.asarray(torch.softmax(logits.double(), dim=1).numpy())


def _named_row(clip: str, probabilities: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    column = int(probabilities.argmax())
    return {
        "clip": clip,
        "predicted": classes[column],
        "probability": float(probabilities[column]),
        "accuracy": None,
        "n": None,
        "ci_low": None,
        "ci_high": None,
    }


def _confusion(found: Predictions) -> np.ndarray:
    position = {name: i for i, name in enumerate(found.classes)}
    counts = np.zeros((len(found.classes), len(found.classes)), np.float32)
    for true, said in zip(found.labels, found.predicted, strict=True):
        counts[position[true], position[said]] += 1
    return counts
