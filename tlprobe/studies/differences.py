"""What a point of a sweep costs: its difference to the fully fine-tuned network, on the same clips."""

from collections.abc import Sequence
from typing import Any

from tlprobe.numerics.resampling import holm, paired_difference
from tlprobe.train.run import Run

__all__ = ["DIFFERENCE", "add_differences"]

DIFFERENCE = ("difference", "difference_low", "difference_high", "p_value", "p_holm")
"""Columns of a difference, its 95 % interval, its p-value, and that adjusted for the tests of the sweep."""


def add_differences(rows: Sequence[dict[str, Any]], runs: Sequence[Run], *, full: Run) -> None:
    """Add to each row of a sweep how its run differs from the fully fine-tuned one, in place.

    The columns are `DIFFERENCE`, see `tlprobe.numerics.resampling.paired_difference`: last epochs, in [-1, 1], paired
    by clip, resampled and flipped by source recording. They are None for the fully fine-tuned network itself, and where
    all clips are of one recording. The random level is no point of the sweep: its p is adjusted for nothing else.

    Parameters
    ----------
    rows : sequence of dict
        With ``block``, None of what is no point of the sweep.
    runs : sequence of Run
        Of each row, all on one held-out fold.
    full : Run
        The fully fine-tuned network.
    """
    level = full.held_out()
    by_clip = dict(zip(level.clips, level.scores("last"), strict=True))
    points: list[dict[str, Any]] = []
    for row, run in zip(rows, runs, strict=True):
        row |= dict.fromkeys(DIFFERENCE)
        if run.name == full.name or len(set(level.groups)) < 2:
            continue
        own = run.held_out()
        found = paired_difference(own.scores("last"), [by_clip[clip] for clip in own.clips], own.groups)
        row |= {"difference": found.estimate, "difference_low": found.low, "difference_high": found.high}
        row |= {"p_value": found.p_value, "p_holm": found.p_value}
        points += [row] if row["block"] is not None else []
    if points:
        for row, adjusted in zip(points, holm([row["p_value"] for row in points]), strict=True):
            row["p_holm"] = float(adjusted)
