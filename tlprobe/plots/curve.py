"""A curve of similarities, from the rows of one series: means over its runs, intervals, nulls."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tlprobe.plots.style import number

__all__ = ["ENDS", "Curve", "curve_of"]

ENDS = ("ci_low", "ci_high", "null", "null_low", "null_high")
"""What a row has beside its value, on the same scale."""


class Curve(NamedTuple):
    """Values at places in ascending order ``(n_places,)``; NaN is what the record does not have.

    Parameters
    ----------
    x : np.ndarray
        The places.
    runs : np.ndarray [shape=(n_runs, n_places)]
        Of each run.
    mean : np.ndarray
        Of the runs.
    interval : np.ndarray [shape=(2, n_places)]
        Where there is a single run: a mean of intervals would be none.
    null : np.ndarray
        Mean of the runs.
    band : np.ndarray [shape=(2, n_places)]
        Of the null: from the lowest end of any run to the highest.
    """

    x: np.ndarray
    runs: np.ndarray
    mean: np.ndarray
    interval: np.ndarray
    null: np.ndarray
    band: np.ndarray

    @property
    def within_null(self) -> np.ndarray:
        """Where the mean is not above the upper end of the null's band, or the null where that has no band."""
        return self.mean <= np.where(np.isfinite(self.band[1]), self.band[1], self.null)


def curve_of(rows: Sequence[dict[str, Any]], *, place: Callable[[dict[str, Any]], float]) -> Curve:
    """Return the curve of some rows, one a run and place.

    Examples
    --------
    >>> rows = [{"run": run, "epoch": 2, "value": value} for run, value in (("a", 0.5), ("b", 0.7))]
    >>> curve_of(rows, place=lambda row: row["epoch"]).mean
    array([0.6])
    """
    runs = list(dict.fromkeys(str(row.get("run")) for row in rows))
    places = sorted({place(row) for row in rows})
    table = {field: np.full((len(runs), len(places)), np.nan) for field in ("value", *ENDS)}
    column = {x: index for index, x in enumerate(places)}
    for row in rows:
        for field, values in table.items():
            values[runs.index(str(row.get("run"))), column[place(row)]] = number(row.get(field))
    single = np.isfinite(table["value"]).sum(axis=0) == 1
    interval = [np.where(single, _mean(table[field]), np.nan) for field in ("ci_low", "ci_high")]
    band = [np.fmin.reduce(table["null_low"], initial=np.nan), np.fmax.reduce(table["null_high"], initial=np.nan)]
    return Curve(
        x=np.array(places, dtype=np.float64),
        runs=table["value"],
        mean=_mean(table["value"]),
        interval=np.array(interval),
        null=_mean(table["null"]),
        band=np.array(band),
    )


def _mean(table: np.ndarray) -> np.ndarray:
    """Return the mean of the finite values of each column, NaN of none."""
    known = np.isfinite(table)
    n = known.sum(axis=0)
    mean = np.full(n.shape, np.nan)
    np.divide(np.where(known, table, 0).sum(axis=0), n, out=mean, where=n > 0)
    return mean
