"""The verb of experiment grids: plan, run and look at a study."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tlprobe.cli.app import app
from tlprobe.cli.options import Debug, Device, Quiet, begin

if TYPE_CHECKING:
    from tlprobe.studies.study_file import Study

__all__: list[str] = []

study_app = typer.Typer(help="Plan, run and look at a grid of trainings from a file.")
app.add_typer(study_app, name="study")

File = Annotated[Path, typer.Argument(help="The study file (YAML).", show_default=False)]
StudyData = Annotated[Path | None, typer.Option("--data", help="The data set. [default: the study file's]")]
Trials = Annotated[Path, typer.Option(help="Where trainings live; finished ones are found there, never redone.")]


def _load(file: Path, data: Path | None) -> "Study":
    from tlprobe.studies.study_file import load_study

    study = load_study(file)
    return study if data is None else study.model_copy(update={"data": data})


@study_app.command()
def plan(
    *,
    file: File,
    data: StudyData = None,
    trials: Trials = Path("runs/trials"),
    jobs: Annotated[int | None, typer.Option(min=1, help="Trials at a time. [default: the study file's]")] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List the trials, finished or not, and the time they take."""
    begin(quiet=quiet)
    from tlprobe.studies.plan import estimate, plan_study
    from tlprobe.train.progress import duration

    study = _load(file, data)
    planned = plan_study(study)
    left = estimate(planned, trials=trials)
    for trial in planned.trials:
        state = "finished" if trial.name in left.finished else "missing"
        typer.echo(f"{state:>8}  {trial.name}")
    jobs = study.engine.jobs if jobs is None else jobs
    if not left.missing:
        rest = "nothing is left"
    elif left.seconds is None:
        rest = f"{len(left.missing)} left; no finished trial tells how long they take"
    else:
        rest = f"{len(left.missing)} left: about {duration(left.seconds / jobs)} with --jobs {jobs}, if they scale"
    typer.echo(f"{planned.n_points} points are {len(planned.trials)} trials; {rest}")


@study_app.command()
def run(
    *,
    file: File,
    data: StudyData = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the record. [default: out/studies/NAME]")] = None,
    trials: Trials = Path("runs/trials"),
    jobs: Annotated[int | None, typer.Option(min=1, help="Trials at a time. [default: the study file's]")] = None,
    engine: Annotated[
        str | None, typer.Option(help="local: this machine; ray: a Ray. [default: the study file's]", metavar="NAME")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Of the Ray to join, or auto; without it, one is started here.")
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train what is missing; the same command goes on."""
    progress = begin(quiet=quiet)
    from tlprobe.studies.study import run_study

    study = _load(file, data)
    chosen = study.engine.changed(name=engine, jobs=jobs, address=address)
    out = Path("out/studies") / file.stem if out is None else out
    record = run_study(study, out=out, trials=trials, engine=chosen, device=device, progress=progress)
    typer.echo(f"{len(record.rows)} points of {record.params['n_trials']} trials; record: {out / 'record.json'}")


@study_app.command()
def status(
    *,
    file: File,
    data: StudyData = None,
    trials: Trials = Path("runs/trials"),
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show each point with its accuracy, or that it is missing."""
    begin(quiet=quiet)
    from tlprobe.studies.plan import plan_study
    from tlprobe.studies.study import study_record

    record = study_record(plan_study(_load(file, data)), trials=trials)
    for row in record.rows:
        usual = row["rest"] in ("random", "trained")  # what the other blocks get where nothing is said
        names = ("sweep", "shape", "block", *(() if usual else ("rest",)), "partition")
        what = " ".join(str(row[name]) for name in names if row[name])
        said = "missing" if row["accuracy"] is None else f"{100 * row['accuracy']:.1f} %"
        shown = " ".join(filter(None, (row["features"], row["data_split"])))
        typer.echo(f"{row['backbone']} {row['start']} {shown} fold {row['fold']} seed {row['seed']}  {what}: {said}")
    n = sum(row["status"] == "finished" for row in record.rows)
    typer.echo(f"{n} of {len(record.rows)} points are finished")


@study_app.command()
def tables(
    *,
    file: File,
    data: StudyData = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the tables. [default: out/studies/NAME-tables]")] = None,
    trials: Trials = Path("runs/trials"),
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a table: a row a point, over folds and seeds."""
    begin(quiet=quiet)
    from tlprobe.cli.output import claimed
    from tlprobe.studies.cells import study_cells
    from tlprobe.studies.tables import cells_table

    out = Path("out/studies") / f"{file.stem}-tables" if out is None else out
    study = _load(file, data)
    with claimed("cells", out, overwrite=True, file=file) as claim:
        record = study_cells(study, trials=trials)
        claim.save(record)
        cells_table(record).save(out)
    n_missing = sum(row["n_planned"] - row["n_runs"] for row in record.rows)
    typer.echo(f"{len(record.rows)} rows, {n_missing} runs of them missing: {out / 'record.csv'}, table.md, table.tex")


@study_app.command()
def figures(
    *,
    file: File,
    data: StudyData = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the figure. [default: out/studies/NAME-figures]")] = None,
    trials: Trials = Path("runs/trials"),
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw each sweep of the study; missing points are gaps."""
    begin(quiet=quiet)
    from tlprobe.cli.output import claimed
    from tlprobe.studies.cells import study_cells

    out = Path("out/studies") / f"{file.stem}-figures" if out is None else out
    study = _load(file, data)
    with claimed("cells", out, overwrite=True, file=file) as claim:
        claim.deliver(study_cells(study, trials=trials), stem=file.stem)
