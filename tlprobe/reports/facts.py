"""Where a record comes from, to read: versions, data, command and parameters."""

import math
from collections.abc import Mapping
from typing import Any

from tlprobe.records import Record
from tlprobe.reports.words import count, plain

__all__ = ["facts_of"]

_LONG = 800
_FEW = 8
_ELSEWHERE = ("history", "curves", "single", "confusion")  # drawn, or in tables


def facts_of(record: Record) -> list[tuple[str, str]]:
    """Return a record's provenance and parameters as pairs of a name and a text."""
    about = record.provenance
    facts: list[tuple[str, str]] = []
    if isinstance(command := about.get("command"), list) and command:
        facts.append(("command", plain(" ".join(map(str, command)), limit=_LONG)))
    for name, value in about.items():
        if name == "command" or value is None:
            continue
        facts += _facts(name, value)
    for name, value in record.params.items():
        if name not in _ELSEWHERE and value is not None:
            facts += _facts(name, value)
    return facts


def _facts(name: str, value: Any) -> list[tuple[str, str]]:
    text = _text(value)
    return [(plain(name).replace("_", " "), plain(text, limit=_LONG))] if text else []


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        parts = ((plain(key).replace("_", " "), _text(item)) for key, item in value.items() if item is not None)
        return ", ".join(f"{key} {text}" for key, text in parts if text)
    if isinstance(value, list):
        if len(value) > _FEW:
            return count(len(value), "value")
        return ", ".join(filter(None, map(_text, value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else ""
    return plain(value, limit=_LONG)
