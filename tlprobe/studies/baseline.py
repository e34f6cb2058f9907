"""What the points of a sweep start from: a run's starting weights, data and recipe, or what options say."""

from pathlib import Path
from typing import Literal

from tlprobe.backbones.registry import build
from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.studies.trials import Baseline, starting_weights_of
from tlprobe.train.device import resolve_device
from tlprobe.train.material import FitOptions, prepare, reload_material
from tlprobe.train.run import Run

__all__ = ["baseline_of"]


def baseline_of(
    treatment: Literal["fuse", "freeze", "cutoff"],
    ckpt: Path | str | Run | None,
    *,
    options: FitOptions | None,
    data: Path | str | None,
    trials: Path,
    device: str,
    progress: bool | None,
) -> Baseline:
    """Return what the points of a sweep share; parameters as in `tlprobe.studies.sweeps.fuse`.

    Raises
    ------
    ParameterError
        If it starts from random weights and `treatment` needs pretrained ones, or there are options beside a run.
    CheckpointError, DataError
        If `ckpt` is a weight file, or the run or its data cannot be read.
    """
    where = resolve_device(device)
    if ckpt is None:
        prepared = prepare(options or FitOptions(), progress=progress)
        _require_pretrained(treatment, prepared.config.init, source="--weights")
        return Baseline(
            config=prepared.config,
            block_names=prepared.model.block_names,
            material=prepared.material,
            starting=prepared.starting,
            full=None,
            folder=trials,
            device=where,
        )
    if options is not None:
        raise ParameterError("ckpt gives data, network and recipe; options beside it would be ignored")
    if not isinstance(ckpt, Run) and Path(ckpt).is_file():
        raise CheckpointError(
            f"{ckpt} is a weight file, and what it started from is not known; give a run by --ckpt, "
            f"or start from the file by --weights {ckpt}"
        )
    run = ckpt if isinstance(ckpt, Run) else Run.load(ckpt)
    _require_pretrained(treatment, run.config.init, source=str(run.path))
    starting = starting_weights_of(run)
    material = reload_material(run, data=data, to_train=True, progress=progress)
    names = build(
        run.config.backbone, n_classes=len(run.config.classes), seed=run.config.seed, image_shape=run.image_shape
    ).block_names
    return Baseline(
        config=run.config,
        block_names=names,
        material=material,
        starting=starting,
        full=run,
        folder=trials,
        device=where,
    )


def _require_pretrained(treatment: str, init: str, *, source: str) -> None:
    if init == "random" and treatment != "cutoff":
        raise ParameterError(
            f"{source}: starts from random weights, nothing pretrained to {treatment}; take another start"
        )
