"""A section of the page: all that is shown of one record."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tlprobe.errors import CheckpointError, DataError, TlprobeError
from tlprobe.records import Record
from tlprobe.reports.classes import Confusion, class_table, confusion_of, worst_classes
from tlprobe.reports.facts import facts_of
from tlprobe.reports.guides import guide_of, title_of
from tlprobe.reports.pictures import Picture, data_link, picture_of
from tlprobe.reports.room import Room
from tlprobe.reports.sentences.sentence import Sentence
from tlprobe.reports.sounds import ClipSounds, has_sounds, sounds_of
from tlprobe.reports.sources import Source
from tlprobe.reports.tables import PageTable, record_table, rows_table
from tlprobe.reports.words import count, joined, plain

__all__ = ["Download", "Section", "section_of_runs", "sections_of"]

_FOREIGN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, TlprobeError)
"""What drawing or listing a record of other columns or values can raise: the page says so, and goes on."""


@dataclasses.dataclass(frozen=True)
class Download:
    """A file to save from the page."""

    file: str
    link: str
    size: str


@dataclasses.dataclass
class Section:
    """What the page shows of a record, or of several trainings together.

    Parameters
    ----------
    title, name : str
        What it is of, and where it lies.
    guide : str
        How to read the figure.
    pictures, tables, clips, downloads
        In the order of the page.
    facts : list of (str, str)
        Provenance and parameters.
    notes : list of str
        What is left out, and why.
    said : list of Sentence
        Further sentences for the summary.
    """

    title: str
    name: str
    guide: str = ""
    pictures: list[Picture] = dataclasses.field(default_factory=list)
    tables: list[PageTable] = dataclasses.field(default_factory=list)
    clips: list[ClipSounds] = dataclasses.field(default_factory=list)
    downloads: list[Download] = dataclasses.field(default_factory=list)
    facts: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    said: list[Sentence] = dataclasses.field(default_factory=list)


def sections_of(sources: Sequence[Source], room: Room) -> list[Section]:
    """Build the sections of some records.

    Parameters
    ----------
    sources : sequence of Source
    room : Room
        What is left of the page; what finds none is named in a section's notes. The few sounds come first, so that
        many figures leave room for them, then figures, then the records to save.
    """
    sections = [Section(title_of(source.record), source.name, guide=guide_of(source.record)) for source in sources]
    for add in (_add_sounds, _add_content, _add_downloads):
        for section, source in zip(sections, sources, strict=True):
            add(section, source, room)
    return sections


def _add_content(section: Section, source: Source, room: Room) -> None:
    record = source.record
    if record.probe != "study":
        _add_picture(section, record, title_of(record), room)
    confusion = _confusion(section, source)
    if confusion is not None:
        if record.probe != "eval":
            drawn = confusion.record(record)
            _add_picture(section, drawn, "Which classes are taken for which", room, guide=guide_of(drawn))
        section.tables.append(class_table(confusion))
        if worst := worst_classes(confusion):
            run = plain(record.rows[0].get("run") or source.name) if record.rows else source.name
            text = f"The worst classes of {run}, by clips named right, are {joined(worst)}."
            section.said.append(Sentence("scores", text, rank=2))
    if record.rows:
        _add_own_table(section, record)
    if isinstance(single := record.params.get("single"), list):
        members = [row for row in single if isinstance(row, dict)]
        _add_table(
            section, lambda: rows_table(members, caption="The members"), otherwise="There is no table of members"
        )
    section.facts = facts_of(record)


def section_of_runs(sources: Sequence[Source], room: Room) -> Section:
    """Build the section that shows several trainings beside each other."""
    section = Section(f"{count(len(sources), 'training')} side by side", "all runs of this report")
    rows: list[dict[str, Any]] = []
    curves = []
    for source in sources:
        row = source.record.rows[0] if source.record.rows else {}
        rows.append({"run": source.name, **{name: value for name, value in row.items() if name != "run"}})
        history = source.record.params.get("history")
        epochs = [entry for entry in history if isinstance(entry, Mapping)] if isinstance(history, list) else []
        curves.append({"held_out_accuracy": [entry.get("held_out_accuracy") for entry in epochs]})
    there = [k for k, curve in enumerate(curves) if curve["held_out_accuracy"]]
    drawn = Record("pretrained_vs_random", {"curves": [curves[k] for k in there]}, [rows[k] for k in there], {})
    if there:
        section.guide = guide_of(drawn)
        _add_picture(section, drawn, "Held-out accuracy by epoch of all runs", room)
    _add_table(section, lambda: rows_table(rows, caption="One row a run"), otherwise="There is no table of the runs")
    return section


def _add_picture(section: Section, record: Record, caption: str, room: Room, *, guide: str = "") -> None:
    if not room.has_figures:
        section.notes.append(
            f"The figure \N{LEFT DOUBLE QUOTATION MARK}{caption}\N{RIGHT DOUBLE QUOTATION MARK} is "
            f"left out: {room.why_no_figures}."
        )
        return
    try:
        picture = picture_of(record, caption=caption, guide=guide)
    except _FOREIGN as error:
        reason = plain(f"{type(error).__name__}: {error}", limit=200)
        section.notes.append(f"No figure of this record can be drawn: {reason}.")
        return
    if room.take_figure(len(picture.link)):
        section.pictures.append(picture)
    else:
        section.notes.append(f"The figure is left out: {room.why_no_figures}.")


def _confusion(section: Section, source: Source) -> Confusion | None:
    try:
        return confusion_of(source)
    except (CheckpointError, DataError) as error:
        section.notes.append(f"No confusion: {plain(str(error).replace(str(source.folder), source.name), limit=200)}.")
        return None


def _add_own_table(section: Section, record: Record) -> None:
    caption = "The run's result" if record.probe == "fit" else "The rows of the record"
    whole, bare = (lambda: record_table(record, caption=caption)), (lambda: rows_table(record.rows, caption=caption))
    if not _add_table(section, whole, otherwise="The table is of the bare rows"):
        _add_table(section, bare, otherwise="There is no table of the rows")


def _add_table(section: Section, make: Callable[[], PageTable], *, otherwise: str) -> bool:
    """Add a table and return True, or a note that says what there is `otherwise`, and why."""
    try:
        section.tables.append(make())
    except _FOREIGN as error:
        section.notes.append(f"{otherwise}: {type(error).__name__}: {plain(error, limit=200)}.")
        return False
    return True


def _add_sounds(section: Section, source: Source, room: Room) -> None:
    rows = [row for row in source.record.rows if has_sounds(row)]
    n_left = 0
    for row in rows:
        if not room.has_sounds:
            n_left += 1
            continue
        try:
            clip = sounds_of(row, source.record, folder=source.folder / "sounds")
        except DataError as error:
            section.notes.append(
                f"A sound is missing: {plain(str(error).replace(str(source.folder), source.name), limit=200)}."
            )
            continue
        if room.take_sounds(sum(len(sound.link) for sound in clip.sounds)):
            section.clips.append(clip)
        else:
            n_left += 1
    if n_left:
        section.notes.append(
            f"The sounds of {count(n_left, 'clip')} are left out; --audio N takes in those of N clips."
        )


def _add_downloads(section: Section, source: Source, room: Room) -> None:
    stem = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_.") else "_" for sign in source.name)
    for name, content in source.files.items():
        link = data_link(content, "application/json" if name.endswith(".json") else "text/csv")
        if room.take(len(link)):
            section.downloads.append(Download(f"{stem}-{name}", link, f"{len(content) / 1000:.1f} kB"))
        else:
            section.notes.append(
                f"{name} ({len(content) / 1e6:.1f} MB) is too large for this page; it is in {source.name}."
            )
