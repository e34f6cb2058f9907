"""One training step, up to its gradients: augment, forward, loss, backward.

On a GPU a step of a small batch is bound by the launches of its thousands of small kernels, not by their
arithmetic: so the kernels are recorded once for each batch size, in a CUDA graph, and launched together.
The optimiser stays outside: its schedules change numbers that a graph would freeze.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

import torch
from torch import nn

from tlprobe.data.augment import Augment, mixed_loss

__all__ = ["EagerStep", "GraphStep", "Result", "Step", "record_cuda_graph"]

Draws: TypeAlias = Mapping[str, torch.Tensor]
Result: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""Loss summed over the clips of the batch, and how many of them were right: both float64, on the device."""

_WARM_UP = 3  # runs before a recording, as torch.cuda.make_graphed_callables does


class Step(Protocol):
    """Set the gradients of a network from one batch."""

    def __call__(self, images: torch.Tensor, draws: Draws, target: torch.Tensor, *, weight: float) -> Result:
        """Return the loss and the number right; see `EagerStep`."""


@dataclasses.dataclass(frozen=True)
class EagerStep:
    """The step as PyTorch runs it, kernel by kernel.

    Parameters
    ----------
    model : nn.Module
        Its gradients are replaced by those of the batch.
    augment : Augment
        Makes standardised images of raw ones.
    label_smoothing : float in [0, 1)
        Of the loss.
    precision : torch.dtype
        Of matrix products and convolutions.
    scaler : torch.amp.GradScaler
        Scales the loss, for float16; else it is disabled and does nothing.
    """

    model: nn.Module
    augment: Augment
    label_smoothing: float
    precision: torch.dtype
    scaler: torch.amp.GradScaler

    def __call__(self, images: torch.Tensor, draws: Draws, target: torch.Tensor, *, weight: float) -> Result:
        """Compute loss and gradients of one batch.

        Parameters
        ----------
        images : torch.Tensor [shape=(batch, 3, n_mels, width)]
            Raw images.
        draws : mapping of str to torch.Tensor
            Of `tlprobe.data.augment.draw`, for these clips.
        target : torch.Tensor [shape=(batch,), int64]
            Classes.
        weight : float
            Of this batch's mean loss in the gradients: 1, but for a part of a batch that processes share.
        """
        for parameter in self.model.parameters():
            parameter.grad = None
        x = self.augment(images, draws).contiguous(memory_format=torch.channels_last)
        lam = draws.get("mixup")
        with torch.autocast(x.device.type, dtype=self.precision, enabled=self.precision is not torch.float32):
            logits = self.model(x)
        loss = mixed_loss(logits.float(), target, lam, label_smoothing=self.label_smoothing)
        self.scaler.scale(loss * weight if weight != 1 else loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach().double() * len(target), _n_right(logits.detach(), target, lam)


class GraphStep:
    """The same step, recorded once for each batch size and then launched as a whole.

    Parameters
    ----------
    step : Step
        What is recorded.
    model : nn.Module
        Whose gradients it sets.
    record : callable
        Runs a function and returns a replay of it: `record_cuda_graph`, or a stand-in without a GPU.
    """

    def __init__(self, step: Step, model: nn.Module, *, record: Callable[[Callable[[], Result]], "Replay"]) -> None:
        self._step, self._model, self._record = step, model, record
        self._recorded: dict[tuple[int, float], _Recorded] = {}

    def __call__(self, images: torch.Tensor, draws: Draws, target: torch.Tensor, *, weight: float) -> Result:
        """Compute loss and gradients of one batch; see `EagerStep`."""
        key = (len(target), weight)
        if key not in self._recorded:
            self._recorded[key] = self._make(images, draws, target, weight)
        recorded = self._recorded[key]
        recorded.images.copy_(images)
        recorded.target.copy_(target)
        for name, values in draws.items():
            recorded.draws[name].copy_(values)
        recorded.replay()
        for parameter, gradient in zip(self._model.parameters(), recorded.gradients, strict=True):
            parameter.grad = gradient
        return recorded.result

    def _make(self, images: torch.Tensor, draws: Draws, target: torch.Tensor, weight: float) -> "_Recorded":
        """Record the step on buffers of its own; the network's statistics stay as they were."""
        buffers = (images.clone(), {name: values.clone() for name, values in draws.items()}, target.clone())
        statistics = [(buffer, buffer.clone()) for buffer in self._model.buffers()]
        with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):  # dropout drew as well
            replay = self._record(lambda: self._step(*buffers, weight=weight))
        gradients = tuple(parameter.grad for parameter in self._model.parameters())
        for buffer, before in statistics:
            buffer.copy_(before)
        return _Recorded(*buffers, replay=replay, result=replay.result, gradients=gradients)


class Replay(Protocol):
    """Something recorded: calling it does it again, into the same `result`."""

    result: Result

    def __call__(self) -> None:
        """Do it again."""


@dataclasses.dataclass(frozen=True)
class _Recorded:
    images: torch.Tensor
    draws: dict[str, torch.Tensor]
    target: torch.Tensor
    replay: Replay
    result: Result
    gradients: tuple[torch.Tensor | None, ...]


class _CudaReplay:
    def __init__(self, graph: torch.cuda.CUDAGraph, result: Result) -> None:
        self._graph, self.result = graph, result

    def __call__(self) -> None:
        self._graph.replay()


def record_cuda_graph(call: Callable[[], Result]) -> Replay:
    """Record what `call` launches on the GPU.

    It runs some times before, on a stream of its own, so that libraries choose their kernels; what it changes
    besides its result and the gradients, the caller has to put back.
    """
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = call()
    return _CudaReplay(graph, result)


def _n_right(logits: torch.Tensor, target: torch.Tensor, lam: torch.Tensor | None) -> torch.Tensor:
    """Count the clips whose highest output is their class; of a mixed image, each class by its share."""
    found = logits.argmax(1)
    right = (found == target).double()
    if lam is not None:
        right = lam * right + (1 - lam) * (found == target.flip(0)).double()
    return right.sum()
