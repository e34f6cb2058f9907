"""The study file: an experiment grid that a person writes down, as YAML.

::

    data: ../ESC-50              # from this file's folder; without it, the built-in clips
    networks: [efficientnet_lite0]
    inits: [imagenet, random]    # random takes part in full and cutoff: there is nothing to fuse or freeze
    folds: [4]                   # or all
    seeds: [0, 1]
    features: [log-mel3, mfcc]   # what the network is shown
    data_splits: [paper, artists]  # of a data set with several
    treatments:
      - full
      - fuse                     # the whole sweep
      - fuse: {shape: single, rest: matched, blocks: [block2, block3]}
      - freeze: {partition: params, parts: 4}
      - cutoff: {blocks: [block2, block3]}
    recipe: quick
    changes: {epochs: 3}
    engine: {name: local, jobs: 2}
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tlprobe.audio.settings import Features, Short
from tlprobe.backbones.partition import Partition, partition_of
from tlprobe.backbones.registry import DEFAULT_BACKBONE, family_of
from tlprobe.data.options import DataOptions
from tlprobe.display import card, plain
from tlprobe.errors import ParameterError
from tlprobe.probes.fuse import Rest
from tlprobe.probes.selection import Shape
from tlprobe.studies.engine import Engine
from tlprobe.train.config import TREATMENTS, Treatment
from tlprobe.train.recipe import RECIPES, check_features, explain_validation, load_recipe
from tlprobe.yaml_file import load_yaml

__all__ = ["Study", "TreatmentSpec", "from_file_folder", "load_study"]

_STRICT = ConfigDict(frozen=True, extra="forbid")


class TreatmentSpec(BaseModel):
    """One entry of ``treatments``: a level, or a sweep over blocks.

    Attributes
    ----------
    treatment : {"full", "random", "fuse", "freeze", "cutoff"}
    blocks : "all" or tuple of str
        Values of the sweep; ``none`` is one, for fuse and freeze.
    shape, rest
        See `tlprobe.probes.selection` and `tlprobe.probes.fuse`.
    partition : {"blocks", "params", "macs", "layers"}
        The named blocks, or parts of equal size.
    parts : int >= 2 or None
        How many parts.
    """

    model_config = _STRICT

    treatment: Treatment
    blocks: Literal["all"] | tuple[str, ...] = "all"
    shape: Shape = "prefix"
    rest: Rest = "random"
    partition: Literal["blocks", "params", "macs", "layers"] = "blocks"
    parts: int | None = Field(default=None, ge=2)

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, value: Any) -> Any:
        if isinstance(value, dict) and "treatment" in value:  # as a study is handed to a worker process
            return value
        if isinstance(value, str):
            value = {value: {}}
        if not isinstance(value, dict) or len(value) != 1:
            raise ValueError("must be the name of a treatment, or one name with a table of values")
        [(treatment, values)] = value.items()
        if treatment not in TREATMENTS:
            raise ValueError(f"unknown treatment; choose from {', '.join(TREATMENTS)}")
        if not isinstance(values or {}, dict):
            raise ValueError(f"{treatment} needs a table of values")
        return {"treatment": treatment, **(values or {})}

    @model_validator(mode="after")
    def _has_nothing_that_means_nothing(self) -> "TreatmentSpec":
        given = self.model_fields_set - {"treatment"}
        allowed = {
            "full": set(),
            "random": set(),
            "cutoff": {"blocks"},
            "freeze": {"blocks", "shape", "partition", "parts"},
            "fuse": {"blocks", "shape", "rest", "partition", "parts"},
        }[self.treatment]
        if given - allowed:
            raise ValueError(f"{self.treatment} takes {', '.join(sorted(allowed)) or 'no values'}")
        if not self.blocks:
            raise ValueError("blocks is empty")
        partition_of(self.partition, self.parts)
        return self

    @property
    def divided(self) -> Partition | None:
        """The partition; None for named blocks."""
        return partition_of(self.partition, self.parts)


class Study(BaseModel):
    """A grid of trainings.

    Attributes
    ----------
    data : Path or None
        The data set's folder; None for the built-in clips.
    inner_fold : bool
        Every trial keeps the fold after the scored one out of training, and chooses its epoch there.
    data_options : DataOptions
        How the data set is read.
    sr, clip_s, width, short, channel
        As in `tlprobe.train.material.FitOptions`.
    networks, inits, folds, seeds, features, data_splits, treatments
        The grid. ``folds`` may be ``"all"``: of each split its own. A split of None is the data set's first,
        and alone.
    recipe : str
        A named recipe, or a file's path.
    changes : dict
        Single recipe values.
    engine : Engine

    Examples
    --------
    >>> Study(networks=["resnet18"], inits=["random"], seeds=[0, 1], treatments=["full"])  # doctest: +ELLIPSIS
    Study(data: built-in clips; networks: resnet18; inits: random; folds: 1; seeds: 0, 1; ...; treatments: full)
    """

    model_config = _STRICT

    data: Path | None = None
    data_options: DataOptions = DataOptions()
    inner_fold: bool = False
    sr: int | None = None
    clip_s: float | None = None
    width: int | None = None
    short: Short = "silence"
    channel: int | None = None
    networks: tuple[str, ...] = Field(default=(DEFAULT_BACKBONE,), min_length=1)
    inits: tuple[str, ...] = Field(default=("imagenet",), min_length=1)
    folds: Literal["all"] | Annotated[tuple[int, ...], Field(min_length=1)] = (1,)
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(0,), min_length=1)
    features: tuple[Features, ...] = Field(default=("log-mel3",), min_length=1)
    data_splits: tuple[str | None, ...] = Field(default=(None,), min_length=1)
    treatments: tuple[TreatmentSpec, ...] = Field(min_length=1)
    recipe: str = "quick"
    changes: dict[str, Any] = Field(default_factory=dict)
    engine: Engine = Engine()

    @field_validator("folds", mode="before")
    @classmethod
    def _folds_are_a_list_or_all(cls, values: Any) -> Any:
        if values != "all" and not isinstance(values, list | tuple):
            raise ValueError("must be a list of folds, or all")
        return values

    @field_validator("networks", "inits", "folds", "seeds", "features", "data_splits")
    @classmethod
    def _names_nothing_twice(cls, values: Any) -> Any:
        if values != "all" and len(set(values)) < len(values):
            raise ValueError("names something twice")
        return values

    @field_validator("networks")
    @classmethod
    def _are_known(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for name in values:
            family_of(name)
        return values

    @model_validator(mode="after")
    def _recipe_is_one(self) -> "Study":
        recipe = load_recipe(self.recipe, changes=self.changes)
        for features in self.features:
            check_features(recipe, features, short=self.short)
        return self

    @field_validator("data_splits")
    @classmethod
    def _the_first_split_is_named(cls, value: tuple[str | None, ...]) -> tuple[str | None, ...]:
        if None in value and len(value) > 1:
            raise ValueError("null is the data set's first split; beside others it must be named")
        return value

    @model_validator(mode="after")
    def _splits_are_in_one_place(self) -> "Study":
        if (split := self.data_options.data_split) is not None:
            raise ValueError(f"data_options has a data_split; a study has data_splits: [{split}]")
        return self

    @model_validator(mode="after")
    def _sweeps_have_a_pretrained_start(self) -> "Study":
        sweeps = sorted({item.treatment for item in self.treatments} & {"fuse", "freeze"})
        if sweeps and set(self.inits) == {"random"}:
            raise ValueError(f"{' and '.join(sweeps)} need a pretrained start; inits has random alone")
        return self

    def __repr__(self) -> str:
        return f"Study({'; '.join(self._facts())})"

    def _repr_html_(self) -> str:
        """Show the study in a notebook: its grid. Which trials it makes depends on files that this does not open."""
        return card("Study", [*self._facts(), "its points, and how far they are: tlprobe.study_status(study)"])

    def _facts(self) -> list[str]:
        """Return the grid, a line a side of it."""
        sides: dict[str, Sequence[object]] = {
            "data": ["built-in clips" if self.data is None else self.data.name],
            "networks": self.networks,
            "inits": self.inits,
            "folds": [self.folds] if self.folds == "all" else self.folds,
            "seeds": self.seeds,
            "features": self.features,
            "data_splits": [split for split in self.data_splits if split is not None],
            "treatments": [item.treatment for item in self.treatments],
        }
        return [f"{name}: {', '.join(map(plain, values))}" for name, values in sides.items() if values]


def load_study(file: Path | str) -> Study:
    """Read a study file; everything wrong in it is told at once.

    Parameters
    ----------
    file : path
        YAML. Relative paths in it, of ``data``, ``inits`` and ``recipe``, count from its folder.

    Raises
    ------
    ParameterError
        If it cannot be read, or values are wrong.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "study.yaml"
    ...     _ = file.write_text("{networks: [efficientnet_lite0], seeds: [0, 1], treatments: [full, freeze]}")
    ...     study = load_study(file)
    >>> study.seeds
    (0, 1)
    """
    file = Path(file)
    values = load_yaml(file, kind="study")
    for name in ("data", "recipe"):
        if name in values:
            values[name] = from_file_folder(file, values[name])
    if isinstance(values.get("inits"), list):
        values["inits"] = [from_file_folder(file, init) for init in values["inits"]]
    options = values.get("data_options")
    if isinstance(options, dict) and "folds_file" in options:
        values["data_options"] = {**options, "folds_file": from_file_folder(file, options["folds_file"])}
    try:
        return Study(**values)
    except ValidationError as error:
        raise ParameterError(f"study {file}: {explain_validation(error, choices=Study.model_fields)}") from error


def from_file_folder(file: Path, value: Any) -> Any:
    """Return a path of the file as seen from here; names that stand for no file, and what is no text, as they are."""
    if not isinstance(value, str) or value in ("imagenet", "random", *RECIPES):
        return value
    return os.path.normpath(file.parent / Path(value).expanduser())
