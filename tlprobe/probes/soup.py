"""Uniform weight soup: what does one network know whose weights are the mean of several runs' weights?

An ensemble of M runs costs M networks for each clip; their soup costs one. It works where the members left
one starting point and did not go far apart, so it is refused where they did not start from the same weights.
Two things differ from the paper. The heads start from different draws here (each run's own seed; the paper's
are all fine-tuned from one head), so they are less alike than the rest. Batch-norm statistics are averaged
like weights, and not measured again by a pass of the averaged network over the training clips.
Reference: Wortsman et al. 2022, Model soups, https://arxiv.org/abs/2203.05482, the "uniform soup".
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from tlprobe.errors import ParameterError
from tlprobe.train.device import resolve_device, set_up_for_speed
from tlprobe.train.material import reload_material
from tlprobe.train.predict import predict
from tlprobe.train.predictions import Predictions
from tlprobe.train.run import Run

__all__ = ["average_states", "soup_predictions", "weight_soup"]

State = Mapping[str, torch.Tensor]

_ALIKE = {
    "backbone": "backbone",
    "classes": "classes",
    "data_hash": "data",
    "fold": "fold",
    "treatment": "treatment",
    "blocks": "treated blocks",
    "rest": "rest of a fused network",
    "partition": "partition",
    "init_digest": "starting weights",
    "image": "image settings",
}  # fields of a run's definition that all members share, and what they are called
_ROUNDING = 1e-6  # of statistics of the same clips that two machines computed, in log units


def average_states(states: Sequence[State]) -> dict[str, torch.Tensor]:
    """Return the uniform mean of several states of one network.

    Parameters
    ----------
    states : sequence of mapping of str to torch.Tensor
        At least one. The mean of floating-point tensors is taken in float64 and cast back; others (batch-norm's
        count of batches) are those of the first.

    Returns
    -------
    state : dict of str to torch.Tensor
        With the names, shapes and types of the first. The mean of equal states is exactly theirs.

    Raises
    ------
    ParameterError
        If there is none, or names or shapes differ.
    """
    if not states:
        raise ParameterError("no states given; the mean needs at least 1")
    first = states[0]
    for state in states[1:]:
        odd = sorted(set(state) ^ set(first)) or [name for name in first if state[name].shape != first[name].shape]
        if odd:
            raise ParameterError(f"states of different networks have no mean; differing: {', '.join(odd[:5])}")
    return {name: _mean([state[name] for state in states]) for name in first}


def weight_soup(runs: Sequence[Run]) -> dict[str, torch.Tensor]:
    """Return the uniform mean of the last-epoch states of several runs, heads and batch-norm statistics too.

    Parameters
    ----------
    runs : sequence of Run
        At least one, of one backbone, treatment, data set and fold, from the same starting weights. Their heads
        may have started from different draws.

    Returns
    -------
    state : dict of str to torch.Tensor
        By original names: loads into the network of any of the runs.

    Raises
    ------
    ParameterError
        If there is none, or they differ in one of these; names two runs and the difference.
    CheckpointError
        If a stored state is missing or damaged.

    References
    ----------
    Wortsman et al. 2022, https://arxiv.org/abs/2203.05482.
    """
    if not runs:
        raise ParameterError("no runs given; a soup needs at least 1")
    why = _obstacle(runs)
    if why is not None:
        raise ParameterError(f"no weight soup: {why}")
    return average_states([run.state("weights") for run in runs])


def soup_predictions(
    run: Run, state: State, *, data: Path | str | None = None, device: str = "auto", progress: bool | None = None
) -> Predictions:
    """Return what a soup says of the clips that its members' fold holds out.

    Parameters
    ----------
    run : Run
        Any of the members: gives network, data set, fold and standardisation.
    state : mapping of str to torch.Tensor
        See `weight_soup`.
    data : path, optional
        The data set, where it has moved.
    device : {"auto", "cpu", "cuda"}
        Where the soup is scored.
    progress : bool or None
        None shows a bar on a terminal and in a notebook only.

    Returns
    -------
    predictions : Predictions

    Raises
    ------
    CheckpointError
        If the state does not fit the run's network.
    DataError
        If the data set is gone or holds other clips.
    """
    where = resolve_device(device)
    model = run.model()
    model.load_original_state(state, head=True)
    material = reload_material(run, data=data, progress=progress)
    index = material.dataset.split(run.config.fold)[1]
    logits = predict(
        set_up_for_speed(model, device=where),
        material.images.array,
        index,
        standardise=run.standardise,
        device=where,
    )
    return Predictions(
        clips=tuple(material.dataset.clips[i].path for i in index),
        labels=tuple(material.dataset.clips[i].label for i in index),
        classes=run.config.classes,
        probabilities=torch.softmax(logits.double(), dim=1).numpy(),
    )


def _obstacle(runs: Sequence[Run]) -> str | None:
    """Say why some runs cannot be averaged, or return None where they can."""
    first = runs[0]
    for run in runs[1:]:
        for field, said in _ALIKE.items():
            if getattr(run.config, field) != getattr(first.config, field):
                return f"{run.name} and {first.name} differ in {said}"
        if not _close(run, first):
            return f"{run.name} and {first.name} differ in how their clips are standardised"
    body = first.model("init").body_state()  # without the head, which may differ
    for run in runs[1:]:
        state = run.state("init")
        odd = [name for name, tensor in body.items() if not torch.equal(state[name], tensor)]
        if odd:  # those that the seed drew: of random networks, and of what fusing leaves random
            return f"{run.name} and {first.name} differ in {len(odd)} starting weights, {odd[0]} first"
    return None


def _mean(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    first = tensors[0]
    if not first.is_floating_point():
        return first.clone()
    return torch.stack([tensor.double() for tensor in tensors]).mean(0).to(first.dtype)


def _close(run: Run, other: Run) -> bool:
    """Say whether two runs standardise their clips alike, but for the rounding of another machine."""
    ours, theirs = run.standardise, other.standardise
    pairs = zip((*ours.mean, *ours.std), (*theirs.mean, *theirs.std), strict=True)
    return all(math.isclose(a, b, rel_tol=_ROUNDING, abs_tol=_ROUNDING) for a, b in pairs)
