"""Fig. 2a: how similar each layer is after fine-tuning to what it was before, or to another run's.

One line for each kind of network, x the layers in order, y the similarity with its interval over clips; the
dotted line of the same colour is the same measure with the clips permuted, its null, and what lies under it is
no more than different clips give. Open markers are values that permuted clips reach too: they are not above the
upper end of the null's band. The corrected similarity is (s - null) / (1 - null); its interval is that of s on
the same scale. Several runs of one kind are drawn as their mean with the single runs behind it.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tlprobe.plots.curve import ENDS, Curve, curve_of
from tlprobe.plots.layers import Layers, layer_axis, layers_of
from tlprobe.plots.series import series_of
from tlprobe.plots.similarity import NOTHING, NULL_LABEL, measure_name, note, rows_of, samples_name, treatments
from tlprobe.plots.style import (
    FAINT,
    RANDOM_PAIR,
    Look,
    fitting_columns,
    legend_above,
    legend_over,
    number,
    panel_title,
    placeholder,
    series_look,
    size_in,
    values,
)
from tlprobe.records import Record

__all__ = ["MOST_CURVES", "draw", "draw_alone", "draw_corrected", "height_in", "is_wide"]

_MANY = 30
"""From this many places on, markers and bars would touch: lines and bands alone."""
MOST_CURVES = 6
"""Series times measures in one panel; of more, each measure has its own."""
_LOWEST = -1.0
"""A corrected value below is drawn at the lower edge: a null close to 1 makes it any size."""
_FILL = 0.2
"""Opacity under the nulls, shared by all of them, so that they stay light on top of each other."""
_REST_IN = 0.7  # legend, title, names of the blocks


class _Row(NamedTuple):
    """A row of the figure: what is drawn of which record."""

    record: Record
    draw: Callable[..., Axes]
    height_in: float


def draw(record: Record, *, ax: Axes, conv: str | None = None) -> Axes:
    """Draw the similarity of each layer.

    Parameters
    ----------
    record : Record
        Of ``tlprobe svcca`` before against after fine-tuning, or against another run.
    ax : Axes
        Is drawn on.
    conv : str, optional
        Which treatment of the maps; the record's first by default.

    Returns
    -------
    ax : Axes
    """
    left_out = ""
    if _n_curves(record) > MOST_CURVES:
        left_out = f", first of {len(_measures(record))} measures"
        record = next(iter(_by_measure(record).values()))
    rows = rows_of(record, conv)
    if not values(rows, "value").size:
        return placeholder(ax, NOTHING)
    _draw_raw(record, ax=ax, conv=conv)
    _, labels = ax.get_legend_handles_labels()
    n_columns = fitting_columns(labels, 1.12 * size_in(ax))  # the layout will make it wider
    legend_above(ax, note=note(record, rows, samples=True) + left_out, n_columns=n_columns)
    return ax


def draw_corrected(record: Record, *, ax: Axes, conv: str | None = None) -> Axes:
    """Draw how far each similarity is from its null towards 1, in the looks of `draw`; arguments as there."""
    if not values(rows_of(record, conv), "corrected").size:
        return placeholder(ax, "no corrected similarities in this record")
    layers = layers_of(record.rows, record.params)
    bottom = _corrected_bottom(record)
    for curve, look, label in _curves(record, conv, layers, corrected=True):
        shown = curve._replace(mean=np.maximum(curve.mean, bottom), runs=np.maximum(curve.runs, bottom))
        _draw_curve(ax, shown, look, layers=layers, label=label)
        ax.fill_between(curve.x, *curve.band, color=look.color, alpha=_FILL, linewidth=0, zorder=0)
        beyond = np.where(curve.mean < bottom, bottom, np.nan)
        ax.plot(curve.x, beyond, "v", color=look.color, ms=7, clip_on=False, zorder=5)
    ax.axhline(0, color="0.3", linewidth=0.8, zorder=1)
    layer_axis(ax, layers)
    ax.set_ylim(bottom, 1)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    ax.set_ylabel("corrected: (s \N{MINUS SIGN} null)\n/ (1 \N{MINUS SIGN} null)")
    return ax


def draw_alone(record: Record, *, figure: Figure | SubFigure) -> list[Axes]:
    """Draw a record as a figure: a column for each treatment of the maps, similarity above, corrected below.

    Parameters
    ----------
    record : Record
        As for `draw`. Where there are more than `MOST_CURVES` of them, a row for each measure instead.
    figure : Figure or SubFigure
        Is drawn on.

    Returns
    -------
    axes : list of Axes
        From left to right, the upper one of a column first.
    """
    if not values(record.rows, "value").size:
        return [placeholder(figure.subplots(), NOTHING)]
    rows = _rows(record)
    grid = figure.add_gridspec(len(rows), len(treatments(record)), height_ratios=[row.height_in for row in rows])
    axes: list[Axes] = []
    named: set[int] = set()
    for column, conv in enumerate(treatments(record)):
        for index, row in enumerate(rows):
            axes.append(ax := figure.add_subplot(grid[index, column]))
            row.draw(row.record, ax=ax, conv=conv)
            if index < len(rows) - 1:
                ax.set_xlabel("")
                ax.tick_params(labelbottom=False)
            if index in named:
                ax.set_ylabel("")
                ax.tick_params(labelleft=False)
            elif ax.get_ylabel():  # a placeholder has no axis to share
                named.add(index)
            if index == 0:
                panel_title(ax, samples_name(conv, rows_of(record, conv)))
    legend_over(figure, axes, note=note(record, record.rows))
    return axes


def height_in(record: Record) -> float:
    """Return the height that the figure of a record alone wants, in inches."""
    return sum(row.height_in for row in _rows(record)) + _REST_IN


def is_wide(record: Record) -> bool:
    """Say whether the figure of a record alone needs two columns."""
    return len(treatments(record)) > 1


def _rows(record: Record) -> list[_Row]:
    """Return what the rows of the figure show, from top to bottom."""
    if _n_curves(record) > MOST_CURVES:
        return [_Row(part, _draw_raw, 1.45) for part in _by_measure(record).values()]
    below = [_Row(record, draw_corrected, 1.4)] if values(record.rows, "corrected").size else []
    return [_Row(record, _draw_raw, 2.0), *below]


def _n_curves(record: Record) -> int:
    return len(series_of(record.rows)) * len(_measures(record))


def _by_measure(record: Record) -> dict[str, Record]:
    return {
        measure: dataclasses.replace(record, rows=[row for row in record.rows if str(row.get("measure")) == measure])
        for measure in _measures(record)
    }


def _draw_raw(record: Record, *, ax: Axes, conv: str | None) -> Axes:
    if not values(rows_of(record, conv), "value").size:
        return placeholder(ax, NOTHING)
    layers, measures = layers_of(record.rows, record.params), _measures(record)
    curves = _curves(record, conv, layers)
    for curve, look, label in curves:
        _draw_curve(ax, curve, look, layers=layers, label=label)
        if len(measures) == 1:
            ax.fill_between(curve.x, 0, curve.null, color=look.color, alpha=_FILL / len(curves), linewidth=0, zorder=0)
            ax.fill_between(curve.x, *curve.band, color=look.color, alpha=_FILL, linewidth=0, zorder=0)
        alone = np.isfinite(curve.null).sum() == 1  # a line of one point would not be seen
        ax.plot(curve.x, curve.null, color=look.color, linestyle=":", linewidth=1.0, marker="_" if alone else "")
    _add_key(ax, record, with_null=any(np.isfinite(curve.null).any() for curve, _, _ in curves), layers=layers)
    layer_axis(ax, layers)
    lowest = min(float(values(record.rows, "value").min()), 0.0)  # the debiased CKA may be negative
    ax.set_ylim(math.floor(10 * lowest) / 10, 1)
    ax.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    to_init = all(row.get("against") == "init" for row in record.rows if row.get("init") != RANDOM_PAIR)
    name = measure_name(measures[0]) if len(measures) == 1 else "measures"
    ax.set_ylabel(f"similarity to {'init' if to_init else 'other run'}\n({name})")
    return ax


def _curves(
    record: Record, conv: str | None, layers: Layers, *, corrected: bool = False
) -> list[tuple[Curve, Look, str]]:
    """Return the curves of all series and measures, with look and label; "_" is in no legend.

    With several networks and several measures, colour and marker tell the networks, lines the measures.
    """
    measures, kinds = _measures(record), series_of(record.rows)
    found = []
    for series, (index, measure) in itertools.product(kinds, enumerate(measures)):
        look, label = series.look, series.label
        if len(measures) > 1 and len(kinds) > 1:
            look, label = look._replace(linestyle=series_look(index).linestyle), "_"
        elif len(measures) > 1:
            look, label = series_look(index), f"{label}, {measure_name(measure)}"
        rows = rows_of(dataclasses.replace(record, rows=series.rows), conv)
        rows = [row for row in rows if str(row.get("measure")) == measure]
        curve = curve_of([_above_null(row) for row in rows] if corrected else rows, place=layers.place_of)
        found.append((curve, look, label))
    return found


def _measures(record: Record) -> list[str]:
    return list(dict.fromkeys(str(row.get("measure")) for row in record.rows))


def _above_null(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row on the scale from its null, 0, to 1."""
    null = number(row.get("null"))
    room = 1 - null
    scaled = {field: (number(row.get(field)) - null) / room if room > 0 else None for field in ENDS}
    return {**row, **scaled, "value": row.get("corrected")}


def _corrected_bottom(record: Record) -> float:
    """Return where the axis of the corrected values begins: the same for all treatments."""
    lowest = min(float(values(record.rows, "corrected").min()), 0.0)
    return max(math.floor(10 * lowest - 0.5) / 10, _LOWEST)


def _draw_curve(ax: Axes, curve: Curve, look: Look, *, layers: Layers, label: str) -> None:
    many = len(layers.blocks) >= _MANY
    style: dict[str, Any] = {"color": look.color, "linestyle": look.linestyle, "label": label}
    if many:
        ax.plot(curve.x, curve.mean, linewidth=0.9, **style)
        ax.fill_between(curve.x, *curve.interval, color=look.color, alpha=0.3, linewidth=0)
        if len(curve.runs) > 1:
            ax.plot(curve.x, curve.runs.T, color=look.color, linewidth=0.4, alpha=FAINT)
        return
    # no clipping: a similarity of 1 keeps its whole marker
    ax.plot(curve.x, curve.mean, marker=look.marker, clip_on=False, **style)
    within = np.where(curve.within_null, curve.mean, np.nan)
    ax.plot(curve.x, within, look.marker, mec=look.color, mfc="white", mew=1, clip_on=False, zorder=4)
    several = np.isfinite(curve.runs).sum(axis=0) > 1
    single = np.where(several, curve.runs, np.nan)
    ax.plot(curve.x, single.T, look.marker, color=look.color, alpha=FAINT, ms=2.5, mew=0)
    if np.isfinite(curve.interval).any():
        bars = np.maximum([curve.mean - curve.interval[0], curve.interval[1] - curve.mean], 0)
        ax.errorbar(curve.x, curve.mean, yerr=bars, color=look.color, linestyle="", elinewidth=0.8, capsize=2)


def _add_key(ax: Axes, record: Record, *, layers: Layers, with_null: bool) -> None:
    """Add what a legend must say beside the labels of the curves."""
    kinds, measures = series_of(record.rows), _measures(record)
    if len(kinds) > 1 and len(measures) > 1:
        for series in kinds:
            ax.add_line(Line2D([], [], color=series.look.color, marker=series.look.marker, label=series.label))
        for index, measure in enumerate(measures):
            ax.add_line(Line2D([], [], color="0.3", ls=series_look(index).linestyle, label=measure_name(measure)))
    if with_null:  # one entry for all: the colour says whose null it is
        ax.add_line(Line2D([], [], color="0.3", linestyle=":", label=NULL_LABEL))
        reached = any(number(row.get("value")) <= number(row.get("null_high")) for row in record.rows)
        if len(layers.blocks) < _MANY and reached:
            ax.add_line(Line2D([], [], color="0.3", ls="", marker="o", mfc="white", label="not above null"))
