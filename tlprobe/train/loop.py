"""The training loop: one network, one split, one recipe.

Nothing here parses options, knows folders or draws. Randomness is a function of (seed, purpose, epoch,
step), so the state after a step is the weights, the optimiser and the losses of the epoch so far, and
nothing else.
"""

import dataclasses
import io
import math
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.halves import RestOf
from tlprobe.data.augment import Augment, Augmentation
from tlprobe.errors import CheckpointError, DivergedError
from tlprobe.numerics.seeds import derive_seed
from tlprobe.train.device import set_up_for_speed
from tlprobe.train.optimise import make_optimizer, make_schedule
from tlprobe.train.plan import EpochPlan, plan_epoch
from tlprobe.train.predict import predict
from tlprobe.train.recipe import Recipe
from tlprobe.train.setting import EpochResult, Setting, Split
from tlprobe.train.step import EagerStep, GraphStep, Result, Step, record_cuda_graph
from tlprobe.train.step_results import StepResults
from tlprobe.train.store import ImageStore

__all__ = ["Epoch", "Trainer"]

_CHECK_EVERY = {"cpu": 1, "cuda": 20}  # steps between looks at the losses: each look makes the GPU wait


@dataclasses.dataclass(frozen=True)
class Epoch:
    """An epoch that was drawn.

    Parameters
    ----------
    plan : EpochPlan
    rows : list of torch.Tensor
        Of each step, where the image store wants them.
    """

    plan: EpochPlan
    rows: list[torch.Tensor]


class Trainer:
    """Train a network epoch by epoch, step by step.

    Parameters
    ----------
    model : BlockedCNN
        Trained in place. What is frozen in it stays frozen.
    split : Split
        Its data.
    recipe : Recipe
        How to train.
    seed : int
        Reaches every draw.
    setting : Setting
        Where.
    white_noise : torch.Tensor, optional
        The image of white noise, where the recipe adds noise.

    Attributes
    ----------
    epoch, step : int
        Finished epochs, and finished steps of the next one.
    n_steps : int
        Steps of an epoch.
    held_out_logits : torch.Tensor [shape=(n_held_out, n_classes), float32, on the CPU]
        After the last epoch that this process finished; empty before.
    """

    def __init__(
        self,
        model: BlockedCNN,
        *,
        split: Split,
        recipe: Recipe,
        seed: int,
        setting: Setting,
        white_noise: torch.Tensor | None = None,
    ) -> None:
        self.model = set_up_for_speed(model, device=setting.device)
        self.split, self.recipe, self.seed, self.setting = split, recipe, seed, setting
        self.n_steps = -(-len(split.train_index) // recipe.batch_size)
        self.optimizer = make_optimizer(self.model, recipe)
        self.schedule = make_schedule(self.optimizer, recipe, n_steps=self.n_steps)
        device = setting.device
        self.scaler = torch.amp.GradScaler(device.type, enabled=setting.precision is torch.float16)
        self.epoch = self.step = 0
        self.held_out_logits = torch.empty(0)
        self._results = StepResults(self.n_steps, device=device)
        self._elapsed_s = 0.0  # of the epoch in progress, before this process
        self._began = time.perf_counter()
        self._store = ImageStore(split.views, device=device)
        # What is left to do to a batch, and what of the network it goes through.
        self._augmentation = recipe.augmentation if split.after is None else Augmentation()
        self._network: nn.Module = self.model if split.after is None else RestOf(self.model, after=split.after)
        self._augment = Augment(
            self._augmentation, standardise=split.standardise, white_noise=white_noise, device=device
        )
        self._compute = self._make_step()

    def _make_step(self) -> Step:
        setting = self.setting
        network = self._network
        if setting.compiled:
            network = torch.compile(network)  # type: ignore[assignment]
        if setting.processes.n > 1:
            network = DistributedDataParallel(network, broadcast_buffers=False)
        step = EagerStep(network, self._augment, self.recipe.label_smoothing, setting.precision, self.scaler)
        if setting.device.type != "cuda" or setting.processes.n > 1 or self.scaler.is_enabled():
            return step
        return GraphStep(step, self.model, record=record_cuda_graph)

    def state(self) -> bytes:
        """Return all that the next step depends on, as ``torch.save`` bytes.

        Raises
        ------
        DivergedError
            If a loss or a weight is not finite: such a state is of no use.
        """
        self.check_losses()
        model = self.model.state_dict()
        broken = [name for name, tensor in model.items() if not bool(tensor.isfinite().all())]
        if broken:
            raise DivergedError(
                f"{len(broken)} tensors of the network are not finite after step {self.step} of epoch "
                f"{self.epoch + 1}, the first is {broken[0]}; try another --lr"
            )
        parts = {
            "epoch": self.epoch,
            "step": self.step,
            "model": model,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "results": self._results.state(),
            "elapsed_s": self._elapsed() if self.step else 0.0,
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
            parts = torch.load(io.BytesIO(state), map_location=self.setting.device, weights_only=True)
            self.model.load_state_dict(parts["model"])
            self.optimizer.load_state_dict(parts["optimizer"])
            self.schedule.load_state_dict(parts["schedule"])
            self.scaler.load_state_dict(parts["scaler"])
            self._elapsed_s = float(parts["elapsed_s"])
            self.epoch, self.step = int(parts["epoch"]), int(parts["step"])
            self._results.restore(parts["results"], step=self.step)
        except Exception as error:  # torch.load documents no list; whatever it raises, the file is unusable
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(f"{source} cannot be resumed from: {type(error).__name__}: {reason}") from error

    def run_epoch(self, *, on_step: Callable[[], None] = lambda: None) -> EpochResult:
        """Train one epoch, or the rest of it, and score the held-out clips.

        Parameters
        ----------
        on_step : callable
            Called after each step but an epoch's last; may save `state`, and may raise to end the training.

        Returns
        -------
        result : EpochResult
            Its duration includes what a process before this one did of the epoch, up to the state it left.

        Raises
        ------
        DivergedError
            If a loss is not finite; names epoch, step, learning rate and clips.
        """
        self._began = time.perf_counter()
        self.train_epoch(self.begin_epoch(), on_step=on_step)
        lr = self._results.rates[0]
        train_loss, train_accuracy = self.so_far()
        self.held_out_logits = self.predict(self.split.held_out_index)
        held_out_loss, held_out_accuracy = self._score(self.split.held_out_index, self.held_out_logits, lr=lr)
        inner: tuple[float | None, float | None] = (None, None)
        if len(index := self.split.inner_index):
            inner = self._score(index, self.predict(index), lr=lr)
        duration_s = self._elapsed()
        self.epoch, self.step, self._elapsed_s = self.epoch + 1, 0, 0.0
        return EpochResult(
            epoch=self.epoch,
            lr=lr,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            held_out_loss=held_out_loss,
            held_out_accuracy=held_out_accuracy,
            duration_s=duration_s,
            inner_loss=inner[0],
            inner_accuracy=inner[1],
        )

    def _score(self, index: np.ndarray, logits: torch.Tensor, *, lr: float) -> tuple[float, float]:
        """Return mean loss and accuracy of clips that were not trained on."""
        target = torch.from_numpy(self.split.labels[index])
        loss = functional.cross_entropy(logits, target).item()
        if not math.isfinite(loss):
            raise DivergedError(f"the loss on the held-out clips is {loss} after epoch {self.epoch + 1}, lr {lr:g}")
        return loss, (logits.argmax(1) == target).double().mean().item()

    def plan(self, epoch: int) -> EpochPlan:
        """Draw what an epoch will do."""
        split, views = self.split, self.split.views
        return plan_epoch(
            split.train_index,
            split.labels,
            augmentation=self._augmentation,
            batch_size=self.recipe.batch_size,
            n_clips=len(views[0]),
            n_views=len(views),
            image_shape=views[0].shape[1:],
            seed=self.seed,
            epoch=epoch,
            device=self.setting.device,
            stored=split.stored,
            processes=self.setting.processes,
        )

    def predict(self, index: np.ndarray) -> torch.Tensor:
        """Return the logits of some clips, as `tlprobe.train.predict.predict`, all processes sharing the work."""
        return predict(
            self._network,
            self.split.views[0],
            index,
            standardise=self.split.standardise,
            device=self.setting.device,
            processes=self.setting.processes,
        )

    def so_far(self) -> tuple[float, float]:
        """Return mean loss and accuracy over the clips of the epoch's finished steps."""
        n = sum(len(batch) for batch in np.array_split(self.split.train_index, self.n_steps)[: self.step])
        return self._results.means(n_steps=self.step, n_clips=n)

    def _elapsed(self) -> float:
        return self._elapsed_s + time.perf_counter() - self._began

    def close(self) -> None:
        """Let go of the thread that reads images ahead."""
        self._store.close()

    def begin_epoch(self) -> Epoch:
        """Draw the epoch that comes, and put the network in training mode."""
        self.model.train()
        self._results.begin(self.step)
        plan = self.plan(self.epoch + 1)
        rows = self._store.place(plan.rows)
        return Epoch(plan, [rows[where] for where in plan.steps])

    def batch(self, epoch: Epoch, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor, float]:
        """Return a step's raw images, draws and classes, on the device, and its weight in the gradients."""
        plan, where = epoch.plan, epoch.plan.steps[step]
        following = epoch.rows[step + 1] if step + 1 < self.n_steps else None
        images = self._store.take(epoch.rows[step], following=following)
        draws = {name: values[where] for name, values in plan.draws.items()}
        weight = (where.stop - where.start) * self.setting.processes.n / plan.n_together[step]
        return images, draws, plan.target[where], weight

    def one_step(
        self, images: torch.Tensor, draws: dict[str, torch.Tensor], target: torch.Tensor, weight: float
    ) -> Result:
        """Train on one batch, as `batch` returns it; the loss and the number right stay on the device."""
        result = self._compute(images, draws, target, weight=weight)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        return result

    def train_epoch(self, epoch: Epoch, *, on_step: Callable[[], None] = lambda: None) -> None:
        """Take the steps of an epoch that are left."""
        processes, device = self.setting.processes, self.setting.device
        every = _CHECK_EVERY[device.type]
        rank = (processes.rank,) if processes.rank else ()  # else each process would drop the same units
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            while self.step < self.n_steps:
                step = self.step
                torch.manual_seed(derive_seed(self.seed, "dropout", self.epoch + 1, step, *rank))
                self._results.rates[step] = float(self.schedule.get_last_lr()[0])
                loss, right = self.one_step(*self.batch(epoch, step))
                self._results.put(step, loss=processes.sum_(loss), right=processes.sum_(right))
                self.step = step + 1
                if self.step % every == 0 or self.step == self.n_steps:
                    self.check_losses(epoch.plan)
                if self.step < self.n_steps:
                    on_step()

    def check_losses(self, plan: EpochPlan | None = None) -> None:
        """Look at the losses of the steps since the last look.

        Raises
        ------
        DivergedError
            At the first that is not finite.
        """
        bad = self._results.first_bad(self.step)
        if bad is not None:
            plan = plan or self.plan(self.epoch + 1)
            raise self._results.diverged(*bad, plan=plan, names=self.split.names, epoch=self.epoch + 1)
