"""Pretrained against random: held-out accuracy, epoch by epoch.

Few runs are drawn one by one, with their intervals at the end; many as pale lines behind their mean.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tlprobe.plots.style import (
    FAINT,
    Look,
    accuracy_axis,
    init_label,
    init_look,
    legend_above,
    number,
    placeholder,
    scope,
    values,
)
from tlprobe.records import Record

__all__ = ["FEW", "draw"]

FEW = 3
"""Runs of one start that are drawn one by one."""

_Curve: TypeAlias = tuple[Mapping[str, Any], npt.NDArray[np.float64]]  # a row, and percent by epoch


def draw(record: Record, *, ax: Axes) -> Axes:
    """Draw the curves of pretrained and random runs.

    Parameters
    ----------
    record : Record
        Of `tlprobe.studies.gain.pretrained_vs_random`; ``params["curves"]`` has one entry a row.
    ax : Axes
        Is drawn on.

    Returns
    -------
    ax : Axes
    """
    if not values(record.rows, "accuracy").size:
        return placeholder(ax, "no accuracies in this record")
    inits = list(dict.fromkeys(str(row.get("init")) for row in record.rows))
    curves: dict[str, list[_Curve]] = {init: [] for init in inits}
    for row, curve in zip(record.rows, record.params["curves"], strict=True):
        curves[str(row.get("init"))].append((row, 100 * np.array([number(v) for v in curve["held_out_accuracy"]])))
    shown: list[float] = []
    many = max(map(len, curves.values())) > FEW
    for init, found in curves.items():
        look = init_look(init, others=inits)
        shown += _draw_mean(ax, found, init, look) if many else _draw_each(ax, found, init, look)
    accuracy_axis(ax, shown)
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    legend_above(ax, note=scope([{**row, "epochs": None} for row in record.rows]))
    return ax


def _draw_each(ax: Axes, curves: Sequence[_Curve], init: str, look: Look) -> list[float]:
    """Draw each run, with its interval at the end; return what is shown, in percent."""
    shown: list[float] = []
    for index, (row, accuracy) in enumerate(curves):
        epochs = np.arange(1, accuracy.size + 1)
        label = init_label(init) if index == 0 else None
        ax.plot(epochs, accuracy, color=look.color, linestyle=look.linestyle, marker=look.marker, label=label)
        end, low, high = (100 * number(row.get(name)) for name in ("accuracy", "ci_low", "ci_high"))
        error = np.maximum([[end - low], [high - end]], 0)
        ax.errorbar([epochs[-1]], [end], yerr=error, color=look.color, linestyle="", elinewidth=0.8)
        shown += [*accuracy, low, high]
    return shown


def _draw_mean(ax: Axes, curves: Sequence[_Curve], init: str, look: Look) -> list[float]:
    """Draw the runs faintly, and their mean over the epochs that all of them have; return what is shown."""
    n = min(accuracy.size for _, accuracy in curves)
    mean = np.mean([accuracy[:n] for _, accuracy in curves], axis=0)
    for _, accuracy in curves:
        ax.plot(np.arange(1, accuracy.size + 1), accuracy, color=look.color, alpha=FAINT, linewidth=0.5)
    label = f"{init_label(init)}, mean of {len(curves)} runs"
    ax.plot(np.arange(1, n + 1), mean, color=look.color, linestyle=look.linestyle, marker=look.marker, label=label)
    return [value for _, accuracy in curves for value in accuracy]
