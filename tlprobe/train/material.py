"""From options to all that a training needs: clips, images, a definition, starting weights."""

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tlprobe.audio.image import ImageMaker
from tlprobe.audio.settings import ImageSettings
from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.registry import DEFAULT_BACKBONE, build
from tlprobe.backbones.weights import StartingWeights, read_weights
from tlprobe.data.cache import Images, load_images
from tlprobe.data.dataset import Dataset
from tlprobe.data.known_leaks import known_leaks
from tlprobe.data.leaks import Leak
from tlprobe.data.open import default_settings, open_dataset
from tlprobe.data.options import DataOptions, ImageOptions, narrowed
from tlprobe.data.variants import load_variants
from tlprobe.numerics.seeds import derive_seed
from tlprobe.train.config import FitConfig
from tlprobe.train.data_source import DataSource
from tlprobe.train.recipe import Recipe, check_features, load_recipe
from tlprobe.train.run import Run

__all__ = [
    "Definition",
    "FitOptions",
    "Material",
    "Prepared",
    "define",
    "load_material",
    "prepare",
    "reload_material",
]

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Material:
    """A data set with its images: what many trainings share.

    Parameters
    ----------
    dataset : Dataset
        The clip table.
    source : DataSource
        How to open it again.
    settings : ImageSettings
        How clips became images.
    images : Images
        One a clip.
    variants : tuple of Images
        Stored variants of the same clips, for training alone.
    leaks : tuple of Leak
        Sounds in several folds; looked for where something is trained.
    """

    dataset: Dataset
    source: DataSource
    settings: ImageSettings
    images: Images
    variants: tuple[Images, ...] = ()
    leaks: tuple[Leak, ...] = ()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one image: channels, n_mels, width."""
        return (3, self.settings.n_mels, self.settings.width)

    @property
    def views(self) -> tuple[Images, ...]:
        """The original images, then the variants."""
        return (self.images, *self.variants)

    def noise_for(self, recipe: Recipe) -> torch.Tensor | None:
        """Return the image ``(3, n_mels, width)`` of white noise of unit variance, always the same.

        None where the recipe adds no noise.
        """
        if recipe.noise_snr_db is None:
            return None
        image_maker = ImageMaker(self.settings)
        noise = np.random.default_rng(derive_seed(0, "white noise")).standard_normal(image_maker.n_samples)
        return torch.from_numpy(image_maker(noise.astype(np.float32)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitOptions(DataOptions, ImageOptions):
    """What a user may say of a training, of its data and of its images; every default is the command line's.

    Also `DataOptions` and `ImageOptions`.

    Parameters
    ----------
    data : path, optional
        A data set; None for the built-in clips. Its ``data_seed`` is apart from `seed`, so that runs with other
        seeds share their split.
    backbone : str
        See `tlprobe.backbones.registry.BACKBONES`; ``"timm/NAME"`` for a convolutional timm model.
    weights : {"imagenet", "random"} or path
        What it starts from; of a file or a run the head is dropped.
    fold : int
        The fold held out.
    inner_fold : bool
        Keep the fold after it (after the last: the first) out of training as well, for choices.
    seed : int >= 0
        Reaches every draw of the training: random weights, head, batch order, augmentation.
    recipe : {"quick", "paper", "paper-scratch"} or path
        How to train.
    changes : mapping
        Single recipe values, e.g. ``{"epochs": 3}``; None leaves a value as it is.

    Examples
    --------
    >>> FitOptions(data="ESC-50-master", fold=4, changes={"epochs": 3}).backbone
    'efficientnet_lite0'
    """

    data: Path | str | None = None
    backbone: str = DEFAULT_BACKBONE
    weights: Path | str = "imagenet"
    fold: int = 1
    inner_fold: bool = False
    seed: int = 0
    recipe: Path | str = "quick"
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Definition:
    """A training as it is defined, before any image is computed.

    Parameters
    ----------
    config : FitConfig
        Treatment ``full``, or ``random`` without starting weights.
    dataset : Dataset
    source : DataSource
        How to open it again.
    starting : StartingWeights
        Loaded into `model` already.
    model : BlockedCNN
        At its start.
    """

    config: FitConfig
    dataset: Dataset
    source: DataSource
    starting: StartingWeights
    model: BlockedCNN


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A training that could begin: its definition, its material, and the network at its start.

    Parameters
    ----------
    config : FitConfig
        Treatment ``full``, or ``random`` without starting weights.
    material : Material
        Data set and images.
    starting : StartingWeights
        Loaded into `model` already.
    model : BlockedCNN
        At its start.
    """

    config: FitConfig
    material: Material
    starting: StartingWeights
    model: BlockedCNN


def load_material(options: FitOptions, *, progress: bool | None = None) -> Material:
    """Open a data set and compute its images, or find them in the cache.

    Raises
    ------
    DataError
        If the data set or a recording cannot be used.
    """
    dataset, source, settings = _open(options)
    images = load_images(dataset, settings, progress=progress)
    return Material(dataset=dataset, source=source, settings=settings, images=images)


def reload_material(
    run: Run, *, data: Path | str | None = None, to_train: bool = False, progress: bool | None = None
) -> Material:
    """Open a run's data set again, from `data` where it has moved, with the run's image settings.

    With `to_train`, the stored variants that its recipe trains on are there as well.

    Raises
    ------
    DataError
        If it is gone or holds other clips.
    """
    settings, recipe = run.config.image, run.config.recipe
    dataset = run.source.open(Path(data) if data is not None else None, channel=settings.channel)
    images = load_images(dataset, settings, progress=progress)
    if not to_train:
        return Material(dataset=dataset, source=run.source, settings=settings, images=images)
    variants = _variants(dataset, settings, recipe, source=run.source, progress=progress)
    leaks = known_leaks(dataset, channel=settings.channel, progress=progress)
    return Material(
        dataset=dataset, source=run.source, settings=settings, images=images, variants=variants, leaks=leaks
    )


def define(options: FitOptions) -> Definition:
    """Check all options, open the data, and build the network at its start.

    Raises
    ------
    ParameterError, DataError, CheckpointError
        For wrong values, unusable data, unusable weights.
    """
    recipe = load_recipe(options.recipe, changes=options.changes)
    check_features(recipe, options.features, short=options.short)
    dataset, source, settings = _open(options)
    dataset.split(options.fold)  # cheap checks first: the images may take minutes
    shape = (3, settings.n_mels, settings.width)
    model = build(options.backbone, n_classes=len(dataset.classes), seed=options.seed, image_shape=shape)
    starting = read_weights(options.weights, model=model)
    for line in starting.report:
        _log.info("%s", line)
    if starting.state is not None:
        model.load_original_state(starting.state, head=False)
    config = FitConfig(
        backbone=options.backbone,
        init=starting.init,
        init_digest=starting.digest,
        fold=options.fold,
        inner_fold=dataset.inner_fold(options.fold, wanted=options.inner_fold),
        seed=options.seed,
        treatment="random" if starting.state is None else "full",
        data_hash=dataset.content_hash,
        classes=dataset.classes,
        image=settings,
        recipe=recipe,
    )
    return Definition(config=config, dataset=dataset, source=source, starting=starting, model=model)


def prepare(options: FitOptions, *, progress: bool | None = None) -> Prepared:
    """Define a training, and compute the images of its data set or find them in the cache.

    Raises
    ------
    ParameterError, DataError, CheckpointError
        As `define`; or a recording cannot be used.
    """
    found = define(options)
    dataset, settings, source = found.dataset, found.config.image, found.source
    n_held_out = sum(clip.fold == options.fold for clip in dataset.clips)
    counts = f"{len(dataset.clips)} clips, {len(dataset.classes)} classes"
    _log.info("%s: %s; fold %d (%d clips) is held out", dataset.name, counts, options.fold, n_held_out)
    images = load_images(dataset, settings, progress=progress)
    variants = _variants(dataset, settings, found.config.recipe, source=source, progress=progress)
    leaks = known_leaks(dataset, channel=settings.channel, progress=progress)
    material = Material(
        dataset=dataset, source=source, settings=settings, images=images, variants=variants, leaks=leaks
    )
    return Prepared(config=found.config, material=material, starting=found.starting, model=found.model)


def _open(options: FitOptions) -> tuple[Dataset, DataSource, ImageSettings]:
    """Open a data set, without computing its images."""
    path = Path(options.data) if options.data is not None else None
    how = narrowed(options, DataOptions)
    dataset = open_dataset(path, how, channel=options.channel)
    if dataset.note:
        _log.info("%s: %s", dataset.name, dataset.note)
    settings = default_settings(dataset, narrowed(options, ImageOptions))
    where = str(path.resolve()) if path is not None else None
    if how.folds_file is not None:
        how = dataclasses.replace(how, folds_file=str(Path(how.folds_file).resolve()))
    source = DataSource(path=where, options=how, **dataset.describe())
    return dataset, source, settings


def _variants(
    dataset: Dataset, settings: ImageSettings, recipe: Recipe, *, source: DataSource, progress: bool | None
) -> tuple[Images, ...]:
    """Return the stored variants of a recipe. They belong to the data, so trainings of other seeds share them."""
    return load_variants(
        dataset,
        settings,
        n=recipe.variants,
        pitch_semitones=recipe.pitch_semitones,
        stretch=recipe.stretch,
        seed=source.options.data_seed,
        progress=progress,
    )
