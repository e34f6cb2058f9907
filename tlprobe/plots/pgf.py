r"""Figures as pgf: pictures that a LaTeX document draws itself, in its own type.

Texts keep the paper's sizes and places, but not its font: the document's stands there. LaTeX measures them, so it must
be installed; a document needs ``\usepackage{pgf}``.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.axis import Axis
from matplotlib.backends.backend_pgf import LatexError
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import Formatter

from tlprobe.errors import ParameterError
from tlprobe.plots.latex import escape_formulas, require_name

__all__ = ["pgf_files"]

_ENGINES = ("pdflatex", "xelatex", "lualatex")


def pgf_files(figure: Figure, name: str, *, others: Sequence[str]) -> dict[str, bytes]:
    """Return a figure as pgf, with the images that it includes: what lies in one folder, by name.

    Parameters
    ----------
    figure : Figure
    name : str
        Of the file, without ``.pgf``; images are called ``name-img0.png``, ...
    others : sequence of str
        Formats that need no LaTeX, for the error.

    Returns
    -------
    files : dict of str to bytes
        The pgf file last: what it includes is there before it.

    Raises
    ------
    ParameterError
        If no LaTeX is installed, it lacks a package, it cannot set a text, or its documents could not name the file.
    """
    require_name(name)
    engine = next((program for program in _ENGINES if shutil.which(program)), None)
    if engine is None:
        raise ParameterError(
            f"format=pgf needs LaTeX to measure texts, and there is no {', '.join(_ENGINES[:-1])} or {_ENGINES[-1]} "
            f"here; install one, or choose from {', '.join(others)}"
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{name}.pgf")
        try:
            with mpl.rc_context({"pgf.texsystem": engine, "pgf.rcfonts": False}), _escaped(figure):
                figure.savefig(file, format="pgf", dpi=300)
        except (LatexError, RuntimeError, ValueError, BrokenPipeError) as error:
            raise ParameterError(
                f"format=pgf: {engine} cannot set this figure ({_reason(error)}); choose from {', '.join(others)}"
            ) from error
        images = sorted(Path(folder).glob(f"{name}-img*.png"), key=lambda image: (len(image.name), image.name))
        return {path.name: path.read_bytes() for path in (*images, file)}


class _Escaped(Formatter):
    """Names ticks as another formatter does, for LaTeX."""

    def __init__(self, named: Formatter) -> None:
        self.named = named

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        return [escape_formulas(text) for text in self.named.format_ticks(list(values))]

    def get_offset(self) -> str:
        return escape_formulas(self.named.get_offset())

    def __call__(self, x: float, pos: int | None = None) -> str:
        return escape_formulas(self.named(x, pos))


@contextmanager
def _escaped(figure: Figure) -> Iterator[None]:
    """Write the texts of a figure for LaTeX, for as long as it takes: matplotlib hands them over as they are."""
    texts = {text: text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)}
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    named = [(axis, axis.get_major_formatter()) for axis in axes]
    try:
        for text, said in texts.items():
            text.set_text(escape_formulas(said))
        for axis, formatter in named:
            _set_formatter(axis, _Escaped(formatter))
        yield
    finally:
        for axis, formatter in named:
            _set_formatter(axis, formatter)
        for text, said in texts.items():
            text.set_text(said)


def _set_formatter(axis: Axis, formatter: Formatter) -> None:
    axis.major.formatter = formatter  # set_major_formatter would tie the other one to this axis anew


def _reason(error: Exception) -> str:
    """Return what LaTeX complained of, on one line."""
    lines = str(error).splitlines()
    return next((line.lstrip("! ") for line in lines if line.startswith("!")), lines[0] if lines else "no reason given")
