"""The verb that searches a recipe's values."""

from pathlib import Path
from typing import Annotated

import typer

from tlprobe.cli.app import app
from tlprobe.cli.options import Debug, Device, Out, Quiet, begin
from tlprobe.cli.output import percent

__all__: list[str] = []


@app.command()
def tune(
    *,
    space: Annotated[
        Path, typer.Option(help="The space file (YAML): a training, and what is searched.", show_default=False)
    ],
    n_trials: Annotated[
        int,
        typer.Option("--trials", min=1, help="Trials that are to be finished; pruned ones count, failed ones don't."),
    ] = 30,
    sampler: Annotated[
        str,
        typer.Option(help="gp (Bayesian optimisation; 5 trials at random first), tpe (10), or random."),
    ] = "gp",
    seed: Annotated[int, typer.Option(min=0, help="Of the sampler; the trainings' is in the space file.")] = 0,
    prune: Annotated[
        bool, typer.Option(help="End trials that are behind the median of the others after as many epochs.")
    ] = True,
    jobs: Annotated[int, typer.Option(min=1, help="Trials at a time, in processes of their own.")] = 1,
    engine: Annotated[str | None, typer.Option(help="local (this machine) or ray.", metavar="NAME")] = None,
    address: Annotated[
        str | None, typer.Option(help="Of the Ray to join, or auto; without it, one is started here.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The data set. [default: the space file's]")] = None,
    out: Out = Path("out/tune"),
    trials: Annotated[
        Path, typer.Option("--trials-folder", help="Where trainings live; finished ones are found there, never redone.")
    ] = Path("runs/trials"),
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Search recipe values, chosen on an inner fold."""
    progress = begin(quiet=quiet)
    from tlprobe.plots.figure import save_with_record
    from tlprobe.studies.engine import Engine
    from tlprobe.studies.tune import BEST, load_space
    from tlprobe.studies.tune import tune as call

    wanted = load_space(space)
    record = call(
        wanted if data is None else wanted.model_copy(update={"data": data}),
        out=out,
        n_trials=n_trials,
        sampler=sampler,
        seed=seed,
        prune=prune,
        engine=Engine().changed(name=engine, jobs=jobs, address=address),
        trials=trials,
        device=device,
        progress=progress,
    )
    paths = save_with_record(record, out, "tune")
    chosen = record.params["chosen"]
    if chosen is None:
        typer.echo("none is chosen: no trial came to its end with an accuracy")
    else:
        values = ", ".join(f"{name}: {value}" for name, value in chosen["values"].items())
        on_inner = (
            f"{100 * chosen['inner_accuracy']:.1f} % of {chosen['n_inner']} clips of the inner fold, which chose it"
        )
        typer.echo(f"chosen: trial {chosen['number']} ({values}); {on_inner}")
        typer.echo(f"on the held-out fold, which was never looked at for a choice: {percent(chosen)}")
        typer.echo(f"recipe: {out / BEST}   run: {trials / chosen['run']}")
    typer.echo(f"record: {out / 'record.json'}   figure: {', '.join(map(str, paths))}")
