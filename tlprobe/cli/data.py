"""The verbs that look after data: what is known, what is there, whether it is whole, and its images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlprobe.cli.app import app
from tlprobe.cli.options import Debug, Overwrite, Quiet, begin, data_options, image_options
from tlprobe.errors import DataError

if TYPE_CHECKING:
    from tlprobe.data.options import DataOptions
    from tlprobe.records import Record

__all__: list[str] = []

data_app = typer.Typer(help="Look after data sets: what is in them, their images.")
app.add_typer(data_app, name="data")

_N_COPIES = 20  # sets of copies that are printed

Where = Annotated[Path, typer.Argument(metavar="PATH", help="The data set.", show_default=False)]
Jobs = Annotated[int | None, typer.Option(min=1, help="Processes at a time. [default: one a core]")]


@data_app.command(name="list")
def list_known(*, debug: Debug = False) -> None:
    """List the data sets that are known, and how to get them."""
    from tlprobe.data.known import KNOWN

    for known in KNOWN.values():
        folds = f"{known.n_folds} folds" if known.n_folds is not None else "splits by --data-split"
        got = "by hand" if known.archive.url is None else f"tlprobe data fetch {known.name}"
        counts = f"{known.n_clips:>5} clips, {known.n_classes} classes, {folds}"
        typer.echo(f"{known.name:<14} {counts}; {known.licence}; {got}")
        typer.echo(f"{'':<14} {known.layout}; {known.reference}")
    own = "a folder with one sub-folder a class, a .csv, .tsv or .parquet table, or names by --label-regex"
    typer.echo(f"{'own data':<14} {own}")


@data_app.command()
def fetch(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="See tlprobe data list.", show_default=False)],
    to: Annotated[Path, typer.Option(help="Folder that gets the archive and the data set.")] = Path("data"),
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Download a data set, or unpack an archive put into --to."""
    progress = begin(quiet=quiet)
    from tlprobe.data.fetch import fetch

    typer.echo(f"{name}: {fetch(name, to, progress=progress)}")


@data_app.command()
@data_options
def info(
    *,
    where: Where,
    out: Annotated[Path | None, typer.Option(help="Folder for the record and the picture. [default: none]")] = None,
    jobs: Jobs = None,
    seed: Annotated[int, typer.Option(help="Draws the clip that stands for a class.")] = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    debug: Debug = False,
    given: dict[str, Any],
) -> None:
    """Say what is in a data set, and draw each class."""
    progress = begin(quiet=quiet)
    from tlprobe.cli.output import claimed
    from tlprobe.data.info import data_info
    from tlprobe.data.known_leaks import known_copies, known_leaks
    from tlprobe.data.open import default_settings, open_dataset
    from tlprobe.data.verify import verify

    dataset = open_dataset(where, _options(given))

    def describe() -> "Record":
        verdicts = verify(dataset.paths, jobs=jobs, progress=progress)
        all_sound = all(verdict.error is None for verdict in verdicts)
        leaks = known_leaks(dataset, jobs=jobs, progress=progress) if all_sound else None
        copies = known_copies(dataset, jobs=jobs, progress=progress) if all_sound else None
        record = data_info(dataset, verdicts, default_settings(dataset), leaks=leaks, copies=copies, seed=seed)
        _say(record)
        return record

    if out is None:
        describe()
        return
    with claimed("data_info", out, overwrite=overwrite, where=where, seed=seed, **given) as claim:
        claim.deliver(describe())


@data_app.command()
@data_options
def verify(
    *,
    where: Where,
    jobs: Jobs = None,
    quiet: Quiet = False,
    debug: Debug = False,
    given: dict[str, Any],
) -> None:
    """Decode every recording, and tell which cannot be used."""
    progress = begin(quiet=quiet)
    from tlprobe.data.open import open_dataset
    from tlprobe.data.verify import verify

    dataset = open_dataset(where, _options(given))
    verdicts = verify(dataset.paths, jobs=jobs, progress=progress)
    for verdict in verdicts:
        notes = verdict.condition.notes() if verdict.condition is not None else ()
        if verdict.error is not None or notes:
            typer.echo(verdict.error or f"{verdict.path}: {', '.join(notes)}")
    n_bad = sum(verdict.error is not None for verdict in verdicts)
    n_noted = sum(bool(v.condition.notes()) for v in verdicts if v.condition is not None)
    typer.echo(f"{len(verdicts)} files, {n_bad} cannot be used, {n_noted} have a note")
    if n_bad:
        raise DataError(f"{n_bad} of the {len(verdicts)} recordings in {where} cannot be used")


@data_app.command()
@data_options
@image_options
def prepare(
    *,
    where: Where,
    jobs: Jobs = None,
    check: Annotated[
        bool, typer.Option("--check", help="Hash every file and image again, whatever times and sizes say.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
    given: dict[str, Any],
    shown: dict[str, Any],
) -> None:
    """Compute the image of every clip beforehand."""
    progress = begin(quiet=quiet)
    from tlprobe.data.cache import load_images
    from tlprobe.data.facts import forget
    from tlprobe.data.open import default_settings, open_dataset
    from tlprobe.data.options import ImageOptions

    image_options = ImageOptions(**shown)
    dataset = open_dataset(where, _options(given), channel=image_options.channel)
    if check:
        forget(dataset.root)
    settings = default_settings(dataset, image_options)
    images = load_images(dataset, settings, jobs=jobs, progress=progress, check=check)
    counts = {name: getattr(images, f"n_{name}") for name in ("padded", "cropped", "silent", "cancelled")}
    said = "".join(f", {n} {name}" for name, n in counts.items() if n)
    typer.echo(
        f"{dataset.name}: {len(dataset.clips)} images of (3, {settings.n_mels}, {settings.width}) are there{said}"
    )


def _options(given: dict[str, Any]) -> "DataOptions":
    from tlprobe.data.options import DataOptions

    return DataOptions(**given)


def _say(record: "Record") -> None:
    """Print what a data set holds."""
    about = record.params
    typer.echo(
        f"{about['name']}: {about['n']} clips of {about['n_classes']} classes, {about['duration_s'] / 3600:.2f} h, "
        f"{about['n_groups']} sources, {len(about['folds'])} folds ({about['split']})"
    )
    if about["note"]:
        typer.echo(f"note: {about['note']}")
    for name, title in (
        ("folds", "clips a fold"),
        ("rates_hz", "rates (Hz)"),
        ("channels", "channels"),
        ("formats", ""),
    ):
        counted = ", ".join(f"{value}: {n}" for value, n in about[name].items())
        typer.echo(f"{title or name}: {counted}")
    for note, files in about["noted"].items():
        typer.echo(f"{note}: {len(files)} ({', '.join(files[:3])}{', ...' if len(files) > 3 else ''})")
    for leak in about["leaks"] or ():
        folds = ", ".join(map(str, leak["folds"]))
        typer.echo(f"in folds {folds}, {leak['kind']}: {', '.join(leak['clips'][:4])}")
    if copies := about["copies"]:
        n = sum(len(found["clips"]) for found in copies)
        typer.echo(f"copies: {n} clips are {len(copies)} sounds, whatever their folds")
        for found in copies[:_N_COPIES]:
            more = ", ..." if len(found["clips"]) > 4 else ""
            typer.echo(f"  {found['kind']}: {', '.join(found['clips'][:4])}{more}")
        if len(copies) > _N_COPIES:
            typer.echo(f"  and {len(copies) - _N_COPIES} more, all of them in the record (--out)")
    if about["leaks"] is None:
        typer.echo("sounds in several folds were not looked for: not all recordings can be used")
    for error in about["unusable"]:
        typer.echo(f"cannot be used: {error}")
    counts = [row["n"] for row in record.rows]
    typer.echo(f"classes: {min(counts)} to {max(counts)} clips each")
    for row in record.rows:
        lengths = "" if row["median_s"] is None else f", {row['shortest_s']:.1f} to {row['longest_s']:.1f} s"
        typer.echo(f"  {row['label']:<24} {row['n']:>6} clips, {row['n_groups']:>6} sources{lengths}")
