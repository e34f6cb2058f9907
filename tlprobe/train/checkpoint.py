"""A network to look at, with all that makes its numbers: a run, or a user's own weight file.

A run knows everything. A bare state dict knows nothing, so backbone, data and fold are asked for, and
its clips are standardised as the trainer would: with statistics of the folds that are not held out.
"""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.registry import build
from tlprobe.backbones.weight_files import read_weight_file
from tlprobe.backbones.weights import read_weights
from tlprobe.data.loader import Standardiser, channel_statistics
from tlprobe.data.options import DataOptions, ImageOptions, narrowed
from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.train.material import FitOptions, Material, load_material, reload_material
from tlprobe.train.run import Run

__all__ = ["Checkpoint", "FileOptions", "open_checkpoint", "open_checkpoints"]

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileOptions(DataOptions, ImageOptions):
    """What a bare weight file does not say, how its data are read (`DataOptions`) and shown (`ImageOptions`).

    Parameters
    ----------
    backbone : str or None
        Its network.
    fold : int or None
        The fold it was not trained on.
    before : str, Path or None
        What its training started from: ``"imagenet"``, ``"random"`` or a file; only similarity needs it.
    before_seed : int
        Of random starting weights.
    normalize : {"channel", "none"}
        How its images were standardised.
    classes : str, Path or None
        A text file with the class names in the order of the head's outputs, one a line; None: alphabetical.

    Examples
    --------
    >>> FileOptions(backbone="resnet50", fold=1, sr=16_000).normalize
    'channel'
    """

    backbone: str | None = None
    fold: int | None = None
    before: str | Path | None = None
    before_seed: int = 0
    normalize: Literal["channel", "none"] = "channel"
    classes: str | Path | None = None


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A fine-tuned network with its data.

    Parameters
    ----------
    name : str
        The run's folder or the file's name, for tables.
    backbone, init : str
        What it is, and what it started from (``"unknown"`` for a file without ``before``).
    fold : int
        Held out.
    seed : int
        Of the run.
    epochs : int or None
        None for a file.
    material : Material
        Data set and images.
    standardise : Standardiser
        Applied to every image.
    run : Run or None
        None for a file.
    """

    name: str
    backbone: str
    init: str
    fold: int
    seed: int
    epochs: int | None
    material: Material
    standardise: Standardiser
    run: Run | None
    _after: BlockedCNN
    _before: BlockedCNN | None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the head's outputs."""
        return self.material.dataset.classes

    @property
    def labels(self) -> dict[str, Any]:
        """Columns that say in a table what was looked at."""
        named = {name: getattr(self, name) for name in ("backbone", "init", "fold", "seed", "epochs")}
        return {"run": self.name, **named}

    @property
    def held_out(self) -> np.ndarray:
        """Indices of the held-out clips."""
        return self.material.dataset.split(self.fold)[1]

    def after(self) -> BlockedCNN:
        """Return the fine-tuned network, in evaluation mode."""
        return self._after.eval()

    def before(self) -> BlockedCNN:
        """Return the network before the first training step, in evaluation mode.

        Raises
        ------
        ParameterError
            If that is not known.
        """
        if self._before is None:
            raise ParameterError(
                f"{self.name} is a bare weight file: say what it started from by --before imagenet|random|FILE"
            )
        return self._before.eval()


def open_checkpoint(
    path: Path | str | Run,
    *,
    data: Path | str | None = None,
    options: FileOptions | None = None,
    material: Material | None = None,
    progress: bool | None = None,
) -> Checkpoint:
    """Open a run directory or a weight file.

    Parameters
    ----------
    path : path or Run
        A run directory, or a ``.safetensors``/``.pth`` state dict with a head for the data set's classes.
    data : path, optional
        The data set; a run knows its own.
    options : FileOptions, optional
        What a bare file does not say.
    material : Material, optional
        The data, if it is open already.

    Raises
    ------
    CheckpointError
        If it is no checkpoint, or of another network or other classes.
    ParameterError
        If something is not known; names the option.
    """
    if isinstance(path, Run) or Path(path).is_dir():
        run = path if isinstance(path, Run) else Run.load(path)
        same = material is not None and material.dataset.content_hash == run.source.hash
        if material is None or not same or material.settings != run.config.image:
            material = reload_material(run, data=data, progress=progress)
        return Checkpoint(
            name=run.name,
            backbone=run.config.backbone,
            init=run.config.init,
            fold=run.config.fold,
            seed=run.config.seed,
            epochs=run.config.recipe.epochs,
            material=material,
            standardise=run.standardise,
            run=run,
            _after=run.model("weights"),
            _before=run.model("init"),
        )
    return _open_file(Path(path), data=data, options=options or FileOptions(), material=material, progress=progress)


def open_checkpoints(
    paths: Sequence[Path | str | Run],
    *,
    data: Path | str | None = None,
    options: FileOptions | None = None,
    progress: bool | None = None,
) -> list[Checkpoint]:
    """Open several checkpoints; those of one data set share its images.

    Raises
    ------
    ParameterError
        If there is none; else as `open_checkpoint`.
    """
    if not paths:
        raise ParameterError("no checkpoint given; name run directories by --ckpt")
    opened: list[Checkpoint] = []
    for path in paths:
        material = opened[-1].material if opened else None
        opened.append(open_checkpoint(path, data=data, options=options, material=material, progress=progress))
    return opened


def _open_file(
    path: Path,
    *,
    data: Path | str | None,
    options: FileOptions,
    material: Material | None,
    progress: bool | None,
) -> Checkpoint:
    if not path.is_file():
        raise CheckpointError(f"{path} is neither a run directory nor a weight file")
    wanted = {"--backbone": options.backbone, "--data": data, "--fold": options.fold}
    missing = [name for name, value in wanted.items() if value is None]
    if missing or options.backbone is None or options.fold is None:
        raise ParameterError(f"{path} is a bare weight file: it needs {', '.join(missing)} as well")
    about = {**vars(narrowed(options, DataOptions)), **vars(narrowed(options, ImageOptions))}
    found = load_material(FitOptions(data=data, **about), progress=progress)
    same = material is not None and material.dataset.content_hash == found.dataset.content_hash
    material = material if material is not None and same and material.settings == found.settings else found
    order = _class_order(options.classes, material.dataset.classes)
    _log.info(
        "%s: images of %d columns, %g s at %d Hz; classes in %s order",
        path,
        material.settings.width,
        material.settings.clip_s,
        material.settings.sr,
        "alphabetical" if options.classes is None else "the given",
    )
    shape = material.image_shape
    n_classes = len(material.dataset.classes)
    after = build(options.backbone, n_classes=n_classes, seed=options.before_seed, image_shape=shape)
    _load_with_head(after, path, order=order)
    before, init = None, "unknown"
    if options.before is not None:
        before = build(options.backbone, n_classes=n_classes, seed=options.before_seed, image_shape=shape)
        starting = read_weights(options.before, model=before)
        if starting.state is not None:
            before.load_original_state(starting.state, head=False)
        init = starting.init
    train_index, _ = material.dataset.split(options.fold)
    if options.normalize == "channel":
        standardise = channel_statistics(material.images.array, train_index)
    else:
        standardise = Standardiser()
    return Checkpoint(
        name=path.name,
        backbone=options.backbone,
        init=init,
        fold=options.fold,
        seed=options.before_seed,
        epochs=None,
        material=material,
        standardise=standardise,
        run=None,
        _after=after,
        _before=before,
    )


def _class_order(file: str | Path | None, classes: tuple[str, ...]) -> list[int]:
    """Return, for each of the data set's classes, which output of the head it is."""
    if file is None:
        return list(range(len(classes)))
    try:
        names = [line.strip() for line in Path(file).read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"--classes {file} cannot be read: {error}") from error
    if sorted(names) != sorted(classes):
        odd = sorted(set(names) ^ set(classes)) or sorted({name for name in names if names.count(name) > 1})
        wanted = f"the data set's {len(classes)} classes, one a line"
        raise ParameterError(f"--classes {file} must name {wanted}; differing: {', '.join(odd[:5])}")
    return [names.index(name) for name in classes]


def _load_with_head(model: BlockedCNN, path: Path, *, order: list[int]) -> None:
    """Load a fine-tuned state dict, head and all, in place; `order` is that of the head's outputs."""
    body = read_weights(path, model=model).state
    if body is None:
        raise CheckpointError(f"{path} holds no weights")
    model.load_original_state(body, head=False)
    head = [f"{model.head_name}.{name}" for name in model.head.state_dict()]
    found, _ = read_weight_file(path, names=[*model.block_of(), *head])
    for name, target in model.head.state_dict(prefix=f"{model.head_name}.").items():
        if name not in found:
            raise CheckpointError(f"{path} has no {name}: a fine-tuned network needs its head")
        shape = tuple(found[name].shape)
        if shape != tuple(target.shape):
            n_classes = shape[0] if shape else "no"
            raise CheckpointError(
                f"{path} is for {n_classes} classes ({name} has shape {shape}); the data set has {model.n_classes}"
            )
        target.copy_(found[name][order])
