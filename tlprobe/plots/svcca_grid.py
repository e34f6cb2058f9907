"""Every layer against every other: a heat map a network and measure.

Upwards the layers of the first network (before fine-tuning), to the right those of the second (after), both from
input to output, so that what kept its place is on the rising diagonal. Where there is a null, what is drawn is the
corrected similarity, (s - null) / (1 - null): the raw one is high wherever channels are many and samples few,
whatever the layers say. A cell is hatched where the similarity is not defined.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage

from tlprobe.plots.layers import Layers, layer_axis, layers_of
from tlprobe.plots.series import series_of
from tlprobe.plots.similarity import NOTHING, measure_name, note, rows_of
from tlprobe.plots.style import legend_over, number, panel_title, placeholder, readable, values
from tlprobe.records import Record

__all__ = ["draw", "height_in", "is_wide"]

_FEW = 8
"""Up to so many layers on either side, the values are written into the cells."""
_DARK = 0.55  # values up to here are dark in cividis, and written in white
_PANEL_IN, _NOTE_IN = {1: 2.7, 2: 2.9, 3: 2.1}, 0.2  # height of a panel by columns, and of the small type


def draw(record: Record, *, figure: Figure | SubFigure) -> list[Axes]:
    """Draw the similarities of all pairs of layers.

    Parameters
    ----------
    record : Record
        Of ``tlprobe svcca`` of every layer against every other; its first treatment of the maps is drawn.
    figure : Figure or SubFigure
        Is drawn on.

    Returns
    -------
    axes : list of Axes
        One a run and measure.
    """
    rows = rows_of(record)
    if not values(rows, "value").size:
        return [placeholder(figure.subplots(), NOTHING)]
    panels = _panels(record)
    titles = _titles(record)
    n_columns = _n_columns(record)
    grid = figure.add_gridspec(-(-len(panels) // n_columns), n_columns)
    axes = [figure.add_subplot(grid[divmod(index, n_columns)]) for index in range(len(panels))]
    shown = "corrected" if values(rows, "corrected").size else "value"
    images = [_draw_panel(ax, record, own, shown) for ax, own in zip(axes, panels.values(), strict=True)]
    for ax, (run, measure) in zip(axes, panels, strict=True):
        panel_title(ax, titles[run, measure])
    measures = list(dict.fromkeys(measure for _, measure in panels))
    name = f" ({measure_name(measures[0])})" if len(measures) == 1 else ""
    extend = "min" if values(rows, shown).min() < 0 else "neither"
    bar = figure.colorbar(images[0], ax=axes, aspect=30, pad=0.02, shrink=0.9, extend=extend)
    bar.set_ticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    bar.set_label(f"{'similarity above null' if shown == 'corrected' else 'similarity'}{name}")
    legend_over(figure, axes, note=note(record, rows, samples=True))
    return axes


def height_in(record: Record) -> float:
    """Return the height that the figure of a record wants, in inches."""
    n_columns = _n_columns(record)
    return _PANEL_IN[n_columns] * -(-max(len(_panels(record)), 1) // n_columns) + _NOTE_IN


def is_wide(record: Record) -> bool:
    """Say whether the figure needs two columns."""
    return len(_panels(record)) > 1


def _n_columns(record: Record) -> int:
    panels = _panels(record)
    n_measures = len({measure for _, measure in panels})
    return n_measures if n_measures in (2, 3) else {0: 1, 1: 1, 2: 2, 4: 2}.get(len(panels), 3)


def _panels(record: Record) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the rows of each run and measure, of the first treatment."""
    panels: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows_of(record):
        panels.setdefault((str(row.get("run")), str(row.get("measure"))), []).append(row)
    return panels


def _titles(record: Record) -> dict[tuple[str, str], str]:
    """Return what tells each run and measure from the others."""
    panels = _panels(record)
    several_measures = len({measure for _, measure in panels}) > 1
    titles = {}
    for series in series_of(record.rows):
        runs = {str(row.get("run")): row for row in series.rows}
        for run, row in runs.items():
            parts = [series.label]
            parts += [f"fold {row.get('fold')}, seed {row.get('seed')}"] * (len(runs) > 1)
            for _, measure in (panel for panel in panels if panel[0] == run):
                titles[run, measure] = ", ".join([*parts, *[measure_name(measure)] * several_measures])
    return titles


def _draw_panel(ax: Axes, record: Record, rows: list[dict[str, Any]], shown: str) -> AxesImage:
    upwards, across = layers_of(rows, record.params), layers_of(rows, record.params, side="_y")
    table = np.full((len(upwards.blocks), len(across.blocks)), np.nan)
    for row in rows:
        table[upwards.place[str(row.get("layer"))], across.place[str(row.get("layer_y"))]] = number(row.get(shown))
    image = ax.imshow(table, origin="lower", vmin=0, vmax=1, cmap="cividis", interpolation="nearest")
    ax.spines[["top", "right"]].set_visible(True)
    ax.patch.set(facecolor="0.92", edgecolor="0.6", hatch="////", linewidth=0)  # seen through cells without a value
    if max(table.shape) <= _FEW:
        _write_values(ax, table)
    _name_layers(ax, upwards, across)
    to_init = all(row.get("against") == "init" for row in rows)
    ax.set_ylabel("before fine-tuning" if to_init else readable(rows[0].get("run"), limit=26))
    ax.set_xlabel("after fine-tuning" if to_init else readable(rows[0].get("against"), limit=26))
    return image


def _write_values(ax: Axes, table: np.ndarray) -> None:
    for y, x in np.argwhere(np.isfinite(table)):
        value = table[y, x]
        text = "<0" if value < 0 else f"{value:.2f}".removeprefix("0")  # "-0.02" is wider than a cell of eight
        ax.text(x, y, text, ha="center", va="center", fontsize=6, color="white" if value < _DARK else "0.1")


def _name_layers(ax: Axes, upwards: Layers, across: Layers) -> None:
    for axis, layers in (("x", across), ("y", upwards)):
        layer_axis(ax, layers, axis=axis)  # type: ignore[arg-type]
    ax.set_xlim(-0.5, len(across.blocks) - 0.5)
