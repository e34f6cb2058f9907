"""Is an attribution any good: insertion and deletion curves of each ranking, and what the checks gave.

Left, the probability of the explained class as patches are put back (solid) or taken away (dashed), the mean over
clips. Right, above: the rank correlation of the map with energy and edges, between its channels, and with maps from
other baselines; below: with the map of the network that has forgotten its head, then block after block. Bars: 95 %
intervals over recordings.
"""

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from tlprobe.plots.style import NOTE_PT, placeholder, series_look
from tlprobe.records import Record

__all__ = ["HEIGHT_IN", "draw"]

HEIGHT_IN = 3.9


def draw(record: Record, *, figure: Figure | SubFigure) -> list[Axes]:
    """Draw a record of ``tlprobe faithfulness``.

    Parameters
    ----------
    record : Record
    figure : Figure or SubFigure
        Is drawn on.

    Returns
    -------
    axes : list of Axes
        Curves, correlations, and the randomisation check where it was made.
    """
    if "insertion" not in record.arrays:
        return [placeholder(figure.subplots(), "no curves in this record")]
    grid = figure.add_gridspec(2, 2, width_ratios=(1.15, 1))
    curves = _draw_curves(record, ax=figure.add_subplot(grid[:, 0]))
    forgot = _rows(record, "randomisation")
    right = figure.add_subplot(grid[0, 1] if forgot else grid[:, 1])
    _draw_correlations(record, ax=right)
    axes = [curves, right]
    if forgot:
        axes.append(_draw_randomisation(forgot, ax=figure.add_subplot(grid[1, 1])))
    figure.supxlabel(_note(record), fontsize=NOTE_PT, color="0.3", x=0.01, ha="left", multialignment="left")
    return axes


def _rows(record: Record, measure: str) -> list[dict[str, Any]]:
    return [row for row in record.rows if row["measure"] == measure]


def _draw_curves(record: Record, *, ax: Axes) -> Axes:
    shares = 100 * np.asarray(record.params["shares"])
    for number, name in enumerate(record.params["rankings"]):
        look = series_look(number)
        for kind, line in (("insertion", "-"), ("deletion", "--")):
            label = name if kind == "insertion" else "_nolegend_"
            mean = record.arrays[kind][number].mean(axis=0)
            ax.plot(shares, mean, color=look.color, linestyle=line, label=label, marker="", linewidth=1.3)
    ax.set(xlim=(0, 100), ylim=(0, None), xlabel="patches put back (solid) or taken away (dashed), %")
    ax.set_ylabel("probability of the explained class")
    ax.legend(title="first those of highest", fontsize=7, title_fontsize=7)
    return ax


def _draw_correlations(record: Record, *, ax: Axes) -> None:
    of_channels = [{**row, "ranking": f"map, {row['ranking']}"} for row in _rows(record, "channels")]
    rows = [*_rows(record, "rank correlation"), *of_channels, *_rows(record, "agreement")]
    for place, row in enumerate(reversed(rows)):
        _point(ax, place, row, horizontal=True)
    names = [row["ranking"].replace("attribution and ", "map and ").replace("silence and", "map from") for row in rows]
    ax.set_yticks(range(len(rows)), names[::-1], fontsize=7)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.axvline(0, color="0.6", linewidth=0.8, zorder=1)
    ax.set_xlabel("rank correlation")


def _draw_randomisation(rows: list[dict[str, Any]], *, ax: Axes) -> Axes:
    for place, row in enumerate(rows):
        _point(ax, place, row, horizontal=False)
    ax.axhline(0, color="0.6", linewidth=0.8, zorder=1)
    ax.set_xticks(range(len(rows)), [row["ranking"] for row in rows])
    ax.tick_params(axis="x", labelsize=7)
    ax.set(ylabel="rank correlation", xlabel="random from the head on, up to")
    return ax


def _point(ax: Axes, place: int, row: dict[str, Any], *, horizontal: bool) -> None:
    look = series_look(0)
    error = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
    style: dict[str, Any] = {"color": look.color, "marker": "o", "linestyle": "", "elinewidth": 0.8}
    if horizontal:
        ax.errorbar([row["mean"]], [place], xerr=error, **style)
    else:
        ax.errorbar([place], [row["mean"]], yerr=error, **style)


def _note(record: Record) -> str:
    params = record.params
    n = len(params["clips"])
    steps, tolerance = params.get("steps", [params["n_steps"]]), params.get("tolerance", 0.01)
    taken = " to ".join(map(str, dict.fromkeys((min(steps), max(steps)))))
    n_reached = sum(gap <= tolerance for gap in params["gaps"])
    text = (
        f"{n} held-out clips, fold {params['fold']}: {params['chosen']}. Integrated gradients of the predicted class "
        f"from silence, {taken} steps; completeness gap at most {100 * tolerance:g} % in {n_reached} of {n} clips. "
        "Patches of 8 rows x 10 columns, replaced by silence. Bars: 95 % over recordings."
    )
    return textwrap.fill(text, 125)
