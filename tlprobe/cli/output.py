"""What a verb leaves: the record, its figure, and a few lines for the reader."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from tlprobe.errors import ParameterError
from tlprobe.files import lock_folder
from tlprobe.records import Record, check_out, dump_json

__all__ = ["Claim", "claimed", "percent"]


@dataclasses.dataclass(frozen=True)
class Claim:
    """A folder that is this process's until its result is there; made by `claimed`.

    Parameters
    ----------
    out : Path
        The folder.
    request : str
        Digest of what was asked for, kept in the record.
    """

    out: Path
    request: str

    def save(self, record: Record) -> None:
        """Save a record, marked with the request."""
        record.params["request"] = self.request
        record.save(self.out)

    def deliver(self, record: Record, *, stem: str | None = None) -> None:
        """Save a record and its figure, named `stem` (default: the probe), and say so."""
        from tlprobe.plots.figure import save_with_record

        self.save(record)
        paths = save_with_record(record, self.out, stem or record.probe)
        typer.echo(f"record: {self.out / 'record.json'}   figure: {', '.join(map(str, paths))}")


@contextlib.contextmanager
def claimed(probe: str, out: Path, *, overwrite: bool, **asked: Any) -> Iterator[Claim]:
    """Hold `out` for a result, from before the work until it is there.

    Parameters
    ----------
    probe : str
        What the record will be of.
    out : Path
        Made when missing.
    overwrite : bool
        Replace the result that is there.
    **asked
        All that was asked for: the same request may be repeated.

    Raises
    ------
    ParameterError
        If `out` holds a finished result of another request and `overwrite` is false, or a run, finished
        or not: a record in it would pass for the run's own.
    ResourceError
        If `out` cannot be made, or another process holds it.
    """
    if (out / "config.json").is_file():
        raise ParameterError(f"{out} is a run directory, which a {probe} would damage; give another --out")
    digest = hashlib.sha256(dump_json({"probe": probe, **asked}).encode()).hexdigest()[:16]
    with lock_folder(out):
        check_out(out, probe=probe, request=digest, overwrite=overwrite)
        yield Claim(out=out, request=digest)


def percent(row: dict[str, Any]) -> str:
    """Return a row's accuracy with its interval, where it has one, for reading."""
    ends = row["ci_low"], row["ci_high"]
    interval = "" if None in ends else "95 % interval {:.1f} to {:.1f}, ".format(*(100 * end for end in ends))
    return f"{100 * row['accuracy']:.1f} % ({interval}n = {row['n']})"
