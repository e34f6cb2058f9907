"""The space file: one training, and the recipe values of it that are searched, as YAML.

::

    data: ../ESC-50              # from this file's folder; without it, the built-in clips
    network: efficientnet_lite0
    init: imagenet
    fold: 1                      # held out, and never looked at; choices are made on the fold after it
    seed: 0
    treatment: full              # or one with a block: {freeze: {blocks: [block2]}}
    recipe: quick
    changes: {epochs: 3}
    space:
      lr: {low: 1.0e-5, high: 1.0e-2, log: true}
      label_smoothing: {low: 0.0, high: 0.2}
      batch_size: [16, 32, 64]   # a choice
"""

import dataclasses
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from tlprobe.audio.settings import Features, Short
from tlprobe.backbones.registry import DEFAULT_BACKBONE, family_of
from tlprobe.data.options import DataOptions
from tlprobe.errors import ParameterError
from tlprobe.studies.study_file import Study, TreatmentSpec, from_file_folder
from tlprobe.train.recipe import RECIPES, Recipe, check_features, explain_validation, load_recipe
from tlprobe.yaml_file import load_yaml

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

__all__ = ["Range", "Space", "load_space"]

_STRICT = ConfigDict(frozen=True, extra="forbid")
_CORNERS = 1024  # combinations of ends that are tried at load

Value = bool | int | float | str


class Range(BaseModel):
    """An interval that is drawn from, ends included; of a whole number, whole numbers.

    Attributes
    ----------
    low, high : float
        ``low`` < ``high``.
    log : bool
        Draw uniformly in the logarithm; ``low`` is positive then.
    """

    model_config = _STRICT

    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    log: bool = False

    @model_validator(mode="after")
    def _has_an_inside(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(f"low={self.low:g} must be less than high={self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low={self.low:g} has no logarithm")
        return self


def _searchable(name: str) -> str:
    if name not in Recipe.model_fields:
        raise ValueError(f"no recipe value; choose from {', '.join(Recipe.model_fields)}")
    if name == "epochs":
        raise ValueError("trials are compared at equal epochs; fix their number in changes")
    if name == "milestones":
        raise ValueError("a list of epochs cannot be searched; fix it in changes")
    return name


def _kind(value: Any) -> str | None:
    if isinstance(value, dict | Range):
        return "range"
    return "choice" if isinstance(value, list | tuple) else None


_Choice = Annotated[tuple[Value, ...], Field(min_length=1)]
_Parameter = Annotated[
    Annotated[Range, Tag("range")] | Annotated[_Choice, Tag("choice")],
    Discriminator(
        _kind,
        custom_error_type="parameter",
        custom_error_message="must be a table with low and high, or a list of choices",
    ),
]


class Space(BaseModel):
    """One training, and what is searched of its recipe.

    Attributes
    ----------
    data, data_options, sr, clip_s, width, short, channel, features, recipe, changes
        As in `tlprobe.studies.study_file.Study`.
    network, init, fold, seed, treatment
        One of each.
    space : dict
        Recipe value -> `Range`, or a tuple of choices.
    """

    model_config = _STRICT

    data: Path | None = None
    data_options: DataOptions = DataOptions()
    sr: int | None = None
    clip_s: float | None = None
    width: int | None = None
    short: Short = "silence"
    channel: int | None = None
    features: Features = "log-mel3"
    network: str = DEFAULT_BACKBONE
    init: str = "imagenet"
    fold: int = 1
    seed: int = Field(default=0, ge=0)
    treatment: TreatmentSpec = TreatmentSpec(treatment="full")
    recipe: str = "quick"
    changes: dict[str, Any] = Field(default_factory=dict)
    space: dict[Annotated[str, AfterValidator(_searchable)], _Parameter] = Field(min_length=1)

    @field_validator("network")
    @classmethod
    def _is_known(cls, name: str) -> str:
        family_of(name)
        return name

    @field_validator("treatment")
    @classmethod
    def _is_one_training(cls, spec: TreatmentSpec) -> TreatmentSpec:
        if spec.treatment not in ("full", "random") and (spec.blocks == "all" or len(spec.blocks) != 1):
            raise ValueError(f"{spec.treatment} is one training a block; name one: blocks: [...]")
        return spec

    @model_validator(mode="after")
    def _starts_from_something_to_treat(self) -> "Space":
        if self.treatment.treatment in ("fuse", "freeze") and self.init == "random":
            raise ValueError(f"{self.treatment.treatment} needs a pretrained start; init is random")
        return self

    @model_validator(mode="after")
    def _values_are_of_the_recipe(self) -> "Space":
        both = [
            f"{name} stands in changes and in space; leave one of them out"
            for name in self.space
            if name in self.changes
        ]
        unfit = [problem for name, item in self.space.items() for problem in _unfit(name, item)]
        if problems := [*both, *unfit] or self._wrong_ends():
            raise ValueError("; ".join(problems))
        return self

    def _wrong_ends(self) -> list[str]:
        """Say which ends and choices no recipe takes, or why none of them goes with the others.

        Of combinations, some may not go together: the search tells of those when they come.
        """
        first = {name: _ends(item)[0] for name, item in self.space.items()}
        alone = [{**first, name: end} for name, item in self.space.items() for end in _ends(item)]
        if problems := {problem: None for values in alone for problem in self._refused(values, of_values=True)}:
            return list(problems)
        if self.example is None:
            return [f"no combination of ends and choices is a recipe: {self._refused(first)[0]}"]
        return []

    @property
    def example(self) -> dict[str, Any] | None:
        """The first combination of ends and choices that is a recipe; None where that is none of them."""
        corners = itertools.product(*(_ends(item) for item in self.space.values()))
        together = (dict(zip(self.space, corner, strict=True)) for corner in itertools.islice(corners, _CORNERS))
        return next((values for values in together if not self._refused(values)), None)

    def _refused(self, values: Mapping[str, Any], *, of_values: bool = False) -> list[str]:
        """Return why values are no recipe; only what is wrong with single ones if `of_values`."""
        try:
            self.recipe_of(values)
        except ParameterError as error:
            if not isinstance(error.__cause__, ValidationError):  # there is no such recipe
                return [str(error)]
            return [
                f"{'.'.join(map(str, item['loc']))}: {item['msg']} (given: {item['input']!r})"
                if item["loc"]
                else item["msg"].removeprefix("Value error, ")
                for item in error.__cause__.errors()
                if item["loc"] or not of_values
            ]
        return []

    def recipe_of(self, values: Mapping[str, Any]) -> Recipe:
        """Return a trial's recipe.

        Raises
        ------
        ParameterError
            If the values don't go together.
        """
        recipe = load_recipe(self.recipe, changes={**self.changes, **values})
        check_features(recipe, self.features, short=self.short)
        return recipe

    def study(self, values: Mapping[str, Any]) -> Study:
        """Return the study that is one trial; its inner fold is the one that is chosen on."""
        same = ("data", "sr", "clip_s", "width", "short", "channel", "recipe")
        return Study(
            data_options=dataclasses.replace(self.data_options, data_split=None),
            data_splits=(self.data_options.data_split,),
            features=(self.features,),
            networks=(self.network,),
            inits=(self.init,),
            folds=(self.fold,),
            seeds=(self.seed,),
            treatments=(self.treatment,),
            inner_fold=True,
            changes={**self.changes, **values},
            **{name: getattr(self, name) for name in same},
        )

    def distributions(self) -> "dict[str, BaseDistribution]":
        """Return what Optuna draws from."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        found: dict[str, BaseDistribution] = {}
        for name, item in self.space.items():
            if not isinstance(item, Range):
                found[name] = CategoricalDistribution(item)
            elif int in _types(name):
                found[name] = IntDistribution(int(item.low), int(item.high), log=item.log)
            else:
                found[name] = FloatDistribution(item.low, item.high, log=item.log)
        return found

    def absolute(self) -> "Space":
        """Return the same with paths that do not depend on the working folder."""
        changes: dict[str, Any] = {}
        if self.data is not None:
            changes["data"] = Path(os.path.abspath(self.data))
        for name, known in (("init", ("imagenet", "random")), ("recipe", RECIPES)):
            if getattr(self, name) not in known:
                changes[name] = os.path.abspath(getattr(self, name))
        return self.model_copy(update=changes)


def load_space(file: Path | str) -> Space:
    """Read a space file; everything wrong in it is told at once.

    Parameters
    ----------
    file : path
        YAML. Relative paths in it, of ``data``, ``init`` and ``recipe``, count from its folder.

    Raises
    ------
    ParameterError
        If it cannot be read, or values are wrong.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "space.yaml"
    ...     _ = file.write_text("{fold: 2, space: {lr: {low: 1.0e-4, high: 1.0e-2, log: true}}}")
    ...     space = load_space(file)
    >>> space.fold
    2
    """
    file = Path(file)
    values = load_yaml(file, kind="space")
    for name in ("data", "init", "recipe"):
        if name in values:
            values[name] = from_file_folder(file, values[name])
    options = values.get("data_options")
    if isinstance(options, dict) and "folds_file" in options:
        values["data_options"] = {**options, "folds_file": from_file_folder(file, options["folds_file"])}
    try:
        return Space(**values)
    except ValidationError as error:
        raise ParameterError(f"space {file}: {explain_validation(error, choices=Space.model_fields)}") from error


def _types(name: str) -> tuple[Any, ...]:
    annotation = Recipe.model_fields[name].annotation
    return (annotation, *get_args(annotation))


def _ends(item: Any) -> tuple[Any, ...]:
    return (item.low, item.high) if isinstance(item, Range) else item


def _unfit(name: str, item: Any) -> list[str]:
    """Say what a range or choices have that the recipe value is not drawn from."""
    is_whole, is_number = int in _types(name), int in _types(name) or float in _types(name)
    if not isinstance(item, Range):
        twice = [f"{name} names a choice twice"] if len(set(item)) < len(item) else []
        texts = [value for value in item if is_number and isinstance(value, str)]
        return twice + [f"{name}: {value!r} is text to YAML; a number is written as 1.0e-4" for value in texts]
    if not is_number:
        return [f"{name} has no range; list its choices"]
    if is_whole and not (item.low.is_integer() and item.high.is_integer()):
        return [f"{name} is a whole number; so are low and high"]
    return []
