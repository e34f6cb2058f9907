"""What draws a record: which function, on how much room, alone and among others."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from tlprobe.errors import ParameterError
from tlprobe.plots import (
    attribute,
    cells,
    data_info,
    ensemble,
    evaluate,
    faithfulness,
    fit,
    pretrained_vs_random,
    svcca,
    svcca_grid,
    svcca_training,
    sweep,
    transferability,
    tune,
    weight_distance,
)
from tlprobe.records import Record

__all__ = ["PROBES", "Panel", "panel_of"]

_PANEL_IN = 2.4


@dataclasses.dataclass(frozen=True)
class Panel:
    """How a kind of record is drawn.

    Parameters
    ----------
    draw : callable
        Takes the record, and ``ax=`` or ``figure=``.
    on : {"ax", "figure"}
        What it takes: axes, or a part of the figure to lay out itself.
    height_in : callable
        Height that a record wants, in inches.
    beside : callable
        How many panels of double width a record leaves in a row: 1 is a row of its own.
    scale : callable
        Name of what is on the y axis of a record: it is one axis for all panels of that name. Empty: none shares it.
    """

    draw: Callable[..., Any]
    on: Literal["ax", "figure"] = "ax"
    height_in: Callable[[Record], float] = lambda _: _PANEL_IN
    beside: Callable[[Record], int] = lambda _: 3
    scale: Callable[[Record], str] = lambda _: ""

    def is_wide(self, record: Record) -> bool:
        """Say whether a record wants two columns for itself."""
        return self.beside(record) == 1


def panel_of(record: Record, *, alone: bool) -> Panel:
    """Return how a record is drawn.

    Parameters
    ----------
    record : Record
    alone : bool
        Whether it is the whole figure: some then show more.

    Raises
    ------
    ParameterError
        If its probe, or the mode of an ``svcca`` record, has no figure.
    """
    if record.probe not in PROBES:
        raise ParameterError(f"probe={record.probe!r} has no figure; choose from {', '.join(PROBES)}")
    if record.probe == "cells" and len(cells.families(record)) > 1:
        return _CELLS
    if record.probe != "svcca":
        return (_ALONE if alone else {}).get(record.probe, _PANELS[record.probe])
    mode = record.params.get("mode")
    if mode not in _SVCCA:
        raise ParameterError(f"mode={mode!r} of an svcca record has no figure; choose from {', '.join(_SVCCA)}")
    return _SVCCA_ALONE[mode] if alone else _SVCCA[mode]


def _stacked(above: Callable[..., Axes], below: Callable[..., Axes]) -> Panel:
    """Return the panel of two axes on one x axis."""

    def draw(record: Record, *, figure: Figure | SubFigure) -> None:
        rows = figure.add_gridspec(2, 1, height_ratios=(3, 2))
        upper = above(record, ax=figure.add_subplot(rows[0]))
        below(record, ax=figure.add_subplot(rows[1], sharex=upper))
        upper.set_xlabel("")
        upper.tick_params(labelbottom=False)

    return Panel(draw, on="figure", height_in=lambda _: 1.6 * _PANEL_IN)


def _wide_if(is_wide: Callable[[Record], bool], *, else_beside: int = 3) -> Callable[[Record], int]:
    return lambda record: 1 if is_wide(record) else else_beside


def _accuracy(_: Record) -> str:
    return "held-out accuracy"


def _similarity(record: Record) -> str:
    """Name the scale of a similarity: those of other measures are no larger or smaller."""
    return f"similarity: {', '.join(sorted({str(row.get('measure')) for row in record.rows}))}"


_PANELS = {
    "fuse": Panel(sweep.draw, scale=_accuracy),
    "freeze": Panel(sweep.draw, scale=_accuracy),
    "cutoff": Panel(sweep.draw, scale=_accuracy),
    "cells": Panel(cells.draw, scale=_accuracy),
    "ensemble": Panel(ensemble.draw, scale=_accuracy),
    "eval": Panel(
        evaluate.draw,
        height_in=evaluate.height_in,
        beside=_wide_if(evaluate.is_wide, else_beside=2),  # its names and colour bar need the room
    ),
    "fit": Panel(fit.draw, scale=lambda _: "accuracy of training and held-out clips"),
    "tune": Panel(tune.draw, on="figure", height_in=tune.height_in, beside=lambda _: 1),
    "pretrained_vs_random": Panel(pretrained_vs_random.draw, scale=_accuracy),
    "weight_distance": Panel(weight_distance.draw, scale=lambda _: "relative change of weights"),
    "data_info": Panel(data_info.draw, on="figure", height_in=data_info.height_in, beside=lambda _: 1),
    "faithfulness": Panel(
        faithfulness.draw, on="figure", height_in=lambda _: faithfulness.HEIGHT_IN, beside=lambda _: 1
    ),
    "transferability": Panel(
        transferability.draw,
        on="figure",
        height_in=transferability.height_in,
        beside=_wide_if(transferability.is_wide, else_beside=2),
    ),
    "attribute": Panel(attribute.draw, on="figure", height_in=attribute.height_in, beside=lambda _: 1),
}
_ALONE = {
    "fit": _stacked(fit.draw, fit.draw_loss),
    "weight_distance": _stacked(weight_distance.draw, weight_distance.draw_batch_norm),
}
_CELLS = Panel(cells.draw_all, on="figure", height_in=lambda record: _PANEL_IN * len(cells.families(record)))
_SVCCA_GRID = Panel(
    svcca_grid.draw,
    on="figure",
    height_in=svcca_grid.height_in,
    beside=_wide_if(svcca_grid.is_wide, else_beside=2),
)
_SVCCA_TRAINING = Panel(
    svcca_training.draw,
    on="figure",
    height_in=svcca_training.height_in,
    beside=_wide_if(svcca_training.is_wide, else_beside=2),
)
_SVCCA = {
    "change": Panel(svcca.draw, scale=_similarity),
    "against": Panel(svcca.draw, scale=_similarity),
    "grid": _SVCCA_GRID,
    "training": _SVCCA_TRAINING,
}
_SVCCA_WHOLE = Panel(svcca.draw_alone, on="figure", height_in=svcca.height_in, beside=_wide_if(svcca.is_wide))
_SVCCA_ALONE = {**_SVCCA, "change": _SVCCA_WHOLE, "against": _SVCCA_WHOLE}

PROBES = ("svcca", *_PANELS)
"""The probes whose records have a figure."""
