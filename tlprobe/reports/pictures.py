"""A record's figure as a picture that lies in the page itself: SVG where it is small, else PNG.

Letters are drawn as paths, so the picture is the same where DejaVu Sans is not installed; what it shows is said in
its alt text and in the tables beside it.
"""

import base64
import dataclasses
import io
import warnings

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image

from tlprobe.plots.figure import render
from tlprobe.plots.style import DOUBLE_IN, paper_style
from tlprobe.records import Record
from tlprobe.reports.alt import alt_of

__all__ = ["Picture", "data_link", "picture_of"]

_SVG_BYTES = 120_000  # a larger one is of spectrograms or many cells, which a PNG holds in less
_PNG_DPI = 200
_COLOURS = 256  # what a PNG's palette holds
_PIXELS_PER_IN = 140  # of the page: 8 pt type is then about 15 px high


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture in the page.

    Parameters
    ----------
    link : str
        A data link.
    width, height : int, in px of the page
    alt : str
        What it shows, in words and numbers.
    is_wide : bool
        Whether it takes two columns of a journal: too small to read on a phone unless it scrolls.
    caption : str
    guide : str
        How to read it, where that is not the guide of its section.
    """

    link: str
    width: int
    height: int
    alt: str
    is_wide: bool
    caption: str
    guide: str = ""


def picture_of(record: Record, *, caption: str, guide: str = "") -> Picture:
    """Draw a record's own figure.

    Raises
    ------
    ParameterError
        If its probe has no figure.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # the name is in the tables as it is
        figure = render([record])
        content, kind = _svg(figure), "image/svg+xml"
        if len(content) > _SVG_BYTES:
            content, kind = _png(figure), "image/png"
    width, height = (round(_PIXELS_PER_IN * inches) for inches in figure.get_size_inches())
    is_wide = bool(figure.get_size_inches()[0] >= DOUBLE_IN)
    return Picture(data_link(content, kind), width, height, alt_of(record), is_wide, caption, guide)


def data_link(content: bytes, kind: str) -> str:
    """Return a link that holds its content."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _svg(figure: Figure) -> bytes:
    content = io.BytesIO()
    with paper_style(), mpl.rc_context({"svg.fonttype": "path"}):
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    return content.getvalue()


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    with paper_style():
        figure.savefig(content, format="png", dpi=_PNG_DPI)
    small = io.BytesIO()
    with Image.open(content) as image:  # the colours of a figure are few: a palette takes less than half the bytes
        image.convert("RGB").quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
            small, format="png", optimize=True
        )
    return small.getvalue()
