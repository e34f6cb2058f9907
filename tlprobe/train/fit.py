"""Fine-tune one network on one split, into a run directory.

`fit` is what a user calls. `fit_network` trains a network that is ready, whatever was done to it, and
is what every sweep is made of.
"""

import csv
import dataclasses
import logging
import shutil
from pathlib import Path

import torch
from torch.nn import functional

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.data.loader import Standardiser, channel_statistics
from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.files import lock_folder, write_atomic
from tlprobe.numerics.intervals import wilson_interval
from tlprobe.records import Record, provenance, table_csv
from tlprobe.train.config import FitConfig
from tlprobe.train.kept import KeepEpochs, epoch_file, epochs_to_keep, require_kept
from tlprobe.train.loop import EpochResult, Trainer, predict, resolve_device
from tlprobe.train.material import FitOptions, Material, prepare
from tlprobe.train.predictions import Predictions
from tlprobe.train.recipe import load_recipe
from tlprobe.train.run import Run, is_finished, read_config, read_standardiser, write_config, write_state

__all__ = ["fit", "fit_network"]

_log = logging.getLogger(__name__)

_RUN_FILES = (
    "record.json",  # first: without it the run counts as unfinished
    "record.csv",
    "resume.pt",
    "weights.safetensors",
    "best.safetensors",
    "init.safetensors",
    "history.csv",
    "predictions.csv",
    "config.json",
)


def fit(
    options: FitOptions | None = None,
    *,
    out: Path | str,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    keep_epochs: KeepEpochs = (),
    progress: bool | None = None,
) -> Run:
    """Fine-tune a network on all folds but one, and score it on that one.

    Parameters
    ----------
    options : FitOptions, optional
        Data, network, weights, fold, seed, recipe; default: the built-in clips and the quick recipe.
    out : path
        The run directory.
    device : {"auto", "cpu", "cuda"}
        Where.
    resume : bool
        Go on after the last finished epoch of an unfinished run.
    overwrite : bool
        Replace the run that `out` holds.
    keep_epochs : sequence of int in [1, the recipe's epochs], or "all"
        Epochs after which the state is kept, for `Run.model`.
    progress : bool or None
        None shows bars on a terminal only.

    Returns
    -------
    run : Run
        Its record's row has the accuracy of the last epoch, with its Wilson interval.

    Raises
    ------
    ParameterError, DataError, CheckpointError, DivergedError, ResourceError
        For wrong values, unusable data, unusable weights, a loss that is not finite, a full disk.
    """
    where = resolve_device(device)
    options = options or FitOptions()
    recipe = load_recipe(options.recipe, changes=options.changes)
    keep = epochs_to_keep(keep_epochs, epochs=recipe.epochs)  # checked here: the images may take minutes
    prepared = prepare(options, progress=progress)
    return fit_network(
        prepared.model,
        config=prepared.config,
        material=prepared.material,
        out=Path(out),
        device=where,
        resume=resume,
        overwrite=overwrite,
        keep_epochs=keep,
        progress=progress,
    )


def fit_network(
    model: BlockedCNN,
    *,
    config: FitConfig,
    material: Material,
    out: Path,
    device: torch.device,
    resume: bool = False,
    overwrite: bool = False,
    keep_epochs: KeepEpochs = (),
    progress: bool | None = None,
) -> Run:
    """Train a network that is ready (started, cut, frozen) and leave a run directory.

    A finished run of the same `config` in `out` is returned as it is.

    Raises
    ------
    ParameterError
        If `out` holds a run of another `config`, or an unfinished one and `resume` is false, or one that
        is past an epoch of `keep_epochs` without having kept it.
    """
    keep = epochs_to_keep(keep_epochs, epochs=config.recipe.epochs)
    with lock_folder(out):
        if overwrite:
            _clear(out)
        unfinished = _look_at(out, config, resume=resume)
        if not unfinished and is_finished(out):
            require_kept(out, keep, reached=config.recipe.epochs, epochs=config.recipe.epochs)
            _log.info("%s is finished; nothing to do", out)
            return Run.load(out)
        train_index, held_out_index = material.dataset.split(config.fold)
        if unfinished:
            standardise = read_standardiser(out)
        elif config.recipe.normalize == "channel":
            standardise = channel_statistics(material.images.array, train_index)
        else:
            standardise = Standardiser()
        trainer = Trainer(
            model,
            images=material.images.array,
            labels=material.dataset.labels,
            train_index=train_index,
            held_out_index=held_out_index,
            standardise=standardise,
            recipe=config.recipe,
            seed=config.seed,
            device=device,
        )
        history: list[EpochResult] = []
        if unfinished:
            file = out / "resume.pt"
            trainer.restore(file.read_bytes(), source=str(file))
            history = _read_history(out / "history.csv", trainer.epoch)
            require_kept(out, keep, reached=trainer.epoch, epochs=config.recipe.epochs)
            _log.info("%s: going on after epoch %d", out, trainer.epoch)
        else:
            write_state(out / "init.safetensors", model.original_state())
            write_config(out, config, source=material.source, standardise=standardise)
        _run_epochs(trainer, history, out=out, keep=keep, progress=progress)
        _finish(trainer, history, config=config, material=material, out=out)
        return Run.load(out)


def _look_at(out: Path, config: FitConfig, *, resume: bool) -> bool:
    """Return whether `out` holds an unfinished run of `config` to go on with."""
    if not (out / "config.json").is_file():
        if (out / "record.json").is_file():
            raise ParameterError(f"{out} holds the result of another verb; give another --out, or --overwrite")
        return False
    found = read_config(out).get("config")
    wanted = config.model_dump(mode="json")
    if found != wanted:
        differing = [name for name in wanted if not isinstance(found, dict) or found.get(name) != wanted[name]]
        state = "a finished run" if is_finished(out) else "an unfinished run"
        raise ParameterError(
            f"{out} holds {state} with other {', '.join(differing)}; give another --out or --overwrite"
        )
    if is_finished(out):
        return False
    if not (out / "resume.pt").is_file():  # stopped before the first epoch was over
        return False
    if not resume:
        raise ParameterError(f"{out} holds an unfinished run; go on with it by --resume, or start again by --overwrite")
    return True


def _run_epochs(
    trainer: Trainer, history: list[EpochResult], *, out: Path, keep: tuple[int, ...], progress: bool | None
) -> None:
    epochs = trainer.recipe.epochs
    if trainer.epoch < epochs:
        seconds = trainer.time_step() * trainer.n_steps * (epochs - trainer.epoch)
        _log.info("about %.0f min for %d epochs on %s", max(1, seconds / 60), epochs - trainer.epoch, trainer.device)
    best = max((result.held_out_accuracy for result in history), default=-1.0)
    while trainer.epoch < epochs:
        result = trainer.run_epoch(progress=progress)
        history.append(result)
        left = sum(item.duration_s for item in history) / len(history) * (epochs - result.epoch)
        _log.info(
            "epoch %d/%d: loss %.3f, training accuracy %.1f %%, held-out accuracy %.1f %%, %.0f s left",
            result.epoch,
            epochs,
            result.train_loss,
            100 * result.train_accuracy,
            100 * result.held_out_accuracy,
            left,
        )
        if result.held_out_accuracy > best:
            best = result.held_out_accuracy
            write_state(out / "best.safetensors", trainer.model.original_state())
        if result.epoch in keep:
            write_state(epoch_file(out, result.epoch), trainer.model.original_state())
        write_atomic(out / "history.csv", table_csv([dataclasses.asdict(item) for item in history]))
        write_atomic(out / "resume.pt", trainer.state())  # last: it says that the epoch is over


def _finish(trainer: Trainer, history: list[EpochResult], *, config: FitConfig, material: Material, out: Path) -> None:
    dataset, index = material.dataset, trainer.held_out_index
    logits = predict(trainer.model, trainer.images, index, standardise=trainer.standardise, device=trainer.device)
    predictions = Predictions(
        clips=tuple(dataset.clips[i].path for i in index),
        labels=tuple(dataset.clips[i].label for i in index),
        classes=config.classes,
        probabilities=functional.softmax(logits.double(), dim=1).numpy(),
    )
    write_state(out / "weights.safetensors", trainer.model.original_state())
    write_atomic(out / "predictions.csv", predictions.to_csv())
    n = len(index)
    low, high = wilson_interval(predictions.n_correct, n)
    best = max(history, key=lambda result: result.held_out_accuracy)
    row = {
        "backbone": config.backbone,
        "init": config.init,
        "treatment": config.treatment,
        "block": config.block,
        "fold": config.fold,
        "seed": config.seed,
        "epochs": config.recipe.epochs,
        "accuracy": predictions.n_correct / n,
        "ci_low": low,
        "ci_high": high,
        "best_accuracy": best.held_out_accuracy,
        "best_epoch": best.epoch,
        "n": n,
        "n_train": len(trainer.train_index),
        "n_padded": material.images.n_padded,
        "n_cropped": material.images.n_cropped,
        "n_silent": material.images.n_silent,
        "n_weights": sum(weight.numel() for weight in trainer.model.parameters()),
        "n_trained": sum(weight.numel() for weight in trainer.model.parameters() if weight.requires_grad),
        "duration_s": sum(result.duration_s for result in history),
    }
    params = {**config.model_dump(mode="json"), "history": [dataclasses.asdict(result) for result in history]}
    about = provenance(
        data=dataset.describe(),
        device=str(trainer.device),
        n_threads=torch.get_num_threads(),
    )
    Record(probe="fit", params=params, rows=[row], provenance=about).save(out)
    (out / "resume.pt").unlink(missing_ok=True)


def _read_history(file: Path, epoch: int) -> list[EpochResult]:
    types = {field.name: int if field.name == "epoch" else float for field in dataclasses.fields(EpochResult)}
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = [{name: types[name](value) for name, value in row.items()} for row in csv.DictReader(lines)]
        history = [EpochResult(**row) for row in rows if row["epoch"] <= epoch]  # type: ignore[arg-type]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{file} is missing or damaged: {error}") from error
    if [result.epoch for result in history] != list(range(1, epoch + 1)):
        raise CheckpointError(f"{file} lacks epochs: the run stopped after epoch {epoch}")
    return history


def _clear(out: Path) -> None:
    for name in _RUN_FILES:
        (out / name).unlink(missing_ok=True)
    shutil.rmtree(out / "epochs", ignore_errors=True)
