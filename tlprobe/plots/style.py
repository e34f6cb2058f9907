"""What all figures share: widths, looks of the initialisations, axes of blocks and of accuracy.

Conventions: accuracies are in [0, 1] in a record and in percent on an axis; a value that a record does
not have is null there and NaN here, and is left out of the drawing. Type is 6 to 8 pt.
"""

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, Literal, NamedTuple

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

__all__ = [
    "BASELINE",
    "DOUBLE_IN",
    "FAINT",
    "NOTE_PT",
    "PALETTE",
    "RANDOM_PAIR",
    "SINGLE_IN",
    "Look",
    "accuracy_axis",
    "block_axis",
    "fitting_columns",
    "init_label",
    "init_look",
    "legend_above",
    "legend_over",
    "number",
    "panel_title",
    "paper_style",
    "placeholder",
    "readable",
    "scope",
    "series_look",
    "size_in",
    "values",
]

SINGLE_IN = 3.25
"""Width of one column, in inches."""
DOUBLE_IN = 6.75
"""Width of two columns, in inches."""
NOTE_PT = 6.5
"""Size of small type: n, fold, epochs."""
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito's colour-blind-safe colours (2008, https://jfly.uni-koeln.de/color/) without yellow."""
FAINT = 0.35
"""Opacity of the single runs behind their mean."""
BASELINE = "0.5"
"""Grey of what stands beside the networks that were trained."""
RANDOM_PAIR = "random pair"
"""What a record calls the initialisation of two untrained networks that are compared with each other."""

_STYLE = Path(__file__).with_name("paper.mplstyle")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "--", (0, (5, 1, 1, 1)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)), (0, (6, 1)), (0, (2, 1)))
_NOTE_GREY = "0.3"
_NAME_LIMIT = 22  # characters of a weight file's name in a legend


class Look(NamedTuple):
    """How one series is told from the others, in colour and in grey."""

    color: str
    marker: str
    linestyle: Any


@contextmanager
def paper_style() -> Iterator[None]:
    """Use matplotlib's defaults and the paper style, whatever the user's own settings are.

    Drawn outside of it (a notebook does that), a finished figure stays the same as long as no axis
    leaves its number of ticks to matplotlib, which would ask the settings of that moment.
    """
    with matplotlib.style.context(_STYLE, after_reset=True):
        yield


def series_look(index: int) -> Look:
    """Return the look of the series number `index` (0, 1, ...)."""
    return Look(PALETTE[index % len(PALETTE)], _MARKERS[index % len(_MARKERS)], _LINES[index % len(_LINES)])


def init_look(init: str, *, others: Sequence[str] = ()) -> Look:
    """Return the look of an initialisation: the same in every figure for ``imagenet`` and ``random``.

    Parameters
    ----------
    init : str
        ``"imagenet"``, ``"random"``, `RANDOM_PAIR` (grey) or the name of a weight file.
    others : sequence of str
        The initialisations of the figure in order; it numbers those of the user's own files.
    """
    fixed = ("imagenet", "random")
    if init == RANDOM_PAIR:
        return Look(BASELINE, "D", (0, (4, 1.5, 1, 1.5)))
    if init in fixed:
        return series_look(fixed.index(init))
    own = [name for name in others if name not in (*fixed, RANDOM_PAIR)]
    return series_look(len(fixed) + (own.index(init) if init in own else 0))


def init_label(init: str) -> str:
    """Return what a legend calls an initialisation.

    >>> init_label("imagenet"), init_label("random"), init_label("audioset.pth")
    ('ImageNet init', 'random init', 'audioset.pth init')
    """
    if init == RANDOM_PAIR:
        return "two random inits"
    name = init if len(init) <= _NAME_LIMIT else PurePath(init).stem
    return f"{'ImageNet' if init == 'imagenet' else readable(name, limit=_NAME_LIMIT)} init"


def readable(name: object, *, limit: int = 40) -> str:
    r"""Return a name fit for a figure: no underscores, one line, at most `limit` characters.

    The middle of a longer name gives way to an ellipsis, because classes and files often differ at
    their ends. Dollar signs are escaped, or matplotlib would read what is between two as a formula.

    >>> readable("washing_machine"), readable("abcdefghij", limit=7)
    ('washing machine', 'abc…hij')
    """
    text = " ".join(str(name).replace("_", " ").split())
    if len(text) > limit:
        tail = (limit - 1) // 2
        text = f"{text[: limit - 1 - tail].rstrip()}…{text[len(text) - tail :].lstrip()}"
    return text.replace("$", r"\$")


def number(value: object) -> float:
    """Return a record's number as float; null and everything that is no number as NaN.

    >>> number(1), number(None)
    (1.0, nan)
    """
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return float(value) if is_number else math.nan  # type: ignore[arg-type]


def values(rows: Iterable[Mapping[str, Any]], field: str) -> np.ndarray:
    """Return the finite numbers in one column of some rows.

    Returns
    -------
    values : np.ndarray [shape=(n_finite,), float64]
    """
    column = np.array([number(row.get(field)) for row in rows], dtype=np.float64)
    return column[np.isfinite(column)]


def scope(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say in one short line what some rows rest on: clips, folds, seeds, epochs.

    >>> scope([{"n": 400, "fold": 4, "seed": 0, "epochs": 4}])
    'n = 400 clips, fold 4, 4 epochs'
    >>> scope([{"n": 400, "fold": k, "seed": 0} for k in (1, 2, 3)])
    'n = 400 clips each, folds 1–3'
    """
    folds = sorted({int(value) for value in values(rows, "fold")})
    seeds = {int(value) for value in values(rows, "seed")}
    parts = []
    if n := _span(values(rows, "n")):
        parts.append(f"n = {n} clips{' each' if len(folds) > 1 or len(seeds) > 1 else ''}")
    if folds:
        consecutive = len(folds) > 1 and folds == list(range(folds[0], folds[-1] + 1))
        listed = f"{folds[0]}\N{EN DASH}{folds[-1]}" if consecutive else ", ".join(map(str, folds))
        parts.append(f"fold{'s' if len(folds) > 1 else ''} {listed}")
    if len(seeds) > 1:
        parts.append(f"{len(seeds)} seeds")
    if epochs := _span(values(rows, "epochs")):
        parts.append(f"{epochs} epoch{'' if epochs == '1' else 's'}")
    return ", ".join(parts)


def _span(found: np.ndarray) -> str:
    if not found.size:
        return ""
    low, high = int(found.min()), int(found.max())
    return str(low) if low == high else f"{low}\N{EN DASH}{high}"


def size_in(ax: Axes, axis: Literal["x", "y"] = "x") -> float:
    """Return about how wide (or high) the axes are, in inches, before the layout is done."""
    part, place = ax.get_figure(root=False), ax.get_position()
    if part is None:
        return SINGLE_IN * place.width
    return float(place.width * part.bbox.width if axis == "x" else place.height * part.bbox.height) / part.dpi


def block_axis(ax: Axes, names: Sequence[str], *, label: str) -> None:
    """Make the x axis one of named places ``0 .. len(names) - 1``; slant the names where they don't fit."""
    labels = [readable(name, limit=16) for name in names]
    needed_in = max(map(len, labels), default=0) * 7 * 0.58 / 72  # 7 pt type, 0.58 em a character
    fits = needed_in * 1.1 * len(labels) <= size_in(ax)
    slant: dict[str, Any] = {} if fits else {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(len(labels)), labels, **slant)
    ax.set_xlim(-0.4, max(len(labels) - 0.6, 0.4))
    ax.set_xlabel(label)


def accuracy_axis(ax: Axes, percent: Iterable[float]) -> None:
    """Make the y axis one of accuracy in percent, in whole tens around the finite values of `percent`."""
    shown = np.array([value for value in percent if math.isfinite(value)])
    low = 10 * math.floor((shown.min() - 1) / 10) if shown.size else 0
    high = 10 * math.ceil((shown.max() + 0.99) / 10) if shown.size else 100
    ax.set_ylim(max(low, 0), 102 if high > 100 else high)  # a marker at 100 % is shown whole
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    ax.set_ylabel("held-out accuracy (%)")


def legend_above(ax: Axes, *, note: str = "", n_columns: int = 1) -> None:
    """Put the legend above the axes, where it covers no data, under a line of small type."""
    handles, labels = ax.get_legend_handles_labels()
    if not handles and not note:
        return
    legend = ax.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.02),
        borderaxespad=0.0,
        ncols=n_columns,
        title=textwrap.fill(note, max(int(1.2 * size_in(ax) / (NOTE_PT * 0.55 / 72)), 20)) or None,
        title_fontproperties={"size": NOTE_PT},
        alignment="left",
    )
    legend.get_title().set_color(_NOTE_GREY)


def legend_over(figure: Figure | SubFigure, axes: Iterable[Axes], *, note: str = "") -> None:
    """Put one legend for all axes over a figure, that of the first with entries, under a line of small type."""
    found = (ax.get_legend_handles_labels() for ax in axes)
    handles, labels = next((entries for entries in found if entries[0]), ([], []))
    if not handles and not note:
        return
    figure_in = figure.bbox.width / figure.dpi
    legend = figure.legend(
        handles,
        labels,
        loc="outside upper left",
        ncols=fitting_columns(labels, figure_in),
        title=textwrap.fill(note, int(figure_in / (NOTE_PT * 0.55 / 72))) or None,
        title_fontproperties={"size": NOTE_PT},
        alignment="left",
    )
    legend.get_title().set_color(_NOTE_GREY)


def fitting_columns(labels: Sequence[str], width_in: float) -> int:
    """Return how many columns of a legend fit; matplotlib fills them one after the other."""
    em_in = 7 / 72
    widths_em = np.array([0.55 * len(label) + 4.1 for label in labels])  # 4.1 for the line, and the gap after the text
    for n in range(len(labels), 1, -1):
        if (sum(max(column) for column in np.array_split(widths_em, n)) - 1.2) * em_in <= width_in:
            return n
    return 1


def panel_title(ax: Axes, title: str) -> None:
    """Name one of several panels in small type, on as many lines as it takes."""
    width = int(1.12 * size_in(ax) / (7 * 0.55 / 72))  # the layout makes axes wider
    ax.set_title(textwrap.fill(title, max(width, 10)), loc="left", fontsize=7, pad=4)


def placeholder(ax: Axes, text: str) -> Axes:
    """Say in an empty panel why it is empty."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set(visible=True, color="0.8")
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=_NOTE_GREY, wrap=True)
    return ax
