"""What the scripts in ``analyses/`` share: their study, its missing trainings, their options and outcome."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlprobe.cli.app import guarded_exit
from tlprobe.cli.options import Debug, Device, Overwrite, Quiet, begin
from tlprobe.cli.output import claimed
from tlprobe.errors import ParameterError
from tlprobe.records import Record

if TYPE_CHECKING:
    from tlprobe.studies.plan import Plan
    from tlprobe.studies.tables import Table
    from tlprobe.train.run import Run

__all__ = ["Analysis", "Outcome", "cells_of", "describe_cell", "run_analysis"]

SCALES = ("small", "medium", "paper")


@dataclasses.dataclass(frozen=True)
class Analysis:
    """A study whose trials are there.

    Parameters
    ----------
    plan : Plan
    trials : Path
        Where its runs live.
    data : Path or None
        Its data set.
    device : {"auto", "cpu", "cuda"}
    progress : bool or None
        None shows bars on a terminal and in a notebook only.
    """

    plan: "Plan"
    trials: Path
    data: Path | None
    device: str
    progress: bool | None

    def runs(self, *treatments: str) -> "list[Run]":
        """Return the runs of some treatments, in the plan's order.

        Raises
        ------
        ParameterError
            If the study shows its networks several features, or splits: runs would be compared across them.
        """
        from tlprobe.train.run import Run

        study = self.plan.study
        for name in ("features", "data_splits"):
            values = getattr(study, name)
            if len(values) > 1:
                raise ParameterError(f"this analysis takes one of {name}; the study has {', '.join(map(str, values))}")
        names = [trial.name for trial in self.plan.trials if trial.config.treatment in treatments]
        return [Run.load(self.trials / name) for name in names]

    def cells(self) -> Record:
        """Return the study's cells, see `tlprobe.studies.cells`."""
        from tlprobe.studies.cells import cells

        return cells(self.plan, trials=self.trials)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What an analysis leaves.

    Parameters
    ----------
    record : Record
        Has a figure.
    table : Table or None
    numbers : sequence of mapping or None
        Rows of the table, where the record's are others.
    """

    record: Record
    table: "Table | None" = None
    numbers: Sequence[Mapping[str, Any]] | None = None


def cells_of(asked: Analysis) -> Outcome:
    """Return a study's cells, with their table."""
    from tlprobe.studies.tables import cells_table

    record = asked.cells()
    return Outcome(record, cells_table(record))


def describe_cell(row: dict[str, Any]) -> str:
    """Return a cell in words."""
    names = ("features", "data_split", "backbone", "start", "sweep", "shape", "block", "partition")
    what = " ".join(str(row[name]) for name in names if row[name] is not None)
    if row["accuracy"] is None:
        return f"{what}: missing"
    interval = "" if row["ci_low"] is None else f" [{100 * row['ci_low']:.1f}, {100 * row['ci_high']:.1f}]"
    return f"{what}: {100 * row['accuracy']:.1f} %{interval}, n = {row['n']}, {row['n_runs']} runs"


def run_analysis(
    analyse: Callable[[Analysis], Outcome],
    *,
    describe: Callable[[dict[str, Any]], str],
    script: str,
    probe: str,
    about: str | None,
) -> None:
    """Parse the common options, run what is missing of the study, analyse it, and leave record, figure and table.

    Parameters
    ----------
    analyse : callable
        Takes the `Analysis`, gives its `Outcome`.
    describe : callable
        Takes a row of the record, gives a line about it.
    script : str
        The script's ``__file__``. Beside it lie ``NAME.yaml``, the study at a small scale, ``NAME.paper.yaml``, at the
        paper's, and for grids ``NAME.medium.yaml``; NAME is that of the figure and of the folder in ``figures/`` that
        is the default of ``--out``.
    probe : str
        What the record is of.
    about : str or None
        The script's own docstring: the help text.
    """
    file = Path(script)
    name = file.stem

    def command(
        *,
        data: Annotated[
            Path | None, typer.Option(help="The data set's folder. [default: the study's; else built-in clips]")
        ] = None,
        scale: Annotated[
            str, typer.Option(help="small (a night on 2 cores at most), medium (one GPU) or paper.")
        ] = "small",
        study: Annotated[
            Path | None, typer.Option(help="An own study file in place of the script's.", show_default=False)
        ] = None,
        jobs: Annotated[int | None, typer.Option(min=1, help="Trials at a time. [default: the study's]")] = None,
        trials: Annotated[Path, typer.Option(help="Where trainings live; finished ones are found there.")] = Path(
            "runs/trials"
        ),
        out: Annotated[Path, typer.Option(help="Folder for record, figure and table.")] = Path("figures") / name,
        device: Device = "auto",
        overwrite: Overwrite = False,
        quiet: Quiet = False,
        debug: Debug = False,
    ) -> None:
        from tlprobe.studies.plan import plan_study
        from tlprobe.studies.study import run_study
        from tlprobe.studies.study_file import load_study

        if study is not None and scale != "small":
            raise ParameterError(f"--study {study} is the whole study; --scale {scale} would be ignored")
        progress = begin(quiet=quiet)
        given = study or _study_file(file, scale)
        asked = load_study(given)
        if data is not None:
            asked = asked.model_copy(update={"data": data})
        engine = asked.engine if jobs is None else asked.engine.model_copy(update={"jobs": jobs})
        with claimed(probe, out, overwrite=overwrite, data=data, study=asked.model_dump(mode="json")) as claim:
            run_study(asked, out=out / "study", trials=trials, engine=engine, device=device, progress=progress)
            outcome = analyse(Analysis(plan_study(asked), trials, asked.data, device, progress))
            claim.deliver(outcome.record, stem=name)
            if outcome.table is not None:
                outcome.table.save(out, numbers=outcome.numbers)
        for row in outcome.record.rows:
            typer.echo(describe(row))

    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    kept_lines = (about or "").replace("\n\n", "\n\n\b\n")  # \b: the parser must not wrap the table anew
    app.command(name=name, help=kept_lines)(command)
    guarded_exit(lambda arguments: app(args=arguments, standalone_mode=False))


def _study_file(script: Path, scale: str) -> Path:
    """Return the file beside a script.

    Raises
    ------
    ParameterError
        If there is none at that scale.
    """
    files = {name: script.with_suffix(".yaml" if name == "small" else f".{name}.yaml") for name in SCALES}
    there = [name for name in SCALES if files[name].is_file()]
    if scale not in there:
        raise ParameterError(f"--scale {scale!r}; choose from {', '.join(there)}")
    return files[scale]
