"""Fine-tune one network on one split, into a run directory.

`fit` is what a user calls. `fit_network` trains a network that is ready, whatever was done to it, and
is what every sweep is made of.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.data.leaks import check_leaks
from tlprobe.data.loader import Standardiser, channel_statistics
from tlprobe.data.stored_views import draw_views
from tlprobe.files import lock_folder
from tlprobe.train.config import FitConfig
from tlprobe.train.device import Precision, precision_of, resolve_device
from tlprobe.train.finish import finish
from tlprobe.train.keeper import Keeper, require_space
from tlprobe.train.kept import KeepEpochs, epochs_to_keep, require_kept
from tlprobe.train.loop import Trainer
from tlprobe.train.material import FitOptions, Material, prepare
from tlprobe.train.memory import explain_out_of_memory
from tlprobe.train.prefix import with_stored_prefix
from tlprobe.train.processes import Processes, joined
from tlprobe.train.progress import Progress
from tlprobe.train.recipe import load_recipe
from tlprobe.train.resume import clear, find_unfinished, mend
from tlprobe.train.run import Run, config_body, is_finished, standardiser_of, state_bytes
from tlprobe.train.setting import EpochResult, Setting, Split
from tlprobe.train.states import Saved, discard_states, load_state
from tlprobe.train.stopping import watch_signals
from tlprobe.train.tensorboard import Board

__all__ = ["fit", "fit_network"]

_log = logging.getLogger(__name__)


def fit(
    options: FitOptions | None = None,
    *,
    out: Path | str,
    device: str = "auto",
    precision: Precision = "auto",
    compiled: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    keep_epochs: KeepEpochs = (),
    tensorboard: bool = False,
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
    precision : {"auto", "float32", "bfloat16", "float16"}
        Of matrix products and convolutions in training; auto: float32 on a CPU, bfloat16 on a GPU.
    compiled : bool
        Compile the network by ``torch.compile``: minutes at the start, for long trainings.
    resume : bool
        Go on with an unfinished run after its last saved step.
    overwrite : bool
        Replace the run that `out` holds.
    keep_epochs : sequence of int in [1, the recipe's epochs], or "all"
        Epochs after which the state is kept, for `Run.model`.
    tensorboard : bool
        Write losses and accuracies for TensorBoard as well (needs ``tlprobe[track]``).
    progress : bool or None
        None shows bars on a terminal and in a notebook only.

    Returns
    -------
    run : Run
        Its record's row has the accuracy of the last epoch, with its 95 % interval over source recordings.

    Raises
    ------
    ParameterError, DataError, CheckpointError, DivergedError, ResourceError
        For wrong values, unusable data, unusable weights, a loss that is not finite, a full disk or memory.
    StoppedError
        After SIGINT, SIGTERM or SIGUSR1; the state is saved.

    Examples
    --------
    >>> import tlprobe
    >>> options = tlprobe.FitOptions(backbone="timm/test_efficientnet", weights="random", changes={"epochs": 1})
    >>> run = tlprobe.fit(options, out="runs/new")
    >>> 0 <= run.record.rows[0]["accuracy"] <= 1
    True
    """
    where = resolve_device(device)
    precision_of(precision, device=where)
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
        precision=precision,
        compiled=compiled,
        resume=resume,
        overwrite=overwrite,
        keep_epochs=keep,
        tensorboard=tensorboard,
        progress=progress,
    )


def fit_network(
    model: BlockedCNN,
    *,
    config: FitConfig,
    material: Material,
    out: Path,
    device: torch.device,
    precision: Precision = "auto",
    compiled: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    keep_epochs: KeepEpochs = (),
    tensorboard: bool = False,
    prefix_cache: bool = True,
    progress: bool | None = None,
    on_epoch: Callable[[EpochResult], None] | None = None,
) -> Run:
    """Train a network that is ready (started, cut, frozen) and leave a run directory.

    A finished run of the same `config` in `out` is returned as it is. Parameters and errors as in `fit`, and:

    Parameters
    ----------
    prefix_cache : bool
        Compute the output of blocks that are frozen from the input on once, where that is the same training; see
        `tlprobe.train.prefix`.
    on_epoch : callable, optional
        Told of each epoch, once it is saved; after a resume of those before first. What it raises ends the training,
        which can be resumed. Not called for a finished run; where several processes train, called by each.

    Raises
    ------
    ParameterError
        If `out` holds a run of another `config`, or an unfinished one and `resume` is false, or one that
        is past an epoch of `keep_epochs` without having kept it.
    """
    keep = epochs_to_keep(keep_epochs, epochs=config.recipe.epochs)
    with joined(device) as processes, _held(out, processes):
        if overwrite and processes.rank == 0:
            clear(out)
        saved = find_unfinished(out, config, resume=resume) if processes.rank == 0 else None
        processes.wait()
        if is_finished(out):
            if processes.rank == 0:
                discard_states(out)  # of a process that was killed after its last write
            require_kept(out, keep, reached=config.recipe.epochs, epochs=config.recipe.epochs)
            _log.info("%s is finished; nothing to do", out)
            return Run.load(out)
        allow = material.source.options.allow_leaks
        check_leaks(material.dataset, config.fold, leaks=material.leaks, allow=allow)
        if processes.rank > 0:
            saved = load_state(out)
        split = _split(config, material, saved=saved, source=out / "config.json")
        body = config_body(config, source=material.source, standardise=split.standardise)
        if prefix_cache:
            split = with_stored_prefix(
                model,
                split,
                recipe=config.recipe,
                image_keys=[images.key for images in material.views],
                device=device,
                white_noise=material.noise_for(config.recipe),
                progress=progress,
            )
        setting = Setting(
            device=device,
            precision=precision_of(precision, device=device),
            compiled=compiled,
            processes=processes,
        )
        with explain_out_of_memory(batch_size=config.recipe.batch_size, precision=setting.precision):
            _train(
                model,
                split,
                setting,
                config,
                material,
                out=out,
                body=body,
                saved=saved,
                keep=keep,
                progress=progress,
                tensorboard=tensorboard,
                on_epoch=on_epoch,
            )
        processes.wait()
        return Run.load(out)


def _split(config: FitConfig, material: Material, *, saved: Saved | None, source: Path) -> Split:
    """Return the clips to train on, to choose on and to score on, and their images."""
    dataset, recipe = material.dataset, config.recipe
    train_index, held_out_index = dataset.split(config.fold)
    inner_index = train_index[:0]
    if config.inner_fold is not None:
        inner_index = dataset.split(config.inner_fold)[1]
        train_index = np.setdiff1d(train_index, inner_index)
    if saved is not None:
        standardise = standardiser_of(saved.config, source=source)
    elif recipe.normalize == "channel":
        standardise = channel_statistics(material.images.array, train_index)
    else:
        standardise = Standardiser()
    stored = None
    if recipe.stored_views:
        stored = draw_views(
            recipe.augmentation,
            recipe.stored_views,
            n_clips=len(dataset.clips),
            n_images=len(material.views),
            image_shape=material.image_shape,
        )
    return Split(
        views=[images.array for images in material.views],
        labels=dataset.labels,
        train_index=train_index,
        held_out_index=held_out_index,
        inner_index=inner_index,
        standardise=standardise,
        names=[clip.path for clip in dataset.clips],
        stored=stored,
    )


def _train(
    model: BlockedCNN,
    split: Split,
    setting: Setting,
    config: FitConfig,
    material: Material,
    *,
    out: Path,
    body: dict[str, Any],
    saved: Saved | None,
    keep: tuple[int, ...],
    progress: bool | None,
    tensorboard: bool,
    on_epoch: Callable[[EpochResult], None] | None,
) -> None:
    processes = setting.processes
    init = state_bytes(model.original_state()) if processes.rank == 0 else b""
    trainer = Trainer(
        model,
        split=split,
        recipe=config.recipe,
        seed=config.seed,
        setting=setting,
        white_noise=material.noise_for(config.recipe),
    )
    with contextlib.closing(trainer), watch_signals() as flag:
        keeper = Keeper(out, trainer, config=body, keep=keep, flag=flag, processes=processes)
        if saved is not None:
            trainer.restore(saved.trainer, source=str(out))
            keeper.go_on(saved)
            if processes.rank == 0:
                mend(out, keeper, init=init)
            require_kept(out, keep, reached=trainer.epoch, epochs=config.recipe.epochs)
            _log.info("%s: going on after epoch %d, step %d", out, trainer.epoch, trainer.step)
        elif processes.rank == 0:
            clear(out)
            require_space(out, n_bytes=len(init), n_kept=len(keep))
            keeper.begin()
        if processes.n > 1:
            _log.info("%d processes share each batch; batch-norm statistics are of each one's part", processes.n)
        board = Board(out / "tensorboard" if tensorboard and processes.rank == 0 else None, epoch=trainer.epoch)
        shown = Progress(trainer, show=progress if processes.rank == 0 else False)

        def on_step() -> None:
            shown.step()
            keeper.on_step()

        tell = on_epoch or (lambda _: None)
        try:
            for result in keeper.history:
                tell(result)
            while trainer.epoch < config.recipe.epochs:
                shown.begin_epoch()
                result = trainer.run_epoch(on_step=on_step)
                shown.end_epoch(result)
                board.add(result)
                keeper.end_epoch(result)
                tell(result)
        finally:
            shown.close()
            board.close()
        finish(trainer, keeper, config=config, material=material)


@contextlib.contextmanager
def _held(out: Path, processes: Processes) -> Iterator[None]:
    """Lock the run directory, by process 0 for all."""
    if processes.rank > 0:
        yield
        return
    with lock_folder(out):
        yield
