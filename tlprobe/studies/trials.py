"""Trials: trainings that differ in what was done to the network, and in nothing else.

A trial is an ordinary run directory, named by a hash of what defines it. A finished one is found and
never redone, an unfinished one goes on. Points that are the same trial are one run, see
`tlprobe.studies.points`.
"""

import dataclasses
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.registry import build
from tlprobe.backbones.weights import StartingWeights, read_weights, tensor_digest
from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.probes.cutoff import cut_after
from tlprobe.probes.freeze import freeze_blocks
from tlprobe.probes.fuse import Rest, fuse_blocks
from tlprobe.probes.selection import NONE
from tlprobe.records import dump_json
from tlprobe.studies.points import Point, TrialKind, canonical
from tlprobe.train.config import FitConfig
from tlprobe.train.fit import fit_network
from tlprobe.train.material import Material
from tlprobe.train.run import Run, is_finished
from tlprobe.train.setting import EpochResult

__all__ = ["Baseline", "run_trial", "starting_weights_of", "trial_config", "trial_name"]

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Baseline:
    """What all trials of a sweep share.

    Parameters
    ----------
    config : FitConfig
        Of the fully fine-tuned network.
    block_names : tuple of str
        The backbone's blocks, input to output.
    material : Material
        Data set and images.
    starting : StartingWeights
        The pretrained state that every trial starts from.
    full : Run or None
        The fully fine-tuned run, when it exists already.
    folder : Path
        Where trials live.
    device : torch.device
        Where they are trained.
    """

    config: FitConfig
    block_names: tuple[str, ...]
    material: Material
    starting: StartingWeights
    full: Run | None
    folder: Path
    device: torch.device


def run_trial(
    baseline: Baseline,
    point: Point,
    *,
    progress: bool | None = None,
    on_epoch: Callable[[EpochResult], None] | None = None,
) -> Run:
    """Train the trial that a sweep's point is, or find it finished.

    Parameters
    ----------
    baseline : Baseline
        What it shares with the others.
    point : Point
        See `tlprobe.studies.points.canonical`.
    progress : bool or None
        None shows bars on a terminal and in a notebook only.
    on_epoch : callable, optional
        As `tlprobe.train.fit.fit_network` takes it.

    Raises
    ------
    ParameterError, DivergedError, ResourceError
        As `tlprobe.train.fit.fit_network`.
    """
    config = trial_config(baseline.config, canonical(point, block_names=baseline.block_names))
    if baseline.full is not None and config.treatment == baseline.full.config.treatment:
        return baseline.full
    out = baseline.folder / trial_name(config)
    _log.info("trial %s", out.name)
    if is_finished(out):
        found = Run.load(out)
        if found.config == config:
            return found
    return fit_network(
        _network(config, baseline),
        config=config,
        material=baseline.material,
        out=out,
        device=baseline.device,
        resume=True,
        progress=progress,
        on_epoch=on_epoch,
    )


def trial_config(config: FitConfig, kind: TrialKind) -> FitConfig:
    """Return the definition of a trial from that of the fully fine-tuned network."""
    if config.init == "random" and kind.treatment == "full":
        kind = TrialKind("random")  # there is nothing else that it could start from
    changes: dict[str, object] = dataclasses.asdict(kind) | {"partition": kind.partition}
    if kind.treatment == "random":
        changes |= {"init": "random", "init_digest": "random"}
    return config.model_copy(update=changes)


def _network(config: FitConfig, baseline: Baseline) -> BlockedCNN:
    """Return a trial's network at its start."""
    model = build(
        config.backbone,
        n_classes=len(config.classes),
        seed=config.seed,
        image_shape=baseline.material.image_shape,
        partition=config.partition,
    )
    if config.treatment != "random" and baseline.starting.state is not None:
        model.load_original_state(baseline.starting.state, head=False)
    blocks = ", ".join(config.blocks) or "no block"
    if config.treatment == "fuse":
        rest = cast(Rest, config.rest)
        n = fuse_blocks(model, blocks=config.blocks, rest=rest, seed=config.seed)
        _log.info("pretrained: %s; %d other weights start %s", blocks, n, rest)
    elif config.treatment == "freeze":
        n = freeze_blocks(model, blocks=config.blocks)
        _log.info("frozen: %s, %d weights", blocks, n)
    elif config.treatment == "cutoff":
        n = cut_after(model, after=config.blocks[-1], seed=config.seed)
        _log.info("left: %s, %d weights", blocks, n)
    return model


def trial_name(config: FitConfig) -> str:
    """Return a trial's folder name: readable, and ending in a hash of all that defines it."""
    digest = hashlib.sha256(dump_json(config.model_dump(mode="json")).encode()).hexdigest()[:10]
    what: list[str] = [config.treatment]
    if config.treatment not in ("full", "random"):
        what.append("+".join(config.blocks) or NONE)
    if config.rest not in (None, "random"):
        what.append(str(config.rest))
    if config.image.features != "log-mel3":
        what.append(config.image.features)
    if config.partition is not None:
        what.append(f"{config.partition.by}{config.partition.parts}")
    backbone = config.backbone.replace("/", "_")
    return f"{'-'.join(what)}-{backbone}-{config.init}-fold{config.fold}-seed{config.seed}-{digest}"


def starting_weights_of(run: Run) -> StartingWeights:
    """Return the state a run started from, without its head: never its fine-tuned weights.

    Raises
    ------
    CheckpointError
        If the stored state is not the one that the run's config names.
    ParameterError
        If the run is of a treated network: its start is not one of all blocks.
    """
    config = run.config
    if config.treatment not in ("full", "random"):
        blocks = ", ".join(config.blocks) or NONE
        raise ParameterError(
            f"{run.path} is a {config.treatment} run ({blocks}); give a fully fine-tuned run by --ckpt"
        )
    if config.init == "random":
        return read_weights("random", model=run.model("init"))
    state = {name: tensor.clone() for name, tensor in run.model("init").body_state().items()}
    if tensor_digest(state) != config.init_digest:
        raise CheckpointError(f"{run.path / 'init.safetensors'} is not the state that the run started from")
    return StartingWeights(init=config.init, state=state, digest=config.init_digest)
