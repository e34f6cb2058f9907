"""Run directories: one training, whole, on disk.

========================  =====================================================================
``config.json``           what defines the run, its data set, its standardisation; a schema number
``init.safetensors``      the state before the first step
``weights.safetensors``   the state after the last epoch, original names: loads into timm/torchvision
``best.safetensors``      the state of the best epoch on the held-out fold (chosen on it: optimistic)
``epochs/0005.safetensors``  the state after epoch 5, when asked for
``history.csv``           one row an epoch
``predictions.csv``       one row a held-out clip: label, prediction, one probability a class
``held_out.safetensors``  logits of every held-out clip after every epoch, see `tlprobe.train.held_out`
``record.json``           the result; written last, so where it is, the run is finished
``resume/``               only while training: the last two states, see `tlprobe.train.states`
``manifest.json``         size and SHA-256 of each of these files; what is read is checked against it
========================  =====================================================================
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.registry import build
from tlprobe.data.loader import Standardiser
from tlprobe.data.options import DataOptions
from tlprobe.display import card, percent, plain
from tlprobe.errors import CheckpointError, DataError, ParameterError
from tlprobe.manifest import read_verified
from tlprobe.records import Record
from tlprobe.train.config import FitConfig
from tlprobe.train.data_source import DataSource
from tlprobe.train.held_out import HELD_OUT, HeldOut
from tlprobe.train.kept import epoch_name, kept_epochs
from tlprobe.train.predictions import Predictions
from tlprobe.train.recipe import explain_validation

__all__ = [
    "RUN_SCHEMA",
    "Run",
    "config_body",
    "is_finished",
    "read_config",
    "read_state",
    "standardiser_of",
    "state_bytes",
]

RUN_SCHEMA = 5
"""Version of the layout of a run directory; a reader refuses another one."""

StateName = Literal["init", "weights", "best"]


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Parameters
    ----------
    path : Path
        Its directory.
    config : FitConfig
        What defines it.
    source : DataSource
        Its data set.
    standardise : Standardiser
        From its training clips.

    Examples
    --------
    >>> import tlprobe
    >>> run = tlprobe.Run.load("runs/full")
    >>> run.config.backbone, run.image_shape
    ('timm/test_efficientnet', (3, 128, 100))
    >>> 0 <= run.record.rows[0]["accuracy"] <= 1
    True
    >>> list(run.model("init").blocks)
    ['stem', 'block1', 'block2', 'block3', 'block4']
    """

    path: Path
    config: FitConfig
    source: DataSource
    standardise: Standardiser

    @classmethod
    def load(cls, path: Path | str) -> "Run":
        """Read a finished run's directory.

        Raises
        ------
        CheckpointError
            If it is no run, unfinished, damaged or of another schema.
        """
        path = Path(path)
        if not path.is_dir():
            raise CheckpointError(f"{path} is no run directory (`tlprobe fit --out DIR` makes one)")
        body = read_config(path)
        if not is_finished(path):
            raise CheckpointError(f"{path} is an unfinished run; go on with the same `tlprobe fit` and --resume")
        try:
            config = FitConfig.model_validate(body["config"])
            source = DataSource(**{**body["data"], "options": DataOptions(**body["data"]["options"])})
        except ValidationError as error:
            raise CheckpointError(f"{path / 'config.json'}: {explain_validation(error)}") from error
        except (KeyError, TypeError, ParameterError) as error:
            raise CheckpointError(f"{path / 'config.json'} is incomplete: {error}") from error
        standardise = standardiser_of(body, source=path / "config.json")
        return cls(path=path, config=config, source=source, standardise=standardise)

    def __repr__(self) -> str:
        config = self.config
        what = f"{plain(config.backbone)} from {plain(config.init)}, {config.treatment}"
        return f"Run({plain(self.name)}: {what}, fold {config.fold}, seed {config.seed}; {self._score()})"

    def _repr_html_(self) -> str:
        """Show the run in a notebook: what was trained on what, its accuracy with its interval, its folder."""
        config = self.config
        blocks = f" ({', '.join(config.blocks)})" if config.blocks else ""
        facts = [
            f"{config.treatment}{blocks}, starting weights {plain(config.init)}, "
            f"{config.recipe.epochs} epochs, seed {config.seed}",
            f"{plain(self.source.name)}: {len(config.classes)} classes, fold {config.fold} held out",
            self._score(),
            plain(self.path, limit=200),
        ]
        return card(f"Run of {plain(config.backbone)}", facts)

    def _score(self) -> str:
        """Return the accuracy with its interval, or what is wrong with the record: a notebook still shows the rest."""
        try:
            row = self.record.rows[0]
            score = percent(row["accuracy"], row["ci_low"], row["ci_high"])
            return f"accuracy {score}, n = {row['n']}"
        except (CheckpointError, KeyError, TypeError) as error:
            return f"no accuracy to show: {plain(error, limit=200)}"

    @property
    def name(self) -> str:
        """Name of the directory, for tables."""
        return self.path.resolve().name

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one image: channels, n_mels, width."""
        return (3, self.config.image.n_mels, self.config.image.width)

    @property
    def record(self) -> Record:
        """The run's result.

        Raises
        ------
        CheckpointError
            If it is damaged or not that of a training.
        """
        read_verified(self.path, "record.json")
        try:
            record = Record.load(self.path)
        except DataError as error:
            raise CheckpointError(str(error)) from error
        if record.probe != "fit" or len(record.rows) != 1:
            raise CheckpointError(f"{self.path / 'record.json'} is of {record.probe}, not of one training")
        return record

    @property
    def kept_epochs(self) -> tuple[int, ...]:
        """Epochs whose state was kept in a file of its own, in order."""
        return kept_epochs(self.path)

    def state(self, name: StateName | int = "weights") -> dict[str, torch.Tensor]:
        """Return a stored state by original weight names; a number is a kept epoch, or the last.

        Raises
        ------
        CheckpointError
            If the file is missing or damaged, or the epoch was not kept.
        """
        if name == self.config.recipe.epochs:
            name = "weights"
        if not isinstance(name, int):
            return read_state(self.path, f"{name}.safetensors")
        if name not in self.kept_epochs:
            kept = ", ".join(map(str, self.kept_epochs)) or "none; `tlprobe fit --keep-epochs` keeps them"
            raise CheckpointError(f"{self.path} has no state of epoch {name}; it kept {kept}")
        return read_state(self.path, epoch_name(name))

    def model(self, name: StateName | int = "weights") -> BlockedCNN:
        """Rebuild the network with a stored state, see `state`, in evaluation mode."""
        config = self.config
        model = build(
            config.backbone,
            n_classes=len(config.classes),
            seed=config.seed,
            image_shape=self.image_shape,
            cut_after=config.blocks[-1] if config.treatment == "cutoff" else None,
            partition=config.partition,
        )
        model.load_original_state(self.state(name), head=True)
        return model.eval()

    def predictions(self) -> Predictions:
        """Read what the run says of its held-out clips.

        Raises
        ------
        CheckpointError
            If the table is missing or damaged.
        """
        read_verified(self.path, "predictions.csv")
        return Predictions.read(self.path / "predictions.csv", classes=self.config.classes)

    def held_out(self) -> HeldOut:
        """Read what the run said of its held-out clips after every epoch.

        Raises
        ------
        CheckpointError
            If the file is missing or damaged.
        """
        return HeldOut.from_bytes(read_verified(self.path, HELD_OUT), source=str(self.path / HELD_OUT))


def is_finished(path: Path) -> bool:
    """Say whether a run directory holds a finished run."""
    return (path / "record.json").is_file() and (path / "config.json").is_file()


def config_body(config: FitConfig, *, source: DataSource, standardise: Standardiser) -> dict[str, Any]:
    """Return what ``config.json`` of a run directory holds."""
    return {
        "schema": RUN_SCHEMA,
        "config": config.model_dump(mode="json"),
        "data": dataclasses.asdict(source),
        "standardise": dataclasses.asdict(standardise),
    }


def read_config(path: Path) -> dict[str, Any]:
    """Read ``config.json`` of a run directory, finished or not.

    Raises
    ------
    CheckpointError
        If it is missing, damaged or of another schema.
    """
    file = path / "config.json"
    if not file.is_file():
        raise CheckpointError(f"{path} is no run directory: it has no config.json")
    try:
        body = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} is damaged: {error}") from error
    if not isinstance(body, dict) or body.get("schema") != RUN_SCHEMA:  # first: older ones have no manifest
        schema = body.get("schema") if isinstance(body, dict) else None
        raise CheckpointError(f"{file} has schema {schema!r}; this tlprobe reads {RUN_SCHEMA}")
    read_verified(path, "config.json")
    return body


def standardiser_of(body: Mapping[str, Any], *, source: Path) -> Standardiser:
    """Return the standardisation that the body of a ``config.json`` holds; `source` names it in errors.

    Raises
    ------
    CheckpointError
        If that part of it is missing or damaged.
    """
    try:
        mean, std = (tuple(map(float, body["standardise"][name])) for name in ("mean", "std"))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{source} is incomplete: {type(error).__name__}: {error}") from error
    return Standardiser(mean, std)


def state_bytes(state: Mapping[str, torch.Tensor]) -> bytes:
    """Return a state as the content of a ``.safetensors`` file."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    return bytes(save(plain, metadata={"format": "pt"}))


def read_state(run: Path, name: str) -> dict[str, torch.Tensor]:
    """Read a ``.safetensors`` file of a run directory.

    Raises
    ------
    CheckpointError
        If it is missing, or not what was written.
    """
    try:
        return dict(load(read_verified(run, name)))
    except SafetensorError as error:
        raise CheckpointError(f"{run / name} is no safetensors file: {error}") from error
