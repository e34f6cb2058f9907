"""Words and numbers for readers: names of any origin made harmless, estimates with their intervals.

Accuracies are in [0, 1] in a record and in percent in a sentence; differences of them are in points. Brackets hold
95 % intervals.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

from tlprobe.display import NAME_LIMIT, count, percent, plain, share
from tlprobe.plots.style import number
from tlprobe.records import Record

__all__ = [
    "NAME_LIMIT",
    "Effect",
    "cleaned",
    "count",
    "effect_of",
    "joined",
    "percent_of",
    "plain",
    "points",
    "share",
]

_TEXT_LIMIT = 400  # of any text in a record: its warnings are sentences
_GREATEST = 10**15  # a whole number beyond is no count, and too long to read
_ALPHA = 0.05


def cleaned(record: Record) -> Record:
    """Return a record whose texts, names of columns included, are `plain`: nothing of it breaks a page or a figure.

    A number that is not finite is None, as in a record that tlprobe wrote.
    """
    return Record(
        probe=plain(record.probe),
        params=_clean(record.params),
        rows=_clean(record.rows),
        provenance=_clean(record.provenance),
        arrays=record.arrays,
    )


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value, limit=_TEXT_LIMIT)
    if isinstance(value, Mapping):
        return {plain(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _GREATEST:
        return plain(f"{value:.3e}" if abs(value) < 10**300 else "a number of more than 300 digits")
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclasses.dataclass(frozen=True)
class Effect:
    """A difference with its interval, and what it allows to say.

    Parameters
    ----------
    estimate, low, high : float
        The interval is the 95 % one.
    p : float
        NaN where there is no test.
    p_kind : str
        How the p value was adjusted.
    """

    estimate: float
    low: float
    high: float
    p: float = math.nan
    p_kind: str = ""

    @property
    def is_known(self) -> bool:
        """Whether there are an estimate and an interval."""
        return all(map(math.isfinite, (self.estimate, self.low, self.high)))

    @property
    def sign(self) -> int:
        """1 or -1 where a difference is shown: 0 outside of the interval, and p, where there is one, at most 0.05."""
        side = 1 if self.low > 0 else -1 if self.high < 0 else 0
        return 0 if self.p > _ALPHA else side

    @property
    def is_doubtful(self) -> bool:
        """Whether the interval leaves 0 out, but the adjusted p does not hold."""
        return self.is_known and not self.low <= 0 <= self.high and self.sign == 0

    def turned(self) -> "Effect":
        """Return the difference of the same two the other way round."""
        return dataclasses.replace(self, estimate=-self.estimate, low=-self.high, high=-self.low)

    def size(self) -> str:
        """Say how large it is without its sign, for "lower by", "higher by"."""
        low, high = sorted((abs(100 * self.low), abs(100 * self.high)))
        return f"{abs(100 * self.estimate):.1f} points [{low:.1f} to {high:.1f}{self._tested()}]"

    def signed(self) -> str:
        """Say it with its sign, for a difference that could not be shown."""
        low, high = 100 * self.low, 100 * self.high
        doubt = "; its own interval leaves 0 out, the adjusted p does not" if self.is_doubtful else ""
        return f"{points(self.estimate)} [{low:+.1f} to {high:+.1f}{self._tested()}{doubt}]"

    def raw(self) -> str:
        """Say it as it is, for what is no accuracy."""
        return f"{self.estimate:+.3f} [{self.low:+.3f} to {self.high:+.3f}{self._tested()}]"

    def _tested(self) -> str:
        if not math.isfinite(self.p):
            return ""
        return f"; p = {self.p:.2g}{f', {self.p_kind}' if self.p_kind else ''}"


def effect_of(row: Mapping[str, Any]) -> Effect:
    """Return the difference that a row has to what it was compared with; NaN where it has none."""
    estimate, low, high = (number(row.get(name)) for name in ("difference", "difference_low", "difference_high"))
    adjusted, p = number(row.get("p_holm")), number(row.get("p_value"))
    if math.isfinite(adjusted):
        return Effect(estimate, low, high, p=adjusted, p_kind="Holm-adjusted")
    return Effect(estimate, low, high, p=p)


def percent_of(row: Mapping[str, Any], *, prefix: str = "") -> str:
    """Return a row's accuracy in percent with its interval; ``prefix`` names another one, such as ``soup_``.

    >>> percent_of({"accuracy": 0.81, "ci_low": 0.79, "ci_high": 0.83})
    '81.0 % [79.0 to 83.0]'
    """
    return percent(*(number(row.get(f"{prefix}{name}")) for name in ("accuracy", "ci_low", "ci_high")))


def points(value: float) -> str:
    """Return a difference of accuracies in points, with its sign."""
    return f"{100 * value:+.1f} points"


def joined(names: Iterable[object], *, n_named: int = 5, limit: int = NAME_LIMIT, last: str = "and") -> str:
    """Return names as a list to read, the first few of many.

    >>> joined(["a", "b", "c"]), joined("abcdefg", n_named=2), joined("ab", last="or")
    ('a, b and c', 'a, b and 5 more', 'a or b')
    """
    listed = [plain(name, limit=limit) for name in names]
    if len(listed) > n_named:
        listed = [*listed[:n_named], f"{len(listed) - n_named} more"]
    return f" {last} ".join(filter(None, (", ".join(listed[:-1]), *listed[-1:])))
