"""Numbers and names as a caption says them: accuracies in percent with their intervals, lists, data sets.

Accuracies are in [0, 1] in a record and in percent here. Brackets hold 95 % intervals.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tlprobe.display import percent, plain, share
from tlprobe.plots.style import init_label, number

__all__ = ["estimate", "listed", "named", "networks", "percent_of", "spread"]

_N_LISTED = 14
_FIELDS = ("accuracy", "ci_low", "ci_high")


def percent_of(row: Mapping[str, Any], *, prefix: str = "", fields: Sequence[str] = _FIELDS) -> str:
    """Return an accuracy of a row with its interval; empty where it has none.

    >>> percent_of({"accuracy": 0.81, "ci_low": 0.79, "ci_high": 0.83})
    '81.0 % [79.0 to 83.0]'
    """
    value, low, high = (number(row.get(f"{prefix}{name}")) for name in fields)
    return percent(value, low, high) if math.isfinite(value) else ""


def estimate(row: Mapping[str, Any], fields: Sequence[str]) -> str:
    """Return a number of a row and its interval, to two digits after the point; `fields` name the three.

    >>> estimate({"mean": 0.415, "low": 0.35, "high": 0.48}, ("mean", "low", "high"))
    '0.41 [0.35 to 0.48]'
    """
    value, low, high = (number(row.get(name)) for name in fields)
    if not math.isfinite(value):
        return ""
    said = f"{value:.2f}" + (f" [{low:.2f} to {high:.2f}]" if math.isfinite(low + high) else "")
    return said.replace("-", "\N{MINUS SIGN}")


def spread(found: Sequence[float]) -> str:
    """Return one share in percent, or of several the mean and the range.

    >>> spread([0.8]), spread([0.8, 0.9])
    ('80.0 %', '85.0 % on average of 2, 80.0 % to 90.0 %')
    """
    if len(found) < 2:
        return "".join(map(share, found))
    return f"{share(sum(found) / len(found))} on average of {len(found)}, {share(min(found))} to {share(max(found))}"


def listed(parts: Iterable[str]) -> str:
    """Return parts as a list, the first of many; empty ones are left out."""
    there = [part for part in parts if part]
    more = [f"and {len(there) - _N_LISTED} more"] if len(there) > _N_LISTED else []
    return ", ".join([*there[:_N_LISTED], *more])


def named(names: Iterable[object]) -> str:
    """Return each name once, without underscores or what cannot be seen.

    >>> named(["efficientnet_lite0", None, "efficientnet_lite0"])
    'efficientnet lite0'
    """
    there = dict.fromkeys(plain(name) for name in names if name is not None)
    return listed(name.replace("_", " ") for name in there)


def networks(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return which networks some rows are of, and what they started from; empty where they do not say.

    >>> networks([{"backbone": "resnet50", "init": "imagenet"}])
    'resnet50 (ImageNet init)'
    """
    starts = dict.fromkeys(row.get("init") or row.get("start") for row in rows)
    said = listed(init_label(plain(start)) for start in starts if start is not None)
    backbones = named(row.get("backbone") for row in rows)
    return f"{backbones} ({said})" if backbones and said else backbones
