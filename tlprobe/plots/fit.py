"""Training curves: whether a run learnt, and whether it had stopped learning.

Accuracy and loss after each epoch, on training and held-out clips. The run's score is the last epoch's,
drawn with its interval; the best epoch is marked beside it, because it was picked on the clips it is
scored on.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tlprobe.plots.style import accuracy_axis, legend_above, number, placeholder, scope, series_look, size_in, values
from tlprobe.records import Record

__all__ = ["draw", "draw_loss"]

_PARTS = (("held_out", "held out"), ("train", "training"))


def draw(record: Record, *, ax: Axes) -> Axes:
    """Draw the accuracy of a run, epoch by epoch.

    Parameters
    ----------
    record : Record
        Of ``tlprobe fit``; ``params["history"]`` has one entry an epoch.
    ax : Axes
        Is drawn on.

    Returns
    -------
    ax : Axes
    """
    history = record.params.get("history") or []
    row = record.rows[0] if record.rows else {}
    if not values([*history, row], "held_out_accuracy").size and not values([row], "accuracy").size:
        return placeholder(ax, "no accuracies in this record")
    epochs, curves = _draw_curves(ax, history, quantity="accuracy", scale=100)
    shown = [*curves["held_out"], *curves["train"]]
    accuracy, low, high = (100 * number(row.get(name)) for name in ("accuracy", "ci_low", "ci_high"))
    if np.isfinite(accuracy):
        last = epochs[-1] if epochs.size else number(row.get("epochs"))
        error = np.maximum([[accuracy - low], [high - accuracy]], 0)
        bars = error if np.isfinite(error).all() else None
        look = series_look(0)
        ax.errorbar([last], [accuracy], yerr=bars, color=look.color, marker=look.marker, elinewidth=0.8)
        shown += [accuracy, low, high]
    held_out = curves["held_out"]
    if np.isfinite(held_out).any():
        best = int(np.nanargmax(held_out))
        ax.plot(
            epochs[best],
            held_out[best],
            "o",
            ms=7.5,
            mfc="none",
            mec="0.15",
            mew=0.8,
            ls="",
            clip_on=False,
            label="best epoch",
        )
    accuracy_axis(ax, shown)
    ax.set_ylabel("accuracy (%)")  # not of held-out clips alone
    _epoch_axis(ax)
    legend_above(ax, note=scope([{**row, "epochs": None}]), n_columns=3 if size_in(ax) > 2.2 else 1)
    return ax


def draw_loss(record: Record, *, ax: Axes) -> Axes:
    """Draw the loss of a run, epoch by epoch; arguments as for `draw`."""
    history = record.params.get("history") or []
    if not any(values(history, f"{part}_loss").size for part, _ in _PARTS):
        return placeholder(ax, "no losses in this record")
    _draw_curves(ax, history, quantity="loss", scale=1)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("loss")
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    _epoch_axis(ax)
    return ax


def _draw_curves(
    ax: Axes, history: list[dict[str, Any]], *, quantity: str, scale: float
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    epochs = np.array([number(entry.get("epoch")) for entry in history])
    curves = {}
    for index, (part, label) in enumerate(_PARTS):
        curve = scale * np.array([number(entry.get(f"{part}_{quantity}")) for entry in history])
        curves[part] = curve
        if np.isfinite(curve).any():
            look = series_look(index)
            markers = look.marker if len(history) <= 20 else ""
            style: dict[str, Any] = {"color": look.color, "linestyle": look.linestyle, "marker": markers, "ms": 3}
            ax.plot(epochs, curve, label=label, **style)
    return epochs, curves


def _epoch_axis(ax: Axes) -> None:
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
