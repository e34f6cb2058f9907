"""What a verb leaves: the record, its figure, and a few lines for the reader."""

import hashlib
from pathlib import Path
from typing import Any

import typer

from tlprobe.errors import ParameterError
from tlprobe.files import lock_folder
from tlprobe.records import Record, check_out, dump_json

__all__ = ["deliver", "percent", "request_of"]


def request_of(probe: str, out: Path, *, overwrite: bool, **asked: Any) -> str:
    """Return the digest of what was asked for, and refuse early to write over another result.

    Raises
    ------
    ParameterError
        If `out` holds a finished result of another request and `overwrite` is false, or a run, finished
        or not: a record in it would pass for the run's own.
    """
    if (out / "config.json").is_file():
        raise ParameterError(f"{out} is a run directory, which a {probe} would damage; give another --out")
    digest = hashlib.sha256(dump_json({"probe": probe, **asked}).encode()).hexdigest()[:16]
    check_out(out, probe=probe, params={"request": digest}, overwrite=overwrite)
    return digest


def deliver(record: Record, out: Path, *, request: str) -> None:
    """Save a record and its figure into `out`, and say so."""
    from tlprobe.plots.figure import save_with_record

    record.params["request"] = request
    with lock_folder(out):
        record.save(out)
        paths = save_with_record(record, out, record.probe)
    typer.echo(f"record: {out / 'record.json'}   figure: {', '.join(map(str, paths))}")


def percent(row: dict[str, Any]) -> str:
    """Return a row's accuracy with its interval, for reading."""
    accuracy, low, high = (100 * row[name] for name in ("accuracy", "ci_low", "ci_high"))
    return f"{accuracy:.1f} % (95 % interval {low:.1f} to {high:.1f}, n = {row['n']})"
