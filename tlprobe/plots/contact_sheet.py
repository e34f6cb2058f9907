"""A contact sheet: all clips of an attribution record over the pages of one PDF, those of one way on one scale."""

import io
import textwrap
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from tlprobe.errors import ParameterError
from tlprobe.files import write_atomic
from tlprobe.plots.attribute import draw_rows, drawable, scales_of
from tlprobe.plots.attribute_ways import by_way, gap_note, row_text, way_text
from tlprobe.plots.figure import settle
from tlprobe.plots.style import NOTE_PT, paper_style
from tlprobe.records import Record

__all__ = ["ROWS_A_PAGE", "save_contact_sheet"]

ROWS_A_PAGE = 8
"""Clips on a page of A4."""
_PAGE_IN = (8.27, 11.69)  # A4
_MARGIN = 0.05  # of the page


def save_contact_sheet(record: Record, path: Path | str) -> int:
    """Write the rows of a record to a PDF of as many pages as they need.

    Parameters
    ----------
    record : Record
        Of ``tlprobe attribute``.
    path : Path
        Ends in ``.pdf``. The same record gives the same bytes.

    Returns
    -------
    n_pages : int > 0

    Raises
    ------
    ParameterError
        If the record has no attributions, or `path` is no PDF.
    ResourceError
        If the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".pdf":
        raise ParameterError(f"a contact sheet is a .pdf; {path.name} is none")
    rows = drawable(record)
    if record.probe != "attribute" or not rows:
        raise ParameterError(f"this record of {record.probe} has no attributions for a contact sheet")
    pages = []
    for own in by_way(rows).values():
        scales, title = scales_of(record, own), row_text(own[0], rows) or way_text(own[0])
        starts = range(0, len(own), ROWS_A_PAGE)
        pages += [(own[start : start + ROWS_A_PAGE], scales, title) for start in starts]
    content = io.BytesIO()
    without_dates: dict[str, Any] = {"CreationDate": None}
    with paper_style(), PdfPages(content, metadata=without_dates) as pdf:
        for number, (shown, scales, title) in enumerate(pages, start=1):
            height = (1 - 2 * _MARGIN) * len(shown) / ROWS_A_PAGE  # rows keep their height on the last page
            within = (_MARGIN, 1 - _MARGIN - height, 1 - 2 * _MARGIN, height)
            figure = Figure(figsize=_PAGE_IN, layout=ConstrainedLayoutEngine(rect=within))
            draw_rows(record, shown, figure=figure, scales=scales)
            where = f"page {number} of {len(pages)}"
            what = filter(None, (title, str(record.params.get("chosen", "")), where, gap_note(shown)))
            figure.suptitle(textwrap.fill("; ".join(what), 150), fontsize=NOTE_PT, color="0.3", x=_MARGIN, ha="left")
            settle(figure)
            pdf.savefig(figure)
    write_atomic(path, content.getvalue())
    return len(pages)
