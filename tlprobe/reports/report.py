"""Report: what do these results say? One HTML page of records, that needs nothing but itself.

The page has a summary in words, each figure with how to read it, tables, sounds, provenance and the records to save.
It asks for nothing over a network, and the same records give the same bytes.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from tlprobe.errors import ParameterError
from tlprobe.files import write_atomic
from tlprobe.reports.page import GENERATOR, page_html
from tlprobe.reports.room import Room
from tlprobe.reports.section import Section, section_of_runs, sections_of
from tlprobe.reports.sources import Source, read_sources
from tlprobe.reports.summary import summary
from tlprobe.reports.words import count

__all__ = ["report"]

_log = logging.getLogger(__name__)

MOST_RUNS = 12
"""Trainings with a section each; more are rows of the table of all of them."""


def report(paths: Sequence[Path | str], *, out: Path | str, audio: int | None = None) -> Path:
    """Write a report of records as one HTML file.

    Parameters
    ----------
    paths : sequence of path
        Run directories, and folders that hold a ``record.json`` of any probe or study.
    out : path
        The file, ``.html``.
    audio : int >= 0, optional
        Clips whose sounds are laid into the page. Default: six, within 3.5 MB.

    Returns
    -------
    path : Path
        Of the file. What was left out is said in the page and logged.

    Raises
    ------
    ParameterError
        If there is no path, `out` is no HTML file or one that is no report, `audio` is negative, or jinja2 is missing.
    DataError
        If a path holds no record, or none can be read.
    ResourceError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from tlprobe import Record
    >>> rows = [{"measure": "deletion", "mean": 0.1}]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Record("my own", params={}, rows=rows, provenance={}).save(f"{folder}/result")
    ...     report([f"{folder}/result"], out=f"{folder}/report.html").name
    'report.html'
    """
    out = Path(out)
    if audio is not None and audio < 0:
        raise ParameterError(f"audio={audio} clips; 0 is none")
    _check_out(out)
    sources, unread = read_sources(paths)
    room = Room(audio=audio)
    shown, numbers = _sections(sources, room)
    more = {number: shown[place].said for number, place in numbers.items()}
    questions = summary(sources, unread=unread, more=more)
    html = page_html(sources, shown, questions, numbers=numbers)
    write_atomic(out, html)
    for line in (*unread, *(f"{section.name}: {note}" for section in shown for note in section.notes)):
        _log.warning("%s", line)
    return out


def _sections(sources: Sequence[Source], room: Room) -> tuple[list[Section], dict[int, int]]:
    """Return the sections, and the place of each source among them."""
    runs = [number for number, source in enumerate(sources) if source.record.probe == "fit"]
    side_by_side = [section_of_runs([sources[run] for run in runs], room)] if len(runs) > 1 else []
    own = [number for number in range(len(sources)) if number not in runs[MOST_RUNS:]]
    shown = sections_of([sources[number] for number in own], room)
    together = own.index(runs[0]) if side_by_side else 0
    shown[together:together] = side_by_side
    numbers = {number: k + bool(side_by_side and k >= together) for k, number in enumerate(own)}
    numbers |= dict.fromkeys(runs[MOST_RUNS:], together)
    if len(runs) > MOST_RUNS:
        text = (
            f"The curves, classes and records of {count(len(runs) - MOST_RUNS, 'further run')} are left out: the first "
        )
        shown[together].notes.append(f"{text}{MOST_RUNS} have a section each, all {len(runs)} are in this table.")
    return shown, numbers


def _check_out(out: Path) -> None:
    if out.suffix.lower() not in (".html", ".htm"):
        raise ParameterError(f"out={str(out)!r} ends in {out.suffix!r}; a report is an .html file")
    if out.is_dir():
        raise ParameterError(f"out={str(out)!r} is a folder; give a file in it")
    if out.is_file():
        with out.open("rb") as file:
            if GENERATOR.encode() not in file.read(1000):
                raise ParameterError(f"out={str(out)!r} is there and no tlprobe report; give another file")
