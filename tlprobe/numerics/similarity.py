"""How similar are two representations of the same samples? SVCCA and its family, on arrays.

Conventions: activations are ``(n_samples, n_features)`` and are centred first; every similarity is in
[0, 1], 1 on itself (debiased CKA may go below 0). The definitions, with their sources, are in
`tlprobe.numerics.canonical` and `tlprobe.numerics.cka`.
"""

import dataclasses
import math
from collections.abc import Callable, Collection, Iterable
from typing import Any

from tlprobe.errors import ParameterError, UndefinedError
from tlprobe.numerics.canonical import Rule, Whitened, kept, mean_cca, pwcca, svcca
from tlprobe.numerics.cka import cka, cka_debiased
from tlprobe.numerics.moments import Moments
from tlprobe.numerics.pairs import Pair, pair_of_moments
from tlprobe.numerics.rows import pair_of_rows

__all__ = [
    "MEASURES",
    "Measured",
    "Similarity",
    "check_choices",
    "measure",
    "measure_names",
    "similarity",
    "similarity_of_moments",
]

MEASURES = ("svcca", "mean_cca", "pwcca", "cka", "cka_debiased", "procrustes")

_MANY = 10  # samples a feature, below which chance alone correlates by more than 0.27
_FEW_DIRECTIONS = 3


@dataclasses.dataclass(frozen=True)
class Similarity:
    """Similarities of two sets of activations and what they rest on; None is a measure not asked for.

    Parameters
    ----------
    svcca, mean_cca, pwcca_x, pwcca_y, pwcca, cka, procrustes : float in [0, 1] or None
        `pwcca` is the mean of those weighted by x's and by y's features.
    cka_debiased : float in [-1, 1] or None
    k_x, k_y : int > 0 or None
        Directions that SVCCA kept.
    n, d_x, d_y : int > 0
        Samples and features.
    warnings : tuple of str
        What a reader should know before trusting a value.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((100, 3))
    >>> found = similarity(x, 2 * x, measures="cka")
    >>> round(found.cka, 6), found.svcca, found.n
    (1.0, None, 100)
    """

    svcca: float | None
    mean_cca: float | None
    pwcca_x: float | None
    pwcca_y: float | None
    pwcca: float | None
    cka: float | None
    cka_debiased: float | None
    procrustes: float | None
    k_x: int | None
    k_y: int | None
    n: int
    d_x: int
    d_y: int
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Measured:
    """The measures of a pair, each with its value or the reason why it has none.

    Parameters
    ----------
    values : dict of str to float
        By the names of `Similarity`'s fields.
    undefined : dict of str to str
        Measure -> reason.
    k_x, k_y : int or None
        See `Similarity`.
    warnings : tuple of str
    """

    values: dict[str, float]
    undefined: dict[str, str]
    k_x: int | None
    k_y: int | None
    warnings: tuple[str, ...]


def similarity(
    x: Any,
    y: Any,
    *,
    measures: str | Iterable[str] = ("svcca", "pwcca", "cka", "cka_debiased"),
    variance: float = 0.99,
    rule: Rule = "squared",
) -> Similarity:
    """Return how similar two sets of activations are.

    float64 activations are multiplied in float64, float32 ones in float32 where that resolves every
    direction; eigenproblems are float64 always.

    Parameters
    ----------
    x : array or tensor [shape=(n, d_x)]
        One network's activations.
    y : array or tensor [shape=(n, d_y)]
        The other's, of the same samples in the same order.
    measures : str or iterable of str
        Of ``svcca, mean_cca, pwcca, cka, cka_debiased, procrustes``; ``"all"`` for every one.
    variance : float in (0, 1]
        Share of the variance that the directions kept by SVCCA explain, at least.
    rule : {"squared", "sum"}
        Share of the sum of squared singular values (the variance), or of their plain sum (Raghu et al. 2017,
        appendix A).

    Returns
    -------
    similarity : Similarity

    Raises
    ------
    UndefinedError
        If a measure is not defined for these activations: a side is constant, or too few samples.
    ParameterError
        If shapes, values, measure names, `variance` or `rule` cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(500, 8))
    >>> rotated = x @ np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    >>> result = similarity(x, 3 * rotated + 7, measures=["svcca", "cka"])
    >>> round(result.svcca, 6), round(result.cka, 6), result.k_x, result.warnings
    (1.0, 1.0, 8, ())
    """
    names = measure_names(measures)
    check_choices(variance=variance, rule=rule)
    return _result(pair_of_rows(x, y, names), names, variance=variance, rule=rule)


def similarity_of_moments(
    moments: Moments,
    *,
    measures: str | Iterable[str] = ("svcca", "pwcca", "cka", "cka_debiased"),
    variance: float = 0.99,
    rule: Rule = "squared",
) -> Similarity:
    """Return how similar two sets of activations are, from moments gathered batch by batch.

    Parameters
    ----------
    moments : Moments
        Of both; they stay as they are. Mean CCA needs float64 products.
    measures, variance, rule
        See `similarity`.

    Returns
    -------
    similarity : Similarity

    Raises
    ------
    UndefinedError
        If a measure is not defined for these activations.
    ParameterError
        If there are fewer than two samples, or a choice is impossible.

    Examples
    --------
    >>> import numpy as np
    >>> moments = Moments(3, 3)
    >>> for seed in range(4):
    ...     batch = np.random.default_rng(seed).normal(size=(50, 3))
    ...     moments.update(batch, batch[:, ::-1])
    >>> round(similarity_of_moments(moments, measures="svcca").svcca, 6)
    1.0
    """
    names = measure_names(measures)
    check_choices(variance=variance, rule=rule)
    if "mean_cca" in names and moments.products != "float64":
        raise ParameterError("mean_cca counts directions, which float32 products do not resolve; use float64 products")
    pair = pair_of_moments(moments.centred(), names, overwrite=True)
    return _result(pair, names, variance=variance, rule=rule)


def _result(pair: Pair, names: tuple[str, ...], *, variance: float, rule: Rule) -> Similarity:
    measured = measure(pair, names, variance=variance, rule=rule)
    if measured.undefined:
        raise UndefinedError("; ".join(dict.fromkeys(measured.undefined.values())))
    fields = dict.fromkeys((field.name for field in dataclasses.fields(Similarity)), None)
    about = {"k_x": measured.k_x, "k_y": measured.k_y, "n": pair.n, "d_x": pair.d_x, "d_y": pair.d_y}
    return Similarity(**{**fields, **measured.values, **about, "warnings": measured.warnings})  # type: ignore[arg-type]


def measure_names(measures: str | Iterable[str]) -> tuple[str, ...]:
    """Return the measures asked for, in their order here.

    Raises
    ------
    ParameterError
        If one is unknown, or there is none.
    """
    asked = (measures,) if isinstance(measures, str) else tuple(measures)
    for name in asked:
        if name not in (*MEASURES, "all"):
            raise ParameterError(f"measures={name!r}; choose from {', '.join(MEASURES)}, all")
    if not asked:
        raise ParameterError(f"measures is empty; choose from {', '.join(MEASURES)}, all")
    return MEASURES if "all" in asked else tuple(name for name in MEASURES if name in asked)


def check_choices(*, variance: float, rule: str) -> None:
    """Refuse an impossible share of variance or an unknown rule.

    Raises
    ------
    ParameterError
        Names the value and what is possible.
    """
    if not 0 < variance <= 1:
        raise ParameterError(f"variance={variance}; need 0 < variance <= 1")
    if rule not in ("squared", "sum"):
        raise ParameterError(f"rule={rule!r}; choose from squared, sum")


def measure(
    pair: Pair, measures: Collection[str], *, variance: float, rule: Rule, n_clips: int | None = None
) -> Measured:
    """Measure a pair that was prepared for `measures`; `n_clips` are the independent samples, if not all are."""
    constant = [side for side, varies in (("x", pair.varies_x), ("y", pair.varies_y)) if not varies]
    if constant:
        reason = f"{' and '.join(constant)} constant over all {pair.n} samples: nothing could correlate"
        return Measured({}, dict.fromkeys(measures, reason), None, None, (reason,))
    values: dict[str, float] = {}
    undefined: dict[str, str] = {}
    whitened = pair.whitened
    warnings = _about_samples(pair, n_clips)
    k_x = k_y = None
    if whitened is not None and "svcca" in measures:
        k_x, k_y = (kept(side, variance=variance, rule=rule) for side in (whitened.values_x, whitened.values_y))
        values["svcca"] = svcca(whitened.m, k_x=k_x, k_y=k_y)
        warnings += _about_directions(pair, whitened, k_x=k_x, k_y=k_y, variance=variance, rule=rule)
    if whitened is not None and "mean_cca" in measures:
        values["mean_cca"] = mean_cca(whitened.m)
    if whitened is not None and "pwcca" in measures:
        values["pwcca_x"], values["pwcca_y"], unique = pwcca(whitened)
        values["pwcca"] = (values["pwcca_x"] + values["pwcca_y"]) / 2
        if not unique:
            warnings.append("PWCCA is not unique: canonical correlations tie")
        elif pair.coarse and _lacks_directions(pair, whitened):
            warnings.append("float32 products do not resolve all directions of PWCCA; use float64")
    plain: dict[str, Callable[[], float]] = {
        "cka": lambda: cka(pair.norms),
        "cka_debiased": lambda: cka_debiased(pair.norms),
        "procrustes": lambda: _procrustes(pair),
    }
    for name in plain:
        if name in measures:
            try:
                values[name] = plain[name]()
            except UndefinedError as error:
                undefined[name] = str(error)
    for name in [name for name, value in values.items() if not math.isfinite(value)]:
        undefined[name] = f"{name} is {values.pop(name)}: the activations leave the range of their numbers"
    return Measured(values, undefined, k_x, k_y, tuple(warnings))


def _procrustes(pair: Pair) -> float:
    """Return the nuclear norm of Y'X over |X|_F |Y|_F."""
    if pair.nuclear is None:
        raise ValueError("the pair was not prepared for Procrustes")
    return float(min(1.0, pair.nuclear / (pair.norms.trace_x**0.5 * pair.norms.trace_y**0.5)))


def _about_samples(pair: Pair, n_clips: int | None) -> list[str]:
    warnings = []
    name, n = ("n", pair.n) if n_clips is None else ("n_clips", n_clips)
    d = max(pair.d_x, pair.d_y)
    if n < _MANY * d:
        warnings.append(f"{name} / d = {n / d:.3g} < {_MANY}: much of a canonical correlation is chance, see its null")
    if pair.n - 1 < pair.d_x + pair.d_y:
        text = f"n - 1 = {pair.n - 1} < d_x + d_y"
        if pair.whitened is not None:
            certain = max(0, len(pair.whitened.values_x) + len(pair.whitened.values_y) - (pair.n - 1))
            text += f": {certain} canonical correlations are 1 whatever the data, and PWCCA is not unique"
        warnings.append(text)
    for side, dead, all_of in (("x", pair.dead_x, pair.d_x), ("y", pair.dead_y, pair.d_y)):
        if dead:
            warnings.append(f"{dead} of {all_of} features of {side} are constant")
    return warnings


def _about_directions(pair: Pair, whitened: Whitened, *, k_x: int, k_y: int, variance: float, rule: Rule) -> list[str]:
    warnings = []
    if min(k_x, k_y) <= _FEW_DIRECTIONS:
        warnings.append(f"SVCCA rests on {min(k_x, k_y)} direction(s)")
    cut = k_x == len(whitened.values_x) or k_y == len(whitened.values_y)
    if pair.coarse and cut and _lacks_directions(pair, whitened):
        warnings.append(f"float32 products do not resolve the directions of {variance:g} ({rule}); use float64")
    return warnings


def _lacks_directions(pair: Pair, whitened: Whitened) -> bool:
    """Say whether eigenvalues were left out that are not those of constant features."""
    return len(whitened.values_x) < pair.d_x - pair.dead_x or len(whitened.values_y) < pair.d_y - pair.dead_y
