"""What the scripts in ``analyses/`` share: their options, their missing trainings, their outcome."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tlprobe.cli.app import guarded_exit
from tlprobe.cli.options import Data, Debug, Device, Quiet, begin
from tlprobe.errors import ParameterError
from tlprobe.files import lock_folder
from tlprobe.records import Record

if TYPE_CHECKING:
    from tlprobe.studies.sweeps import Levels

__all__ = ["Analysis", "run_analysis"]


@dataclasses.dataclass(frozen=True)
class Analysis:
    """What an analysis was asked for.

    Parameters
    ----------
    data, backbone, folds, epochs
        Of the trainings that are missing.
    ckpt : tuple of Path
        Fully fine-tuned runs to use instead: they give data, network, fold and recipe.
    trials : Path
        Where trainings live.
    out : Path
        Gets record and figure.
    device : {"auto", "cpu", "cuda"}
        Where to train.
    progress : bool or None
        None shows bars on a terminal only.
    """

    data: Path | None
    backbone: str
    folds: tuple[int, ...]
    epochs: int | None
    ckpt: tuple[Path, ...]
    trials: Path
    out: Path
    device: str
    progress: bool | None

    def levels(self) -> "list[Levels]":
        """Return the pretrained and the random run of each checkpoint or fold; what is missing is trained."""
        from tlprobe.studies.sweeps import levels
        from tlprobe.train.material import FitOptions

        where = {"trials": self.trials, "device": self.device, "progress": self.progress}
        if self.ckpt:
            return [levels(run, data=self.data, **where) for run in self.ckpt]  # type: ignore[arg-type]
        changes = {"epochs": self.epochs}
        return [
            levels(options=FitOptions(data=self.data, backbone=self.backbone, fold=fold, changes=changes), **where)  # type: ignore[arg-type]
            for fold in self.folds
        ]


def run_analysis(analyse: Callable[[Analysis], Record], *, name: str, about: str | None) -> None:
    """Parse the common options, run an analysis, and leave its record and figure.

    Parameters
    ----------
    analyse : callable
        Takes the `Analysis`, gives its record.
    name : str
        Of the figure, and of the folder in ``figures/`` that is the default of ``--out``.
    about : str or None
        The script's own docstring: the help text.
    """

    def command(
        *,
        data: Data = None,
        backbone: Annotated[str, typer.Option(help="Network of missing trainings.")] = "efficientnet_lite0",
        folds: Annotated[str, typer.Option(help="Held-out folds of missing trainings, e.g. 1,2,3,4,5.")] = "1",
        epochs: Annotated[int | None, typer.Option(help="Epochs of missing trainings. [default: the recipe's]")] = None,
        ckpt: Annotated[list[Path], typer.Option(help="A fully fine-tuned run to use. Repeat for several.")] = [],  # noqa: B006
        trials: Annotated[Path, typer.Option(help="Where trainings live.")] = Path("runs/trials"),
        out: Annotated[Path, typer.Option(help="Folder for record and figure.")] = Path("figures") / name,
        device: Device = "auto",
        quiet: Quiet = False,
        debug: Debug = False,
    ) -> None:
        from tlprobe.plots.figure import save_with_record

        try:
            numbers = tuple(int(fold) for fold in folds.split(","))
        except ValueError as error:
            raise ParameterError(f"--folds {folds!r} is no list of folds like 1,2,3") from error
        asked = Analysis(
            data=data,
            backbone=backbone,
            folds=numbers,
            epochs=epochs,
            ckpt=tuple(ckpt),
            trials=trials,
            out=out,
            device=device,
            progress=begin(quiet=quiet),
        )
        record = analyse(asked)
        with lock_folder(out):
            record.save(out)
            paths = save_with_record(record, out, name)
        typer.echo(f"record: {out / 'record.json'}   figure: {', '.join(map(str, paths))}")

    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    kept_lines = (about or "").replace("\n\n", "\n\n\b\n")  # \b: the parser must not wrap the table anew
    app.command(name=name, help=kept_lines)(command)
    guarded_exit(lambda arguments: app(args=arguments, standalone_mode=False))
