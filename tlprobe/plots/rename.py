"""Put other words in a figure: its labels, legends, titles and named ticks, each as a whole."""

from collections.abc import Mapping

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, ScalarFormatter

from tlprobe.errors import ParameterError

__all__ = ["rename"]

_N_NAMED = 20


def rename(figure: Figure, labels: Mapping[str, str]) -> None:
    """Replace texts of a figure.

    Parameters
    ----------
    figure : Figure
        Drawn, not yet laid out.
    labels : mapping of str to str
        A text as it stands in the figure, whole, and what stands there instead; a line break is a space.

    Raises
    ------
    ParameterError
        If a text is not in the figure; those that are there are named.
    """
    labels = {_flat(name): text for name, text in labels.items()}
    there: set[str] = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            there |= _rename_ticks(axis, labels)
    for text in figure.findobj(Text):
        said = text.get_text()
        if said:
            there.add(_flat(said))
            text.set_text(labels.get(_flat(said), said))
    if missing := [name for name in labels if name not in there]:
        raise ParameterError(f"label {missing[0]!r} is no text of this figure; choose from {_listed(there)}")


def _rename_ticks(axis: Axis, labels: Mapping[str, str]) -> set[str]:
    """Rename the ticks that have names of their own and no numbers; return what they were called."""
    locator, formatter = axis.get_major_locator(), axis.get_major_formatter()
    if not isinstance(locator, FixedLocator) or isinstance(formatter, ScalarFormatter):
        return set()
    places = list(map(float, axis.get_majorticklocs()))
    named = formatter.format_ticks(places)
    if labels.keys() & set(map(_flat, named)):
        axis.set_ticks(places, labels=[labels.get(_flat(name), name) for name in named])
    return {_flat(name) for name in named if name}


def _flat(text: str) -> str:
    """Return a text on one line: where a figure breaks it is not what names it."""
    return " ".join(text.split())


def _listed(texts: set[str]) -> str:
    named = [repr(text) for text in sorted(texts)]
    more = f" and {len(named) - _N_NAMED} more" if len(named) > _N_NAMED else ""
    return ", ".join(named[:_N_NAMED]) + more
