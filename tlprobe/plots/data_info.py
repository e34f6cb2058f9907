"""A data set at a glance: a spectrogram of one clip a class, with the class's number of clips.

All spectrograms share one scale, which starts at silence. Time is in seconds.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from tlprobe.plots.style import NOTE_PT, legend_over, placeholder, readable
from tlprobe.records import Record

__all__ = ["MAX_CLASSES", "draw", "height_in"]

MAX_CLASSES = 60
"""Classes in one figure: what fits on a page. The figure says how many it leaves out."""

_COLUMNS = 5
_ROW_IN, _REST_IN = 0.78, 1.15  # a row of spectrograms; time axis, colour bar and notes


def height_in(record: Record) -> float:
    """Return the height that the figure of a record wants, in inches."""
    n = min(sum(row.get("array_index") is not None for row in record.rows), MAX_CLASSES)
    return _ROW_IN * max(-(-n // _COLUMNS), 1) + _REST_IN


def draw(record: Record, *, figure: Figure | SubFigure) -> list[Axes]:
    """Draw one clip of each class.

    Parameters
    ----------
    record : Record
        Of ``tlprobe data info``, with the array ``"spectrogram"`` (n_classes, n_rows, n_columns).
    figure : Figure or SubFigure
        Is drawn on.

    Returns
    -------
    axes : list of Axes
        One a class.
    """
    pictures = record.arrays.get("spectrogram")
    rows = [row for row in record.rows if row.get("array_index") is not None]
    if pictures is None or not rows:
        return [placeholder(figure.subplots(), "no clip of any class can be drawn")]
    shown = rows[:MAX_CLASSES]
    n_rows = -(-len(shown) // _COLUMNS)
    grid = figure.add_gridspec(n_rows, _COLUMNS)
    seen = np.stack([pictures[int(row["array_index"])] for row in shown])
    low, high = float(seen.min()), float(np.quantile(seen, 0.999))
    clip_s = float(record.params["image"]["clip_s"])
    axes: list[Axes] = []
    for number, (row, picture) in enumerate(zip(shown, seen, strict=True)):
        ax = figure.add_subplot(grid[divmod(number, _COLUMNS)])
        mappable = ax.imshow(
            picture,
            origin="lower",
            aspect="auto",
            cmap="cividis",
            vmin=low,
            vmax=high,
            extent=(0, clip_s, 0, 1),
            interpolation="none",  # a PDF then holds the picture's own pixels, a tenth of the bytes
        )
        ax.set_title(f"{readable(row['label'], limit=17)} ({row['n']})", fontsize=NOTE_PT, loc="left", pad=2)
        ax.set_yticks([])
        ax.set_xticks([0, clip_s], ["0", f"{clip_s:g}"])
        ax.tick_params(labelbottom=number + _COLUMNS >= len(shown), labelsize=NOTE_PT)
        axes.append(ax)
    bar = figure.colorbar(mappable, ax=axes, orientation="horizontal", shrink=0.4, aspect=40, pad=0.02)
    bar.set_label("log power (ln), from silence on", fontsize=NOTE_PT)
    bar.ax.tick_params(labelsize=NOTE_PT)
    legend_over(figure, axes, note=_note(record, n_left_out=len(rows) - len(shown)))
    return axes


def _note(record: Record, *, n_left_out: int) -> str:
    params = record.params
    parts = [
        f"{readable(params['name'])}: {params['n']} clips of {params['n_classes']} classes",
        f"{params['n_groups']} sources",
        f"{len(params['folds'])} folds",
        "time in s, frequency upwards; one clip a class, drawn by a seed",
    ]
    if n_left_out:
        parts.append(f"{n_left_out} classes are not shown")
    return "; ".join(parts)
