"""Is a score of untrained blocks any good: each score over the blocks, and what freezing or cutting there gave.

A row for each score, on its own scale. Left, the score over the blocks, beside its value for permuted labels (dashed).
Right, a column for each sweep: the accuracy after training, against the score, each block in the colour and marker that
it has on the left. Bars: 95 % over recordings.
"""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from tlprobe.plots.style import (
    BASELINE,
    NOTE_PT,
    accuracy_axis,
    block_axis,
    init_label,
    number,
    placeholder,
    readable,
    series_look,
)
from tlprobe.records import Record

__all__ = ["SCORES", "draw", "height_in", "is_wide"]

_ROW_IN = 1.6
_REST_IN = 0.95  # titles, names of the blocks, and the note
SCORES = {
    "linear_probe": ("linear probe", "%"),
    "logme": ("LogME", "nats"),
    "h_score": ("H-score", ""),
    "leep": ("LEEP", "nats"),
}
"""What a score is called, and its unit, which H-score has not."""
_DRAWN = ("linear_probe", "logme", "h_score")  # LEEP is of the whole network: the note has it
_SWEEPS = {"cutoff": "network ends after a block", "freeze": "frozen up to a block"}
_NOTE_WIDTH = {True: 142, False: 66}  # characters of small type, in two columns and in one

Rows = Sequence[dict[str, Any]]


def height_in(record: Record) -> float:
    """Return the height that a record wants, in inches."""
    return _ROW_IN * max(len(_scores(record)), 1) + _REST_IN


def is_wide(record: Record) -> bool:
    """Say whether a record has sweeps to stand beside its scores, which need two columns."""
    return bool(_sweeps(record))


def draw(record: Record, *, figure: Figure | SubFigure) -> list[Axes]:
    """Draw a record of ``tlprobe transferability``.

    Parameters
    ----------
    record : Record
        ``params["blocks"]`` gives the order of the blocks.
    figure : Figure or SubFigure
        Is drawn on.

    Returns
    -------
    axes : list of Axes
        Row by row: a score over the blocks, then against each sweep's accuracy.
    """
    scores = _scores(record)
    if not scores:
        return [placeholder(figure.subplots(), "no scores in this record")]
    sweeps = _sweeps(record)
    blocks = record.params["blocks"]
    grid = figure.subplots(len(scores), 1 + len(sweeps), squeeze=False)
    for name, axes in zip(scores, grid, strict=True):
        own = [row for row in _of_kind(record, "score") if row["score"] == name]
        _draw_score(own, ax=axes[0], blocks=blocks, is_last=name == scores[-1])
        for sweep, ax in zip(sweeps, axes[1:], strict=True):
            _draw_against(record, own, sweep, ax=ax, blocks=blocks, is_first=name == scores[0])
    for ax in grid[:, 2:].flat:
        ax.set_ylabel("")
    note = textwrap.fill(_note(record), _NOTE_WIDTH[is_wide(record)], break_on_hyphens=False)
    figure.supxlabel(note, fontsize=NOTE_PT, color="0.3", x=0.01, ha="left", multialignment="left")
    return list(grid.flat)


def _of_kind(record: Record, kind: str) -> list[dict[str, Any]]:
    return [row for row in record.rows if row["kind"] == kind]


def _sweeps(record: Record) -> list[tuple[str, str]]:
    """Return each sweep that was trained, with the name of its record."""
    return list(dict.fromkeys((row["against"], row["sweep"]) for row in _of_kind(record, "treatment")))


def _scores(record: Record) -> list[str]:
    """Return the scores that blocks have, in the order of the record."""
    return [name for name in dict.fromkeys(row["score"] for row in _of_kind(record, "score")) if name in _DRAWN]


def _point(row: dict[str, Any], *, scale: float) -> tuple[float, np.ndarray]:
    """Return a row's value, and how far its interval reaches down and up, (2, 1); 0 where there is none."""
    value, low, high = (scale * number(row[name]) for name in ("value", "low", "high"))
    return value, np.nan_to_num(np.maximum([[value - low], [high - value]], 0))


def _name(score: str) -> str:
    """Return a score's name, with its unit.

    >>> _name("logme"), _name("h_score")
    ('LogME (nats)', 'H-score')
    """
    name, unit = SCORES[score]
    return f"{name} ({unit})" if unit else name


def _scale(rows: Rows) -> float:
    return 100.0 if rows[0]["score"] == "linear_probe" else 1.0


def _draw_score(rows: Rows, *, ax: Axes, blocks: Sequence[str], is_last: bool) -> None:
    scale = _scale(rows)
    places = [blocks.index(row["block"]) for row in rows]
    ax.plot(places, [scale * number(row["value"]) for row in rows], color="0.75", marker="", zorder=1)
    by_chance = [scale * number(row["null"]) for row in rows]
    ax.plot(places, by_chance, color=BASELINE, linestyle="--", marker="", zorder=1)
    for place, row in zip(places, rows, strict=True):
        value, error = _point(row, scale=scale)
        look = series_look(place)
        ax.errorbar([place], [value], yerr=error, color=look.color, marker=look.marker, linestyle="", elinewidth=0.8)
    block_axis(ax, blocks, label="block" if is_last else "")
    ax.tick_params(labelbottom=is_last)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    ax.set_ylabel(_name(rows[0]["score"]))
    if rows[0]["score"] == "linear_probe":
        ax.set_ylim(bottom=0)
        ax.set_title("before any fine-tuning\ndashed: labels permuted", fontsize=NOTE_PT, loc="left")


def _draw_against(
    record: Record, rows: Rows, sweep: tuple[str, str], *, ax: Axes, blocks: Sequence[str], is_first: bool
) -> None:
    trained = [row for row in _of_kind(record, "treatment") if (row["against"], row["sweep"]) == sweep]
    scale, of_block = _scale(rows), {row["block"]: row for row in rows}
    for row in trained:
        x, x_error = _point(of_block[row["block"]], scale=scale)
        y, y_error = _point(row, scale=100)
        look = series_look(blocks.index(row["block"]))
        style: dict[str, Any] = {"color": look.color, "marker": look.marker, "linestyle": "", "elinewidth": 0.8}
        ax.errorbar([x], [y], xerr=x_error, yerr=y_error, **style)
    accuracy_axis(ax, [100 * number(row[name]) for row in trained for name in ("value", "low", "high")])
    ax.set_ylabel("accuracy (%)")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    ax.set_xlabel(_name(rows[0]["score"]))
    of_score = [row for row in _of_kind(record, "correlation") if row["score"] == rows[0]["score"]]
    found = [row for row in of_score if (row["against"], row["sweep"], row["measure"]) == (*sweep, "kendall")]
    said = _correlation(found[0]) if found else ""
    ax.set_title(f"{_SWEEPS[sweep[1]]}\n{said}" if is_first else said, fontsize=NOTE_PT, loc="left")


def _correlation(row: dict[str, Any]) -> str:
    """Say a rank correlation in a title.

    >>> _correlation({"value": 0.8, "low": 0.6, "high": 1.0, "null": 1.0})
    'τ = 0.80 [0.60, 1.00], depth 1.00'
    """
    if row["value"] is None:
        return "τ is not defined"
    return f"τ = {_estimate(row)}, depth {_signed(row['null'])}"


def _estimate(row: dict[str, Any]) -> str:
    return f"{_signed(row['value'])} [{_signed(row['low'])}, {_signed(row['high'])}]"


def _signed(value: float) -> str:
    return f"{number(value):.2f}".replace("-", "\N{MINUS SIGN}")


def _note(record: Record) -> str:
    params, scores = record.params, _of_kind(record, "score")
    n_held_out = max((row["n"] for row in scores if row["score"] == "linear_probe"), default=0)
    parts = [
        f"{readable(params['backbone'])}, {init_label(params['init'])}, never fine-tuned; outputs averaged over time "
        f"and frequency; {params['n_train']} training clips, the linear probe scored on {n_held_out} of fold "
        f"{params['fold']}."
    ]
    for row in scores:
        if row["score"] == "leep":
            by_chance = _signed(row["null"])
            parts.append(
                f"LEEP of its {row['n_features']} source classes: {_estimate(row)} nats, by chance {by_chance}."
            )
    parts.append("Bars: 95 % over recordings.")
    if is_wide(record):
        n_blocks = " or ".join(str(n) for n in sorted({row["n_blocks"] for row in _of_kind(record, "correlation")}))
        n_folds = " or ".join(str(n) for n in sorted({len(folds) for folds in params["folds_against"].values()}))
        parts.append(
            f"Accuracies after fine-tuning, {n_folds} fold{'' if n_folds == '1' else 's'}. τ: Kendall's, over "
            f"{n_blocks} blocks; its interval is of the noise of scores and accuracies alone, and so few blocks "
            'describe this network and test nothing. Depth: τ of the block\'s number, what "later is better" reaches.'
        )
    return " ".join(parts)
