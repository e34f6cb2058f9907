"""Recipes: how a network is trained, as named YAML files in the package or the user's own.

Precedence: the recipe's file, then single values (flags). Everything wrong is listed at once.
"""

from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from tlprobe.audio.settings import FEATURES, Features, Short
from tlprobe.data.augment import Augmentation, refuse_switch
from tlprobe.errors import ParameterError
from tlprobe.yaml_file import load_yaml, parse_yaml

__all__ = ["RECIPES", "Recipe", "check_features", "explain_validation", "load_recipe"]

RECIPES = ("quick", "paper", "paper-scratch")

_OF_LOG_POWER = ("gain_db", "noise_snr_db", "mel_shift", "freq_masks")  # freq_mask_rows goes with freq_masks


class Recipe(Augmentation):
    """One way to train. The values of `Augmentation` belong to it as well.

    Attributes
    ----------
    epochs : int >= 1
        Passes over the training clips.
    batch_size : int >= 2
        Clips a step; batch-norm needs two.
    optimizer : {"adam", "adamw", "sgd"}
        Adam adds the weight decay to the gradient, AdamW decouples it; SGD has momentum 0.9.
    lr : float > 0
        Learning rate; its peak for ``onecycle``.
    weight_decay : float >= 0
        Applies to all weights.
    schedule : {"constant", "step", "multistep", "onecycle"}
        ``step``: times `gamma` every `step_epochs`; ``multistep``: times `gamma` at each of `milestones`
        (epochs); ``onecycle``: torch's OneCycleLR over all steps.
    label_smoothing : float in [0, 1)
        For the training loss.
    variants : int >= 0
        Stored variants of each training clip, by pitch and tempo; each epoch takes the original or one of them.
    pitch_semitones : float >= 0
        A variant's pitch is shifted by up to so much, up or down.
    stretch : float in [0, 0.5]
        A variant's tempo is up to 1 + `stretch` times as fast, or as slow.
    stored_views : int >= 0
        Draw the augmentation beforehand, so many views of each clip, the same for all seeds; each epoch takes one
        of them. 0: anew in each epoch. With it the output of frozen blocks can be computed once, see
        `tlprobe.train.prefix`; mixup, which mixes clips of a batch, cannot be stored.
    normalize : {"channel", "none"}
        ``channel``: zero mean and unit variance per channel, statistics of the training clips.
    """

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    optimizer: Literal["adam", "adamw", "sgd"]
    lr: float = Field(gt=0, allow_inf_nan=False)
    weight_decay: float = Field(ge=0, allow_inf_nan=False)
    schedule: Literal["constant", "step", "multistep", "onecycle"]
    step_epochs: int | None = Field(default=None, ge=1)
    milestones: tuple[Annotated[int, Field(ge=1)], ...] = ()
    gamma: float = Field(default=0.1, gt=0, le=1)
    label_smoothing: float = Field(ge=0, lt=1)
    variants: int = Field(default=0, ge=0)
    pitch_semitones: float = Field(default=0.0, ge=0, le=24, allow_inf_nan=False)
    stretch: float = Field(default=0.0, ge=0, le=0.5, allow_inf_nan=False)
    stored_views: int = Field(default=0, ge=0)
    normalize: Literal["channel", "none"]

    _more_numbers = field_validator(
        "epochs",
        "batch_size",
        "lr",
        "weight_decay",
        "step_epochs",
        "gamma",
        "label_smoothing",
        "variants",
        "pitch_semitones",
        "stretch",
        "stored_views",
        mode="before",
    )(refuse_switch)

    @model_validator(mode="after")
    def _variants_have_something_to_vary(self) -> "Recipe":
        if self.variants and not (self.pitch_semitones or self.stretch):
            raise ValueError("variants need pitch_semitones or stretch, else all are the original")
        if (self.pitch_semitones or self.stretch) and not self.variants:
            raise ValueError("pitch_semitones and stretch need variants, the number of stored ones")
        return self

    @model_validator(mode="after")
    def _stored_views_are_of_single_clips(self) -> "Recipe":
        if self.stored_views and self.mixup:
            raise ValueError("mixup mixes the clips of a batch, which stored_views cannot store; turn one of them off")
        if (
            self.stored_views
            and not self.variants
            and not any(getattr(self, name) != field.default for name, field in Augmentation.model_fields.items())
        ):
            raise ValueError("stored_views need an augmentation or variants, else all are the original")
        return self

    @model_validator(mode="after")
    def _schedule_has_its_values(self) -> "Recipe":
        if self.schedule == "step" and self.step_epochs is None:
            raise ValueError("schedule 'step' needs step_epochs")
        if self.schedule == "multistep" and not self.milestones:
            raise ValueError("schedule 'multistep' needs milestones")
        return self

    @property
    def augmentation(self) -> Augmentation:
        """What is done to each batch of images."""
        return Augmentation(**{name: getattr(self, name) for name in Augmentation.model_fields})


def load_recipe(recipe: str | Path = "quick", *, changes: Mapping[str, Any] | None = None) -> Recipe:
    """Return a recipe by name or from a YAML file, with single values changed.

    Parameters
    ----------
    recipe : str or Path
        One of ``RECIPES``, or a YAML file. An own file may start from a named recipe with the key
        ``base``.
    changes : mapping, optional
        Values that replace those of the file; None means "as in the file".

    Raises
    ------
    ParameterError
        If there is no such recipe, or values are wrong: all of them are listed.

    Examples
    --------
    >>> load_recipe("paper").lr
    0.0001
    >>> load_recipe("quick", changes={"epochs": 3}).epochs
    3
    """
    values = _read(recipe)
    if "base" in values:
        values = {**_read_base(values.pop("base"), source=recipe), **values}
    values |= {name: value for name, value in (changes or {}).items() if value is not None}
    try:
        return Recipe(**values)
    except ValidationError as error:
        raise ParameterError(f"recipe {recipe}: {explain_validation(error, choices=Recipe.model_fields)}") from error


def check_features(recipe: Recipe, features: Features, *, short: Short = "silence") -> None:
    """Refuse augmentation that means nothing for what is shown.

    Gain and noise are sums of power, and a shift or a mask along frequency needs rows that are frequencies; where
    short clips are stretched to the width of the image, another tempo is undone.

    Raises
    ------
    ParameterError
        If `features` are ``mfcc`` and the recipe uses one of these; all of them are named. If short clips are
        stretched and the recipe has another tempo.
    """
    if short == "stretch" and recipe.variants and recipe.stretch:
        raise ParameterError(
            f"short=stretch resizes what stretch={recipe.stretch:g} of the recipe makes longer or shorter back to the "
            "same width; turn one of them off"
        )
    if features != "mfcc":
        return
    defaults = Recipe.model_fields
    used = {name: getattr(recipe, name) for name in _OF_LOG_POWER if getattr(recipe, name) != defaults[name].default}
    if used:
        given = ", ".join(f"{name}={value:g}" for name, value in used.items())
        others = ", ".join(name for name in FEATURES if name != features)
        raise ParameterError(
            f"features={features} has coefficients as rows, which {given} of the recipe cannot change in a way that "
            f"means anything; turn that off, or take {others}"
        )


def explain_validation(error: ValidationError, *, choices: Iterable[str] = ()) -> str:
    """Return all problems of a pydantic validation in one line; `choices` are shown for an unknown name."""
    problems = []
    for item in error.errors():
        where = ".".join(map(str, item["loc"]))
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden" and choices:
            message = f"unknown name; choose from {', '.join(choices)}"
        given = f" (given: {item['input']!r})" if where and item["type"] != "missing" else ""
        problems.append(f"{where}: {message}{given}" if where else message)
    return "; ".join(problems)


def _read(recipe: str | Path) -> dict[str, Any]:
    if recipe in RECIPES:
        text = resources.files("tlprobe.train").joinpath("recipes", f"{recipe}.yaml").read_text(encoding="utf-8")
        return parse_yaml(text, source=f"recipe {recipe}")
    try:
        is_file = Path(recipe).is_file()
    except OSError as error:  # a name that is too long for one
        raise ParameterError(f"recipe {recipe} cannot be read: {error}") from error
    if not is_file:
        raise ParameterError(f"recipe {str(recipe)!r} is unknown; choose from {', '.join(RECIPES)}, or a YAML file")
    return load_yaml(Path(recipe), kind="recipe")


def _read_base(base: Any, *, source: str | Path) -> dict[str, Any]:
    if base not in RECIPES:
        raise ParameterError(f"recipe {source}: base={base!r}; choose from {', '.join(RECIPES)}")
    return _read(base)
