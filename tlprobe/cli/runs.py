"""The verbs that look after run directories: runs, without torch, and rm."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tlprobe.cli.app import app
from tlprobe.cli.options import Debug, begin
from tlprobe.display import plain
from tlprobe.errors import ParameterError

if TYPE_CHECKING:
    from tlprobe.train.catalogue import Entry


@app.command()
def runs(
    *,
    folder: Annotated[Path, typer.Argument(help="Where to look, at all depths.")] = Path("runs"),
    sort: Annotated[str, typer.Option(help="path or accuracy (the highest first).")] = "path",
    debug: Debug = False,
) -> None:
    """List runs below a folder, with accuracy and size."""
    from tlprobe.train.listing import list_runs

    begin(quiet=False)
    for line in list_runs(folder, sort=sort).lines():
        typer.echo(line)


@app.command()
def rm(
    *,
    paths: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories, finished or not.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    debug: Debug = False,
) -> None:
    """Remove runs, after a question that names what goes."""
    from tlprobe.files import lock_folder
    from tlprobe.train.catalogue import entry_of_run

    begin(quiet=False)
    places = _to_remove(paths)
    with contextlib.ExitStack() as held:
        for place in places:
            held.enter_context(lock_folder(place))
        found = {place: entry_of_run(path) for place, path in places.items()}
        for entry in found.values():
            typer.echo(_going(entry))
        if not yes and not _confirmed(list(found.values())):
            typer.echo("nothing was removed")
            return

        from tlprobe.train.remove import remove_run

        for place, entry in found.items():
            left = remove_run(place)
            stays = f"; the folder stays with what is no part of the run: {', '.join(map(_plain, left))}"
            typer.echo(f"removed {_plain(entry.path)}{stays if left else ''}")


def _to_remove(paths: Sequence[Path]) -> dict[Path, Path]:
    """Return each run once, its place -> the path given, what lies within another run first.

    Raises
    ------
    ParameterError
        If one is no run directory, or only a link to one.
    """
    from tlprobe.train.catalogue import is_run

    for path in paths:
        if path.is_symlink():
            raise ParameterError(f"{path} is a link to {path.resolve()}; give the run directory itself")
        if not path.is_dir() or not is_run(path):
            what = "is no run directory" if path.exists() else "does not exist"
            raise ParameterError(f"{path} {what}; nothing was removed (`tlprobe runs FOLDER` lists runs)")
    by_place = {path.resolve(): path for path in reversed(paths)}  # of several paths to one, the first
    return {place: by_place[place] for place in sorted(by_place, key=lambda place: (-len(place.parts), place))}


def _going(entry: "Entry") -> str:
    from tlprobe.train.listing import score_of

    known = score_of(entry) or f"{entry.state}: {_plain(entry.why)}"
    return f"{_plain(entry.path)}  {known}  {entry.n_bytes / 1e6:.1f} MB"


def _confirmed(found: Sequence["Entry"]) -> bool:
    """Ask whether these may go; an error where nobody can answer."""
    if not sys.stdin.isatty():
        raise ParameterError(
            "nothing was removed: there is no terminal to ask at; say --yes to remove without a question"
        )
    n_bytes = sum(entry.n_bytes for entry in found)
    what = "this run" if len(found) == 1 else f"these {len(found)} runs"
    return typer.confirm(f"remove {what}, {n_bytes / 1e6:.1f} MB?")


def _plain(text: object) -> str:
    return plain(text, limit=400)
