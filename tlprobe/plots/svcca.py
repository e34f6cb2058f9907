"""Fig. 2a: how similar each block is after fine-tuning to what it was before.

One line for each initialisation (and network, where there are several), x the blocks in order, y the
similarity in [0, 1]; the dotted line of the same colour is the same measure with the clips permuted, and
what lies in the band under it is no more than different clips give. Several runs of one kind are drawn as
their mean with the single runs behind it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from tlprobe.plots.style import (
    FAINT,
    Look,
    block_axis,
    init_label,
    init_look,
    legend_above,
    placeholder,
    readable,
    scope,
    series_look,
    values,
)
from tlprobe.records import Record

__all__ = ["draw"]

_BAND = 0.1
"""Opacity of the null band: two of them on top of each other stay light."""


def draw(record: Record, *, ax: Axes) -> Axes:
    """Draw the similarity of each block before and after fine-tuning.

    Parameters
    ----------
    record : Record
        Of ``tlprobe svcca``; ``params["blocks"]`` gives the order of the blocks.
    ax : Axes
        Is drawn on.

    Returns
    -------
    ax : Axes
    """
    rows = record.rows
    if not values(rows, "value").size:
        return placeholder(ax, "no similarities in this record")
    found = dict.fromkeys(str(row.get("block")) for row in rows)
    blocks = list(dict.fromkeys([*map(str, record.params.get("blocks") or ()), *found]))
    inits = list(dict.fromkeys(str(row.get("init")) for row in rows))
    measures = list(dict.fromkeys(str(row.get("measure", "svcca")) for row in rows))
    kinds = list(dict.fromkeys(map(_kind, rows)))  # networks are averaged with their like only
    has_null = False
    for measure in measures:
        for index, kind in enumerate(kinds):
            series = [r for r in rows if _kind(r) == kind and str(r.get("measure", "svcca")) == measure]
            init = kind[0]
            look = init_look(init, others=inits) if len(kinds) == len(inits) else series_look(index)
            parts = [init_label(init), *_told_apart(kind, kinds)] + ([_name(measure)] if len(measures) > 1 else [])
            has_null |= _draw_series(ax, series, blocks=blocks, look=look, label=", ".join(parts))
    block_axis(ax, blocks, label="block")
    ax.set_ylim(0, 1)
    ax.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    ax.set_ylabel(f"similarity to init ({_name(measures[0]) if len(measures) == 1 else 'measures'})")
    if has_null:  # one entry for all: the colour says whose null it is
        ax.add_line(Line2D([], [], color="0.3", linestyle=":", label="clips permuted"))
    runs = [{"fold": fold} for fold in record.params.get("folds") or ()]
    runs += [{"epochs": epochs} for epochs in record.params.get("epochs") or ()]
    legend_above(ax, note=scope([*({"n": row.get("n_clips")} for row in rows), *runs]))
    return ax


def _draw_series(ax: Axes, rows: Sequence[dict[str, Any]], *, blocks: Sequence[str], look: Look, label: str) -> bool:
    """Draw one kind of network and its null; say whether there was a null."""
    means, nulls = np.full(len(blocks), np.nan), np.full(len(blocks), np.nan)
    for x, block in enumerate(blocks):
        here = [row for row in rows if str(row.get("block")) == block]
        single, null = values(here, "value"), values(here, "null")
        if single.size > 1:
            ax.plot(np.full(single.size, x), single, look.marker, color=look.color, alpha=FAINT, ms=2.5, mew=0)
        means[x] = single.mean() if single.size else np.nan
        nulls[x] = null.mean() if null.size else np.nan
    # no clipping: a similarity of 1 keeps its whole marker
    ax.plot(means, color=look.color, marker=look.marker, linestyle=look.linestyle, label=label, clip_on=False)
    if not np.isfinite(nulls).any():
        return False
    ax.fill_between(np.arange(len(blocks)), 0, nulls, color=look.color, alpha=_BAND, linewidth=0, zorder=0)
    alone = np.isfinite(nulls).sum() == 1  # a line of one point would not be seen
    ax.plot(nulls, color=look.color, linestyle=":", linewidth=1.0, marker="_" if alone else "")
    return True


def _kind(row: dict[str, Any]) -> tuple[str, str, str]:
    return str(row.get("init")), str(row.get("backbone")), str(row.get("epochs"))


def _told_apart(kind: tuple[str, str, str], kinds: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return what a legend must say beside the initialisation: backbone, epochs, where there are several."""
    _, backbone, epochs = kind
    several_backbones = len({other[1] for other in kinds}) > 1
    several_epochs = len({other[2] for other in kinds}) > 1
    return [readable(backbone, limit=22)] * several_backbones + [f"{epochs} epochs"] * several_epochs


def _name(measure: str) -> str:
    return {"svcca": "SVCCA", "pwcca": "PWCCA", "cka": "CKA"}.get(measure, measure)
