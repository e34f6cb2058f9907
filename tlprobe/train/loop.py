"""The training loop: one network, one split, one recipe.

Nothing here parses options, knows folders or draws. Randomness is a function of (seed, purpose,
epoch, step), so the state after an epoch is the weights and the optimiser, and nothing else.
"""

import dataclasses
import io
import math
import time
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm.auto import tqdm

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.data.loader import Standardiser, epoch_order, image_batches, roll_time
from tlprobe.errors import CheckpointError, DivergedError, ParameterError
from tlprobe.numerics.seeds import derive_seed
from tlprobe.train.memory import keep_freed_memory
from tlprobe.train.recipe import Recipe

__all__ = ["EpochResult", "Trainer", "predict", "resolve_device", "set_up_for_speed"]

_EVAL_BATCH = 64
_SGD_MOMENTUM = 0.9  # He et al. 2016, section 3.4


@dataclasses.dataclass(frozen=True)
class EpochResult:
    """What one epoch gave: a row of ``history.csv``. Losses in nats, accuracies in [0, 1]."""

    epoch: int
    lr: float
    train_loss: float
    train_accuracy: float
    held_out_loss: float
    held_out_accuracy: float
    duration_s: float


class Trainer:
    """Train a network epoch by epoch.

    Parameters
    ----------
    model : BlockedCNN
        Trained in place. What is frozen in it stays frozen.
    images : np.ndarray [shape=(n_clips, 3, n_mels, width), float32]
        Log-mel images of the whole data set.
    labels : np.ndarray [shape=(n_clips,), int]
        Class indices.
    train_index, held_out_index : np.ndarray of int
        The split.
    standardise : Standardiser
        Applied to every image.
    recipe : Recipe
        How to train.
    seed : int
        Reaches every draw.
    device : torch.device
        Where.
    """

    def __init__(
        self,
        model: BlockedCNN,
        *,
        images: np.ndarray,
        labels: np.ndarray,
        train_index: np.ndarray,
        held_out_index: np.ndarray,
        standardise: Standardiser,
        recipe: Recipe,
        seed: int,
        device: torch.device,
    ) -> None:
        self.model = set_up_for_speed(model, device=device)
        self.images, self.labels = images, labels
        self.train_index, self.held_out_index = train_index, held_out_index
        self.standardise, self.recipe, self.seed, self.device = standardise, recipe, seed, device
        self.n_steps = len(epoch_order(train_index, batch_size=recipe.batch_size, seed=seed, epoch=1))
        self.optimizer = _optimizer(self.model, recipe)
        self.schedule = _schedule(self.optimizer, recipe, n_steps=self.n_steps)
        self.precision = _mixed_precision(device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision is torch.float16)
        self.epoch = 0

    def state(self) -> bytes:
        """Return all that the next epoch depends on, as ``torch.save`` bytes."""
        parts = {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        buffer = io.BytesIO()
        torch.save(parts, buffer)
        return buffer.getvalue()

    def restore(self, state: bytes, *, source: str) -> None:
        """Go on from `state`; `source` names it in errors.

        Raises
        ------
        CheckpointError
            If it is damaged or of another network.
        """
        try:
            parts = torch.load(io.BytesIO(state), map_location=self.device, weights_only=True)
            self.model.load_state_dict(parts["model"])
            self.optimizer.load_state_dict(parts["optimizer"])
            self.schedule.load_state_dict(parts["schedule"])
            self.scaler.load_state_dict(parts["scaler"])
            self.epoch = int(parts["epoch"])
        except Exception as error:  # torch.load documents no list; whatever it raises, the file is unusable
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(f"{source} cannot be resumed from: {type(error).__name__}: {reason}") from error

    def time_step(self) -> float:
        """Return the seconds of one training step, tried on copies; the network stays as it is."""
        backup = self.state()
        order = epoch_order(self.train_index, batch_size=self.recipe.batch_size, seed=self.seed, epoch=1)[:1]
        self._train(order, epoch=1, bar=None)  # the first pays for memory and kernels
        start = time.perf_counter()
        self._train(order, epoch=1, bar=None)
        duration = time.perf_counter() - start
        epoch = self.epoch
        # The optimiser's lazily made state must go too, or the first real step would see it.
        self.optimizer = _optimizer(self.model, self.recipe)
        self.schedule = _schedule(self.optimizer, self.recipe, n_steps=self.n_steps)
        self.restore(backup, source="the state before the time estimate")
        self.epoch = epoch
        return duration

    def run_epoch(self, *, progress: bool | None = None) -> EpochResult:
        """Train one epoch and score the held-out clips.

        Parameters
        ----------
        progress : bool or None
            True and False switch the bar; None shows it on a terminal only.

        Raises
        ------
        DivergedError
            If a loss is not finite; names epoch, step and learning rate.
        """
        epoch = self.epoch + 1
        start = time.perf_counter()
        lr = float(self.schedule.get_last_lr()[0])
        order = epoch_order(self.train_index, batch_size=self.recipe.batch_size, seed=self.seed, epoch=epoch)
        disable = None if progress is None else not progress
        with tqdm(total=len(order), desc=f"epoch {epoch}/{self.recipe.epochs}", leave=False, disable=disable) as bar:
            train_loss, train_accuracy = self._train(order, epoch=epoch, bar=bar)
        logits = predict(self.model, self.images, self.held_out_index, standardise=self.standardise, device=self.device)
        target = torch.from_numpy(self.labels[self.held_out_index])
        held_out_loss = functional.cross_entropy(logits, target).item()
        if not math.isfinite(held_out_loss):
            raise DivergedError(f"the loss on the held-out clips is {held_out_loss} after epoch {epoch}, lr {lr:g}")
        self.epoch = epoch
        return EpochResult(
            epoch=epoch,
            lr=lr,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            held_out_loss=held_out_loss,
            held_out_accuracy=(logits.argmax(1) == target).double().mean().item(),
            duration_s=time.perf_counter() - start,
        )

    def _train(self, order: list[np.ndarray], *, epoch: int, bar: "tqdm[Any] | None") -> tuple[float, float]:
        self.model.train()
        total_loss, n_correct, n_seen = 0.0, 0, 0
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            for step, (index, batch) in enumerate(zip(order, image_batches(self.images, order), strict=True)):
                torch.manual_seed(derive_seed(self.seed, "dropout", epoch, step))
                images = self.standardise(batch.to(self.device))  # (batch, 3, n_mels, width)
                if self.recipe.time_roll:
                    images = roll_time(images, seed=self.seed, epoch=epoch, step=step)
                target = torch.from_numpy(self.labels[index]).to(self.device)
                loss, logits = self._step(images.contiguous(memory_format=torch.channels_last), target)
                if not math.isfinite(loss):
                    lr = self.schedule.get_last_lr()[0]
                    raise DivergedError(
                        f"the loss is {loss} in epoch {epoch}, step {step + 1}, lr {lr:g}; try another --lr"
                    )
                total_loss += loss * len(index)
                n_correct += int((logits.argmax(1) == target).sum())
                n_seen += len(index)
                if bar is not None:
                    bar.set_postfix(loss=f"{total_loss / n_seen:.3f}", acc=f"{n_correct / n_seen:.3f}", refresh=False)
                    bar.update()
        return total_loss / n_seen, n_correct / n_seen

    def _step(self, images: torch.Tensor, target: torch.Tensor) -> tuple[float, torch.Tensor]:
        with torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision is not None):
            logits = self.model(images)
            loss = functional.cross_entropy(logits, target, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        return float(loss.item()), logits.detach()


def predict(
    model: nn.Module, images: np.ndarray, index: np.ndarray, *, standardise: Standardiser, device: torch.device
) -> torch.Tensor:
    """Return a network's logits for some clips, in evaluation mode.

    Parameters
    ----------
    model : nn.Module
        Takes standardised images; left in evaluation mode.
    images : np.ndarray [shape=(n_clips, 3, n_mels, width)]
        Log-mel images.
    index : np.ndarray of int
        Which of them, in this order.

    Returns
    -------
    logits : torch.Tensor [shape=(len(index), n_classes), float32, on the CPU]
    """
    model.eval()
    parts = []
    with torch.inference_mode():
        for batch in image_batches(images, np.array_split(index, -(-len(index) // _EVAL_BATCH))):
            x = standardise(batch.to(device)).contiguous(memory_format=torch.channels_last)
            parts.append(model(x).float().cpu())
    return torch.cat(parts)


def resolve_device(name: str) -> torch.device:
    """Return the device for ``"auto"`` (CUDA when there is one), ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ParameterError
        If it is not to be had.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ParameterError(f"device={name!r}; choose from auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ParameterError("device='cuda', but torch sees no CUDA device here; choose auto or cpu")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


def set_up_for_speed(model: BlockedCNN, *, device: torch.device) -> BlockedCNN:
    """Move `model` to `device` in channels-last layout, in place; on a CPU, let freed memory be kept.

    One step of ``efficientnet_lite0`` took 2.1 s, then 1.4 s in that layout, on two idle cores.
    """
    if device.type == "cpu":
        keep_freed_memory()
    return model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    if recipe.optimizer == "adam":
        return torch.optim.Adam(weights, lr=recipe.lr, weight_decay=recipe.weight_decay)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(weights, lr=recipe.lr, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(weights, lr=recipe.lr, weight_decay=recipe.weight_decay, momentum=_SGD_MOMENTUM)


def _schedule(
    optimizer: torch.optim.Optimizer, recipe: Recipe, *, n_steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    schedules = torch.optim.lr_scheduler
    if recipe.schedule == "onecycle":
        return schedules.OneCycleLR(optimizer, max_lr=recipe.lr, total_steps=recipe.epochs * n_steps + 1)
    if recipe.schedule == "step":
        return schedules.StepLR(optimizer, step_size=(recipe.step_epochs or 1) * n_steps, gamma=recipe.gamma)
    if recipe.schedule == "multistep":
        milestones = [epoch * n_steps for epoch in recipe.milestones]
        return schedules.MultiStepLR(optimizer, milestones=milestones, gamma=recipe.gamma)
    return schedules.ConstantLR(optimizer, factor=1.0)


def _mixed_precision(device: torch.device) -> torch.dtype | None:
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
