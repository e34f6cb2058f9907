"""The end of a training: final weights, predictions, the record."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from tlprobe.data.leaks import leaked_clips
from tlprobe.manifest import entry_of
from tlprobe.numerics.intervals import INTERVALS, accuracy_interval
from tlprobe.records import Record, provenance
from tlprobe.train.config import FitConfig
from tlprobe.train.held_out import HELD_OUT, HeldOut
from tlprobe.train.keeper import Keeper
from tlprobe.train.loop import Trainer
from tlprobe.train.material import Material
from tlprobe.train.predictions import Predictions
from tlprobe.train.run import state_bytes
from tlprobe.train.setting import EpochResult
from tlprobe.train.states import discard_states

__all__ = ["finish"]


def finish(trainer: Trainer, keeper: Keeper, *, config: FitConfig, material: Material) -> None:
    """Score the held-out clips, write what a finished run has, and drop its resume states.

    ``record.json`` comes last: where it is, the rest is.
    """
    dataset, split = material.dataset, trainer.split
    index = split.held_out_index
    logits = trainer.predict(index)  # by all processes
    if trainer.setting.processes.rank > 0:
        return
    predictions = Predictions(
        clips=tuple(dataset.clips[i].path for i in index),
        labels=tuple(dataset.clips[i].label for i in index),
        classes=config.classes,
        probabilities=functional.softmax(logits.double(), dim=1).numpy(),
    )
    held_out = HeldOut(
        clips=predictions.clips,
        groups=tuple(dataset.clips[i].group for i in index),
        labels=dataset.labels[index],
        logits=np.stack(keeper.held_out),
        inner_accuracy=_inner(keeper.history),
    )
    n = len(index)
    low, high = accuracy_interval(predictions.correct, held_out.groups)
    best = max(keeper.history, key=lambda result: result.held_out_accuracy)
    weights = list(trainer.model.parameters())
    row = {
        "backbone": config.backbone,
        "init": config.init,
        "treatment": config.treatment,
        "blocks": "+".join(config.blocks) or None,
        "rest": config.rest,
        "partition": None if config.partition is None else str(config.partition),
        "fold": config.fold,
        "seed": config.seed,
        "epochs": config.recipe.epochs,
        "accuracy": predictions.n_correct / n,
        "ci_low": low,
        "ci_high": high,
        "best_accuracy": best.held_out_accuracy,
        "best_epoch": best.epoch,
        "cross_fitted_accuracy": _mean(held_out.scores("cross_fitted")),
        "inner_fold": config.inner_fold,
        "inner_accuracy": keeper.history[-1].inner_accuracy,
        "inner_chosen_accuracy": _mean(held_out.scores("inner_chosen")),
        "n": n,
        "n_train": len(split.train_index),
        "n_leaked": len(leaked_clips(dataset, material.leaks, config.fold)),
        "n_padded": material.images.n_padded,
        "n_cropped": material.images.n_cropped,
        "n_silent": material.images.n_silent,
        "n_cancelled": material.images.n_cancelled,
        "n_weights": sum(weight.numel() for weight in weights),
        "n_trained": sum(weight.numel() for weight in weights if weight.requires_grad),
        "duration_s": sum(result.duration_s for result in keeper.history),
    }
    history = [result.row() for result in keeper.history]
    setting = trainer.setting
    about = provenance(
        data=dataset.describe(),
        device=str(setting.device),
        precision=str(setting.precision).removeprefix("torch."),
        n_threads=torch.get_num_threads(),
        n_processes=setting.processes.n,
        stored_prefix=split.after,
        batch_norm="statistics of each process's part" if setting.processes.n > 1 else "statistics of the whole batch",
    )
    params = {**config.model_dump(mode="json"), "history": history, **INTERVALS}
    record = Record(probe="fit", params=params, rows=[row], provenance=about)
    result = record.files()
    keeper.files |= {name: entry_of(data) for name, data in result.items()}
    keeper.write(
        {
            "weights.safetensors": state_bytes(trainer.model.original_state()),
            "best.safetensors": keeper.best,
            "history.csv": (keeper.out / "history.csv").read_bytes(),
            "predictions.csv": predictions.to_csv().encode(),
            HELD_OUT: held_out.to_bytes(),
        }
    )
    record.save(keeper.out)
    discard_states(keeper.out)


def _inner(history: Sequence[EpochResult]) -> tuple[float, ...] | None:
    """Return each epoch's accuracy on the inner fold; None where there is none."""
    found = tuple(result.inner_accuracy for result in history if result.inner_accuracy is not None)
    return found or None


def _mean(scores: npt.NDArray[np.float64]) -> float | None:
    mean = float(scores.mean())
    return mean if np.isfinite(mean) else None
