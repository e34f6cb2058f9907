"""What the scripts in ``analyses/`` share: their options, their missing trainings, their outcome."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlprobe.cli.app import guarded_exit
from tlprobe.cli.options import Data, Debug, Device, Overwrite, Quiet, begin
from tlprobe.cli.output import claimed
from tlprobe.errors import ParameterError
from tlprobe.records import Record

if TYPE_CHECKING:
    from tlprobe.studies.sweeps import Levels

__all__ = ["Analysis", "run_analysis"]


@dataclasses.dataclass(frozen=True)
class Analysis:
    """What an analysis was asked for.

    Parameters
    ----------
    data : Path or None
        Of the trainings that are missing; of a run, where its data set has moved.
    backbone, folds, epochs
        Of the trainings that are missing.
    ckpt : tuple of Path
        Fully fine-tuned runs to use instead: they give data, network, fold and recipe.
    trials : Path
        Where trainings live.
    device : {"auto", "cpu", "cuda"}
        Where to train.
    progress : bool or None
        None shows bars on a terminal only.
    """

    data: Path | None
    backbone: str | None
    folds: tuple[int, ...]
    epochs: int | None
    ckpt: tuple[Path, ...]
    trials: Path
    device: str
    progress: bool | None

    def levels(self) -> "list[Levels]":
        """Return the pretrained and the random run of each checkpoint or fold; what is missing is trained."""
        from tlprobe.studies.sweeps import levels
        from tlprobe.train.material import FitOptions

        where = {"trials": self.trials, "device": self.device, "progress": self.progress}
        if self.ckpt:
            return [levels(run, data=self.data, **where) for run in self.ckpt]  # type: ignore[arg-type]
        options = FitOptions(data=self.data, changes={"epochs": self.epochs})
        if self.backbone is not None:
            options = dataclasses.replace(options, backbone=self.backbone)
        return [levels(options=dataclasses.replace(options, fold=fold), **where) for fold in self.folds]  # type: ignore[arg-type]


def run_analysis(
    analyse: Callable[[Analysis], Record],
    *,
    describe: Callable[[dict[str, Any]], str],
    name: str,
    probe: str,
    about: str | None,
) -> None:
    """Parse the common options, run an analysis, and leave its record and figure.

    Parameters
    ----------
    analyse : callable
        Takes the `Analysis`, gives its record.
    describe : callable
        Takes a row of the record, gives a line about it.
    name : str
        Of the figure, and of the folder in ``figures/`` that is the default of ``--out``.
    probe : str
        What the record is of.
    about : str or None
        The script's own docstring: the help text.
    """

    def command(
        *,
        data: Data = None,
        backbone: Annotated[
            str | None, typer.Option(help="Network of missing trainings. [default: efficientnet_lite0]")
        ] = None,
        folds: Annotated[
            str | None, typer.Option(help="Held-out folds of missing trainings, e.g. 1,2,3,4,5. [default: 1]")
        ] = None,
        epochs: Annotated[int | None, typer.Option(help="Epochs of missing trainings. [default: the recipe's]")] = None,
        ckpt: Annotated[list[Path], typer.Option(help="A fully fine-tuned run to use. Repeat for several.")] = [],  # noqa: B006
        trials: Annotated[Path, typer.Option(help="Where trainings live.")] = Path("runs/trials"),
        out: Annotated[Path, typer.Option(help="Folder for record and figure.")] = Path("figures") / name,
        device: Device = "auto",
        overwrite: Overwrite = False,
        quiet: Quiet = False,
        debug: Debug = False,
    ) -> None:
        given = {"--backbone": backbone, "--folds": folds, "--epochs": epochs}
        ignored = [option for option, value in given.items() if value is not None]
        if ckpt and ignored:
            raise ParameterError(
                f"--ckpt {ckpt[0]} gives network, fold and recipe; {', '.join(ignored)} would be ignored"
            )
        asked = Analysis(
            data=data,
            backbone=backbone,
            folds=_numbers(folds or "1"),
            epochs=epochs,
            ckpt=tuple(ckpt),
            trials=trials,
            device=device,
            progress=begin(quiet=quiet),
        )
        with claimed(probe, out, overwrite=overwrite, data=data, ckpt=ckpt, **given) as claim:
            record = analyse(asked)
            claim.deliver(record, stem=name)
        for row in record.rows:
            typer.echo(describe(row))

    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    kept_lines = (about or "").replace("\n\n", "\n\n\b\n")  # \b: the parser must not wrap the table anew
    app.command(name=name, help=kept_lines)(command)
    guarded_exit(lambda arguments: app(args=arguments, standalone_mode=False))


def _numbers(folds: str) -> tuple[int, ...]:
    try:
        return tuple(int(fold) for fold in folds.split(","))
    except ValueError as error:
        raise ParameterError(f"--folds {folds!r} is no list of folds like 1,2,3") from error
