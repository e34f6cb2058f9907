"""From two layers' moments or rows to numbers: the similarity, its interval and its null."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats

from tlprobe.numerics.canonical import Rule
from tlprobe.numerics.jackknife import jackknife_interval
from tlprobe.numerics.moments import Moments
from tlprobe.numerics.pairs import Pair, pair_of_moments
from tlprobe.numerics.permutation import Null, permutation_null
from tlprobe.numerics.rows import Rows, pair_of_rows
from tlprobe.numerics.similarity import Measured, measure
from tlprobe.probes.capture import Conv
from tlprobe.probes.pairing import Pairing

__all__ = ["Estimate", "Outcome", "Settings", "clock", "estimate"]

_NO_ROOM = 1e-9  # a null this close to 1 leaves nothing to correct


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is measured, and how.

    Parameters
    ----------
    measures : tuple of str
        See `tlprobe.numerics.similarity.MEASURES`.
    variance : float in (0, 1]
    rule : {"squared", "sum"}
        Of SVCCA.
    conv : {"positions", "pool", "flatten"}
        See `tlprobe.probes.capture.Reduce`.
    n_positions : int or None
        At most so many positions of a map.
    n_groups : int
        Of the jackknife; 0 gives no interval.
    n_permutations : int
        Of the null; 0 gives none.
    memory : int
        Bytes for rows.
    seed : int
        Of permutations, groups and positions.
    """

    measures: tuple[str, ...]
    variance: float
    rule: Rule
    conv: Conv
    n_positions: int | None
    n_groups: int
    n_permutations: int
    memory: int
    seed: int


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A similarity with its interval and its null; None is not defined, or not asked for."""

    value: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    null: float | None = None
    null_low: float | None = None
    null_high: float | None = None
    beside_null: float | None = None
    """The value on the rows that the null was made of: `value` itself, unless memory was short."""

    @property
    def corrected(self) -> float | None:
        """How far the value is from its null towards 1: (value - null) / (1 - null), at most 1, on equal rows."""
        if self.beside_null is None or self.null is None or self.null > 1 - _NO_ROOM:
            return None
        return (self.beside_null - self.null) / (1 - self.null)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one pair of layers gave.

    Parameters
    ----------
    pairing : Pairing
    estimates : dict of str to Estimate
        One a measure.
    n, n_null : int
        Samples, and those of the null.
    n_groups : int
        Of the jackknife; 0 without intervals.
    k_x, k_y : int or None
        Directions that SVCCA kept.
    warnings : tuple of str
    """

    pairing: Pairing
    estimates: dict[str, Estimate]
    n: int
    n_null: int
    n_groups: int
    k_x: int | None
    k_y: int | None
    warnings: tuple[str, ...]


def estimate(
    pairing: Pairing,
    moments: Moments | None,
    rows: tuple[Rows | None, Rows | None],
    groups: np.ndarray,
    settings: Settings,
    seconds: dict[str, float],
) -> Outcome:
    """Measure a pair of layers.

    Parameters
    ----------
    pairing : Pairing
    moments : Moments or None
        In groups; None where the Gram side is cheaper.
    rows : pair of np.ndarray [shape=(n_clips, n_kept, d)], or of None
        For the null and the Gram side, clips in the order of `groups`.
    groups : np.ndarray [shape=(n_clips,), int]
        Of the jackknife; one group alone gives no interval.
    settings : Settings
    seconds : dict of str to float
        The time spent is added to its ``values``, ``intervals`` and ``nulls``.
    """
    x, y = rows
    prepare = _preparation(moments, rows, groups, settings)
    with clock(seconds, "values"):
        pair = prepare(None)
        measured = measure(pair, settings.measures, variance=settings.variance, rule=settings.rule, n_clips=len(groups))
    warnings = [*measured.warnings, *measured.undefined.values()]
    with clock(seconds, "intervals"):
        intervals, told = _intervals(measured, prepare, groups, settings)
        warnings += told
    with clock(seconds, "nulls"):
        null, told = _null(pairing, x, y, settings)
        warnings += told
    estimates = {}
    for name in settings.measures:
        low, high = intervals.get(name, (None, None))
        estimates[name] = Estimate(measured.values.get(name), low, high)
        if null is not None and name in null.values:
            mean, band = float(null.values[name].mean()), _band(null.values[name], name)
            observed = measured.values.get(name) if null.n == pair.n else null.observed.get(name)
            estimates[name] = Estimate(measured.values.get(name), low, high, mean, *band, observed)
    return Outcome(
        pairing=pairing,
        estimates=estimates,
        n=pair.n,
        n_null=0 if null is None else null.n,
        n_groups=len(np.unique(groups)) if intervals else 0,
        k_x=measured.k_x,
        k_y=measured.k_y,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _null(pairing: Pairing, x: Rows | None, y: Rows | None, settings: Settings) -> tuple[Null | None, list[str]]:
    if not settings.n_permutations or x is None or y is None:
        return None, []
    n = min(x.shape[1], y.shape[1])
    null = permutation_null(
        x[:, :n],
        y[:, :n],
        settings.measures,
        n_permutations=settings.n_permutations,
        seed=settings.seed,
        variance=settings.variance,
        rule=settings.rule,
    )
    told = []
    if n < pairing.x.n_positions:
        told.append(
            f"null, and the value it is compared with, on {n} of {pairing.x.n_positions} positions, by --memory"
        )
    if null.n_different < settings.n_permutations:
        told.append(f"only {null.n_different} of {settings.n_permutations} permutations of {len(x)} clips differ")
    return null, told


def _band(null: np.ndarray, name: str) -> tuple[float, float]:
    """Return where the next permutation would lie in 95 % of cases: a prediction interval by Student's t."""
    m = len(null)
    half = float(stats.t.ppf(0.975, m - 1)) * float(null.std(ddof=1)) * math.sqrt(1 + 1 / m)
    low = -1.0 if name == "cka_debiased" else 0.0
    return max(low, float(null.mean()) - half), min(1.0, float(null.mean()) + half)


def _intervals(
    measured: Measured, prepare: Callable[[int], Pair], groups: np.ndarray, settings: Settings
) -> tuple[dict[str, tuple[float, float]], list[str]]:
    names = np.unique(groups)
    if not settings.n_groups or not measured.values:
        return {}, []
    if len(names) < 2:
        return {}, ["no interval: all clips are of one source"]
    if len(groups) - int(np.bincount(groups).max()) < 2:
        return {}, ["no interval: without a group of clips, too few are left"]
    deleted = [
        measure(prepare(int(group)), settings.measures, variance=settings.variance, rule=settings.rule).values
        for group in names
    ]
    intervals = {}
    for name, value in measured.values.items():
        if all(name in values for values in deleted):
            low = -1.0 if name == "cka_debiased" else 0.0
            intervals[name] = jackknife_interval(value, [values[name] for values in deleted], low=low)
    lacking = [name for name in measured.values if name not in intervals]
    return intervals, [f"no interval for {', '.join(lacking)}: not defined without a group of clips"] * bool(lacking)


def _preparation(
    moments: Moments | None, rows: tuple[Rows | None, Rows | None], groups: np.ndarray, settings: Settings
) -> Callable[[int | None], Pair]:
    """Return what prepares the pair, of all clips or without a group."""
    x, y = rows
    if moments is not None:
        return lambda without: pair_of_moments(moments.centred(without=without), settings.measures, overwrite=True)
    if x is None or y is None:
        raise ValueError("neither moments nor rows")
    group_of_row = np.repeat(groups, x.shape[1])

    def of_rows(without: int | None) -> Pair:
        stays = slice(None) if without is None else group_of_row != without
        return pair_of_rows(x.reshape(-1, x.shape[2])[stays], y.reshape(-1, y.shape[2])[stays], settings.measures)

    return of_rows


@contextlib.contextmanager
def clock(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add the time within the ``with`` to one of the sums."""
    start = time.perf_counter()
    yield
    seconds[name] += time.perf_counter() - start
