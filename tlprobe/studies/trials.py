"""Trials: trainings that differ in what was done to the network, and in nothing else.

A trial is an ordinary run directory, named by a hash of what defines it. A finished one is found and
never redone, an unfinished one goes on. Trials that coincide are one run: fusing everything, freezing
nothing and cutting nothing are all the fully fine-tuned network; fusing nothing is the random one.
"""

import dataclasses
import hashlib
import logging
from pathlib import Path

import torch

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.registry import build
from tlprobe.backbones.weights import StartingWeights, read_weights, tensor_digest
from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.probes.cutoff import cut_after
from tlprobe.probes.freeze import freeze_upto
from tlprobe.probes.fuse import fuse_upto
from tlprobe.records import dump_json
from tlprobe.train.config import FitConfig, Treatment
from tlprobe.train.fit import fit_network
from tlprobe.train.material import Material
from tlprobe.train.run import Run, is_finished

__all__ = ["NONE", "Baseline", "canonical", "run_trial", "starting_weights_of", "trial_name"]

NONE = "none"
"""The sweep value before the first block: nothing is pretrained, nothing is frozen."""

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


def canonical(treatment: Treatment, block: str | None, *, block_names: tuple[str, ...]) -> tuple[Treatment, str | None]:
    """Return the trial that a sweep's point is.

    Parameters
    ----------
    treatment : {"full", "random", "fuse", "freeze", "cutoff"}
        The sweep.
    block : str or None
        Its value: ``"none"`` or a block; None for full and random.
    block_names : tuple of str
        The backbone's blocks.

    Returns
    -------
    treatment, block
        ``("full", None)`` or ``("random", None)`` where the point coincides with one of these.

    Raises
    ------
    ParameterError
        If `block` is no value of the sweep.

    Examples
    --------
    >>> names = ("stem", "block1", "block2", "block3", "block4")
    >>> canonical("fuse", "block4", block_names=names), canonical("fuse", "none", block_names=names)
    (('full', None), ('random', None))
    >>> canonical("freeze", "block2", block_names=names)
    ('freeze', 'block2')
    """
    if treatment in ("full", "random"):
        return treatment, None
    choices = block_names if treatment == "cutoff" else (NONE, *block_names)
    if block not in choices:
        option = "after" if treatment == "cutoff" else "upto"
        raise ParameterError(f"{option}={block!r} names no block; choose from {', '.join(choices)}")
    if block == NONE:
        return ("random", None) if treatment == "fuse" else ("full", None)
    if block == block_names[-1] and treatment in ("fuse", "cutoff"):
        return "full", None
    return treatment, block


def run_trial(baseline: Baseline, *, treatment: Treatment, block: str | None, progress: bool | None = None) -> Run:
    """Train one trial, or find it finished.

    Parameters
    ----------
    baseline : Baseline
        What it shares with the others.
    treatment, block
        A sweep's point; see `canonical`.
    progress : bool or None
        None shows bars on a terminal only.

    Raises
    ------
    ParameterError, DivergedError, ResourceError
        As `tlprobe.train.fit.fit_network`.
    """
    treatment, block = canonical(treatment, block, block_names=baseline.block_names)
    if baseline.config.init == "random" and treatment == "full":
        treatment = "random"  # there is nothing else that it could start from
    if baseline.full is not None and treatment in ("full", baseline.full.config.treatment):
        return baseline.full
    changes: dict[str, object] = {"treatment": treatment, "block": block}
    if treatment == "random":
        changes |= {"init": "random", "init_digest": "random"}
    config = baseline.config.model_copy(update=changes)
    out = baseline.folder / trial_name(config)
    _log.info("trial %s", out.name)
    if is_finished(out):
        found = Run.load(out)
        if found.config == config:
            return found
    model = build(
        config.backbone,
        n_classes=len(config.classes),
        seed=config.seed,
        image_shape=baseline.material.image_shape,
    )
    if treatment != "random" and baseline.starting.state is not None:
        model.load_original_state(baseline.starting.state, head=False)
    _treat(model, treatment, block, seed=config.seed)
    return fit_network(
        model,
        config=config,
        material=baseline.material,
        out=out,
        device=baseline.device,
        resume=True,
        progress=progress,
    )


def trial_name(config: FitConfig) -> str:
    """Return a trial's folder name: readable, and ending in a hash of all that defines it."""
    digest = hashlib.sha256(dump_json(config.model_dump(mode="json")).encode()).hexdigest()[:10]
    what = config.treatment if config.block is None else f"{config.treatment}-{config.block}"
    backbone = config.backbone.replace("/", "_")
    return f"{what}-{backbone}-{config.init}-fold{config.fold}-seed{config.seed}-{digest}"


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
        raise ParameterError(
            f"{run.path} is a {config.treatment} run (block {config.block}); give a fully fine-tuned run by --ckpt"
        )
    if config.init == "random":
        return read_weights("random", model=run.model("init"))
    state = {name: tensor.clone() for name, tensor in run.model("init").body_state().items()}
    if tensor_digest(state) != config.init_digest:
        raise CheckpointError(f"{run.path / 'init.safetensors'} is not the state that the run started from")
    return StartingWeights(init=config.init, state=state, digest=config.init_digest)


def _treat(model: BlockedCNN, treatment: Treatment, block: str | None, *, seed: int) -> None:
    if block is None:
        return
    if treatment == "fuse":
        n = fuse_upto(model, upto=block, seed=seed)
        _log.info("%d weights after %s start at random", n, block)
    elif treatment == "freeze":
        n = freeze_upto(model, upto=block)
        _log.info("%d weights up to %s are frozen", n, block)
    else:
        n = cut_after(model, after=block, seed=seed)
        _log.info("%d weights are left up to %s", n, block)
