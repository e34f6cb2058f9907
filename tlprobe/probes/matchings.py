"""Which networks stand beside which in a comparison, layer by layer, and on which clips."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.registry import build
from tlprobe.errors import ParameterError
from tlprobe.numerics.seeds import derive_seed
from tlprobe.probes.capture import find_layers
from tlprobe.probes.comparison import Clips, Network
from tlprobe.probes.pairing import Spot
from tlprobe.train.checkpoint import Checkpoint
from tlprobe.train.device import set_up_for_speed

__all__ = ["SPLITS", "Matching", "Mode", "Split", "clips_of", "matchings", "mode_of"]

Mode = Literal["change", "against", "grid", "training"]
Split = Literal["held-out", "train", "all"]
SPLITS: tuple[Split, ...] = ("held-out", "train", "all")

RANDOM_PAIR = "random pair"


@dataclasses.dataclass(frozen=True)
class Matching:
    """Networks to compare, and what the rows say of them.

    Parameters
    ----------
    checkpoint : Checkpoint
        Whose clips are used.
    labels : dict
        Columns that say what is compared: run, backbone, init, fold, seed, epochs, against.
    networks : list of Network
    pairs : list of (Spot, Spot)
    epochs : list of int or None
        One a pair: the epoch that its first network is of.
    """

    checkpoint: Checkpoint
    labels: dict[str, Any]
    networks: list[Network]
    pairs: list[tuple[Spot, Spot]]
    epochs: list[int | None]


def mode_of(*, against: bool, grid: bool, over_training: bool, baseline: str | None) -> Mode:
    """Return what is asked for.

    Raises
    ------
    ParameterError
        If the choices do not go together.
    """
    if baseline not in (None, "random-pair"):
        raise ParameterError(f"baseline={baseline!r}; the only one is random-pair")
    if over_training and (against or grid):
        raise ParameterError(f"over training and {'against another run' if against else 'grid'} do not go together")
    mode: Mode = "training" if over_training else "grid" if grid else "against" if against else "change"
    if baseline is not None and mode != "change":
        raise ParameterError("the random-pair baseline stands beside before against after fine-tuning alone")
    return mode


def matchings(
    checkpoints: Sequence[Checkpoint],
    other: Checkpoint | None,
    *,
    mode: Mode,
    baseline: str | None,
    layers: str | Sequence[str],
    split: Split,
    seed: int,
    device: torch.device,
) -> Iterator[Matching]:
    """Yield the matchings of each checkpoint, with its networks on `device`.

    Parameters
    ----------
    checkpoints : sequence of Checkpoint
    other : Checkpoint or None
        To compare with, instead of with the start of training.
    mode : {"change", "against", "grid", "training"}
    baseline : "random-pair" or None
        Also yield two random initialisations, once for equal networks on equal clips.
    layers : str or sequence of str
        See `find_layers`.
    split : {"held-out", "train", "all"}
        Of the clips; two runs can only share the held-out ones if they hold out the same fold.
    seed : int
        Of those random weights.
    device : torch.device

    Raises
    ------
    ParameterError
        If two networks' layers do not match, they saw images of another kind, or no epoch was kept.
    """
    paired: set[tuple[Any, ...]] = set()
    for checkpoint in checkpoints:
        if mode == "training":
            yield _training(checkpoint, layers, device)
            continue
        if other is not None:
            _check_clips(checkpoint, other, split=split)
            first, second = _network(checkpoint.after(), checkpoint, device), _network(other.after(), other, device)
        else:
            first, second = (_network(model, checkpoint, device) for model in (checkpoint.before(), checkpoint.after()))
        yield Matching(
            checkpoint=checkpoint,
            labels={**checkpoint.labels, "against": "init" if other is None else other.name},
            networks=[first, second],
            pairs=(pairs := _pairs(first, second, layers, grid=mode == "grid")),
            epochs=[None] * len(pairs),
        )
        about = (first.model.describe(), checkpoint.fold, checkpoint.standardise, checkpoint.material.source.hash)
        if baseline is not None and about not in paired:
            paired.add(about)
            yield _random_pair(checkpoint, first.model, layers, seed=seed, device=device)


def clips_of(checkpoint: Checkpoint, *, split: Split, n_clips: int | None, seed: int) -> Clips:
    """Return the clips of a split, or a draw from them.

    Raises
    ------
    ParameterError
        If there are fewer than `n_clips`.
    """
    dataset = checkpoint.material.dataset
    train, held_out = dataset.split(checkpoint.fold)
    index = {"held-out": held_out, "train": train, "all": np.arange(len(dataset.clips))}[split]
    if n_clips is not None:
        if n_clips > len(index):
            raise ParameterError(f"n_clips={n_clips}, but the {split} clips of {checkpoint.name} are {len(index)}")
        index = np.sort(np.random.default_rng(derive_seed(seed, "clips")).permutation(index)[:n_clips])
    return Clips(checkpoint.material.images.array, index, tuple(dataset.clips[i].group for i in index))


def _training(checkpoint: Checkpoint, layers: str | Sequence[str], device: torch.device) -> Matching:
    run = checkpoint.run
    if run is None or not run.kept_epochs:
        raise ParameterError(f"{checkpoint.name} kept no epochs to compare; train with `tlprobe fit --keep-epochs`")
    final = _network(checkpoint.after(), checkpoint, device)
    epochs = [0, *(epoch for epoch in run.kept_epochs if epoch != checkpoint.epochs)]
    states = [_network(run.model(epoch or "init"), checkpoint, device) for epoch in epochs]
    pairs: list[tuple[Spot, Spot]] = []
    of_pairs: list[int | None] = []
    for number, (epoch, state) in enumerate(zip(epochs, states, strict=True), start=1):
        for x, y in _pairs(state, final, layers, grid=False):
            pairs.append((Spot(number, x.layer), Spot(0, y.layer)))
            of_pairs.append(epoch)
    return Matching(checkpoint, {**checkpoint.labels, "against": "final"}, [final, *states], pairs, of_pairs)


def _random_pair(
    checkpoint: Checkpoint, like: BlockedCNN, layers: str | Sequence[str], *, seed: int, device: torch.device
) -> Matching:
    networks = [
        _network(
            build(
                checkpoint.backbone,
                n_classes=like.n_classes,
                seed=derive_seed(seed, RANDOM_PAIR, number),
                image_shape=like.image_shape,
                cut_after=like.cut_after,
            ).eval(),
            checkpoint,
            device,
        )
        for number in range(2)
    ]
    labels = {**checkpoint.labels, "run": RANDOM_PAIR, "init": RANDOM_PAIR, "epochs": 0, "against": RANDOM_PAIR}
    pairs = _pairs(networks[0], networks[1], layers, grid=False)
    return Matching(checkpoint, {**labels, "seed": seed}, networks, pairs, [None] * len(pairs))


def _network(model: BlockedCNN, checkpoint: Checkpoint, device: torch.device) -> Network:
    return Network(set_up_for_speed(model, device=device), checkpoint.standardise)


def _pairs(first: Network, second: Network, layers: str | Sequence[str], *, grid: bool) -> list[tuple[Spot, Spot]]:
    of_first, of_second = (find_layers(network.model, layers) for network in (first, second))
    if grid:
        return [(Spot(0, x), Spot(1, y)) for x in of_first for y in of_second]
    if [layer.block for layer in of_first] != [layer.block for layer in of_second]:
        raise ParameterError(
            f"the layers of {first.model.describe()} and {second.model.describe()} do not match one by one; "
            "compare their blocks, or all with all (grid)"
        )
    return [(Spot(0, x), Spot(1, y)) for x, y in zip(of_first, of_second, strict=True)]


def _check_clips(checkpoint: Checkpoint, other: Checkpoint, *, split: Split) -> None:
    """Both must know the clips of the first by the same kind of images."""
    mine, theirs = checkpoint.material, other.material
    if mine.source.hash != theirs.source.hash or mine.settings != theirs.settings:
        what = (
            "clips" if mine.source.hash != theirs.source.hash else "images (sampling rate, length, width or features)"
        )
        raise ParameterError(f"{checkpoint.name} and {other.name} were trained on other {what}; nothing to compare on")
    if checkpoint.fold != other.fold and split != "all":
        raise ParameterError(
            f"{checkpoint.name} holds out fold {checkpoint.fold}, {other.name} fold {other.fold}: "
            f"their {split} clips are not the same; compare on all"
        )
