"""Pretrained against random: held-out accuracy, epoch by epoch, and at the end with its interval."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tlprobe.plots.style import accuracy_axis, init_label, init_look, legend_above, number, placeholder, scope, values
from tlprobe.records import Record

__all__ = ["draw"]


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
    shown: list[float] = []
    inits = list(dict.fromkeys(str(row.get("init")) for row in record.rows))
    labelled: set[str] = set()
    for row, curve in zip(record.rows, record.params["curves"], strict=True):
        init = str(row.get("init"))
        look = init_look(init, others=inits)
        accuracy = 100 * np.array([number(value) for value in curve["held_out_accuracy"]])
        epochs = np.arange(1, accuracy.size + 1)
        label = None if init in labelled else init_label(init)
        labelled.add(init)
        ax.plot(epochs, accuracy, color=look.color, linestyle=look.linestyle, marker=look.marker, label=label)
        end, low, high = (100 * number(row.get(name)) for name in ("accuracy", "ci_low", "ci_high"))
        error = np.maximum([[end - low], [high - end]], 0)
        ax.errorbar([epochs[-1]], [end], yerr=error, color=look.color, linestyle="", elinewidth=0.8)
        shown += [*accuracy, low, high]
    accuracy_axis(ax, shown)
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    legend_above(ax, note=scope([{**row, "epochs": None} for row in record.rows]))
    return ax
