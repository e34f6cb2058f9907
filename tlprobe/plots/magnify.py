"""The styles for a talk and a poster: the paper's figure, all of it larger by one factor.

Type, lines, markers, ticks, legends and the page grow together, so what was estimated for the paper (which names
fit, where a legend breaks) holds in every style, and no label covers another that did not before.
"""

from collections.abc import Iterator
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis, YAxis
from matplotlib.collections import Collection, PathCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.offsetbox import DrawingArea, PackerBase
from matplotlib.patches import FancyBboxPatch, Patch
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Affine2D, ScaledTranslation

from tlprobe.errors import ParameterError

__all__ = ["STYLES", "factor_of", "magnify"]

STYLES = {"paper": 1.0, "talk": 1.9, "poster": 3.0}
"""Style -> how much larger than the paper's 8 pt type and 3.25 and 6.75 in. Of a talk, two columns fill a 16:9 slide of
13.33 in with 15 pt type; of a poster, one is a third of an A0 page, with 24 pt type."""


def factor_of(style: str) -> float:
    """Return how much larger than the paper's a style is.

    Raises
    ------
    ParameterError
        If there is no such style.
    """
    if style not in STYLES:
        raise ParameterError(f"style={style!r}; choose from {', '.join(STYLES)}")
    return STYLES[style]


def magnify(figure: Figure, factor: float) -> None:
    """Make a figure and all that is in it larger.

    Parameters
    ----------
    figure : Figure
        Laid out, under the settings it was drawn with; its layout engine is off.
    factor : float > 0
    """
    if factor == 1:
        return
    axes = [ax for ax in figure.findobj(Axes) if isinstance(ax, Axes)]
    axis_parts = {part for ax in axes for axis in (ax.xaxis, ax.yaxis) for part in _ticks_parts(axis)}
    found = [artist for artist in figure.findobj() if artist not in axis_parts]
    for ax in axes:
        _magnify_titles(ax, figure, factor)
        for axis in (ax.xaxis, ax.yaxis):
            _magnify_axis(axis, factor)
    for artist in found:
        _magnify_artist(artist, factor)
    figure.set_size_inches(*(factor * figure.get_size_inches()))


def _magnify_artist(artist: Artist, factor: float) -> None:
    """Enlarge what an artist measures in points; what it measures in data or parts of the figure grows by itself."""
    match artist:
        case Text():
            artist.set_fontsize(factor * float(artist.get_fontsize()))
            if isinstance(artist, Annotation) and artist.anncoords == "offset points":
                x, y = artist.xyann
                artist.xyann = (factor * x, factor * y)
        case Line2D():
            artist.set_linewidth(factor * artist.get_linewidth())
            artist.set_markersize(factor * artist.get_markersize())
            artist.set_markeredgewidth(factor * artist.get_markeredgewidth())
        case Collection():
            artist.set_linewidth([factor * width for width in np.atleast_1d(artist.get_linewidth())])
            artist.set_hatch_linewidth(factor * artist.get_hatch_linewidth())
            if isinstance(artist, PathCollection):
                artist.set_sizes(factor**2 * artist.get_sizes())
        case Patch():
            if isinstance(artist, FancyBboxPatch):
                artist.set_mutation_scale(factor * artist.get_mutation_scale())
            artist.set_linewidth(factor * artist.get_linewidth())
            artist.set_hatch_linewidth(factor * artist.get_hatch_linewidth())
        case Legend():
            artist.borderaxespad *= factor
        case PackerBase():
            artist.pad = None if artist.pad is None else factor * artist.pad
            artist.sep = None if artist.sep is None else factor * artist.sep
        case DrawingArea():
            _magnify_drawing(artist, factor)


def _magnify_drawing(area: DrawingArea, factor: float) -> None:
    """Enlarge the sample of a line or marker in a legend, whose coordinates are points."""
    for name in ("width", "height", "xdescent", "ydescent"):
        setattr(area, name, factor * getattr(area, name))
    for child in area.get_children():
        child.set_transform(Affine2D().scale(factor) + area.get_transform())


def _magnify_titles(ax: Axes, figure: Figure, factor: float) -> None:
    """Lift the titles; their type is enlarged with all texts."""
    offset_of: Any = ax  # matplotlib names it, its stubs do not
    pad_in = float(offset_of.titleOffsetTrans.get_matrix()[1, 2]) / figure.dpi
    offset = ScaledTranslation(0, factor * pad_in, figure.dpi_scale_trans)
    inside = set(ax.texts)
    for title in ax.get_children():
        if isinstance(title, Text) and title not in inside:
            title.set_transform(ax.transAxes + offset)


def _magnify_axis(axis: XAxis | YAxis, factor: float) -> None:
    """Enlarge ticks, those to come too, and the distances of their labels and the axis label."""
    axis.labelpad *= factor
    axis.OFFSETTEXTPAD = round(factor * axis.OFFSETTEXTPAD)  # no axis of ours has such a text
    which: Literal["major", "minor"]
    for which, ticks in (("major", axis.get_major_ticks()), ("minor", axis.get_minor_ticks())):
        sizes = [label.get_fontsize() for tick in ticks for label in (tick.label1, tick.label2)]
        larger: dict[str, Any] = {name: factor * size for name, size in _tick_sizes(axis, which).items()}
        axis.set_tick_params(which=which, **larger)
        labels = [label for tick in ticks for label in (tick.label1, tick.label2)]
        for label, size in zip(labels, sizes, strict=True):  # names may have a size of their own
            label.set_fontsize(factor * float(size))


def _tick_sizes(axis: XAxis | YAxis, which: Literal["major", "minor"]) -> dict[str, float]:
    """Return what the ticks of an axis measure in points: as it was set, or as the settings say."""
    given: dict[str, Any] = axis.get_tick_params(which=which) or {}
    settings: Any = mpl.rcParams  # its keys are put together here
    name = f"{axis.axis_name}tick"
    found = {
        "length": settings[f"{name}.{which}.size"],
        "width": settings[f"{name}.{which}.width"],
        "pad": settings[f"{name}.{which}.pad"],
        "labelsize": settings[f"{name}.labelsize"],
        "grid_linewidth": settings["grid.linewidth"],
    }
    return {name: float(given.get(name, size)) for name, size in found.items()}


def _ticks_parts(axis: Axis) -> Iterator[Artist]:
    for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
        yield from tick.findobj()
