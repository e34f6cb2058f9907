"""How results show themselves in a notebook: a title, a few facts and a small table, as HTML.

Names of any origin (of classes, files, columns) are text here: nothing of them is read as markup. Nothing here prints.
"""

import html
import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["NAME_LIMIT", "aligned", "basis", "card", "count", "percent", "plain", "share"]

NAME_LIMIT = 60
"""Characters of a name in a sentence, a heading or a cell."""
_MOST_ROWS = 20
_NAMED = ("data", "versions")  # tables in a provenance
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}  # control, direction marks, lone surrogates: none can be seen
_SMALL = 'style="font-size:smaller"'


def plain(text: object, *, limit: int = NAME_LIMIT) -> str:
    r"""Return a text on one line, without what cannot be seen, and with an ellipsis where it is too long.

    >>> plain("a\x00b\n c"), plain("abcdefghij", limit=7)
    ('a�b c', 'abc…hij')
    """
    line = " ".join(str(text).split())
    seen = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(sign) in _HIDDEN else sign for sign in line)
    if len(seen) <= limit:
        return seen
    tail = (limit - 1) // 2
    return f"{seen[: limit - 1 - tail]}…{seen[len(seen) - tail :]}"


def basis(provenance: Mapping[str, Any]) -> str:
    """Return on one line what a record rests on: data set, time, machine and versions, as far as it says so.

    >>> basis({"data": {"name": "esc50", "n_clips": 2000}, "device": "cpu", "versions": {"tlprobe": "0.1.0"}})
    'data esc50, 2000 clips, on cpu, tlprobe 0.1.0'
    """
    data, versions = (found if isinstance(found := provenance.get(name), Mapping) else {} for name in _NAMED)
    values = {
        "data {}": data.get("name"),
        "{} clips": data.get("n_clips"),
        "split {}": data.get("split"),
        "made {}": provenance.get("created"),
        "on {}": provenance.get("device"),
        "tlprobe {}": versions.get("tlprobe"),
        "torch {}": versions.get("torch"),
    }
    known = [words.format(plain(value)) for words, value in values.items() if value is not None]
    return ", ".join(known) or "what it rests on is not recorded"


def card(title: str, facts: Sequence[str], *, rows: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return a title, a line a fact and the first 20 rows as HTML.

    Columns without any value are left out; what is the same in all of several rows stands in a line above the table.

    Parameters
    ----------
    title : str
    facts : sequence of str
        Escaped here, not shortened: what comes from elsewhere goes through `plain` first.
    rows : sequence of mapping
        One an observation, as in a `Record`.
    """
    parts = [f"<strong>{html.escape(title)}</strong>", *(f"<div {_SMALL}>{html.escape(fact)}</div>" for fact in facts)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    names = [name for name in names if any(_cell(row.get(name)) for row in rows)]
    same = [name for name in names if len(rows) > 1 and all(row.get(name) == rows[0].get(name) for row in rows)]
    if same:
        shared = ", ".join(f"{plain(name)} {_cell(rows[0][name])}" for name in same)
        parts.append(f"<div {_SMALL}>in all rows: {html.escape(shared)}</div>")
    names = [name for name in names if name not in same]
    if names:
        parts.append(_table(names, rows[:_MOST_ROWS]))
    if len(rows) > _MOST_ROWS:
        parts.append(f"<div {_SMALL}>… and {len(rows) - _MOST_ROWS} more of {len(rows)} rows</div>")
    return f"<div>{''.join(parts)}</div>"


def aligned(rows: Sequence[Sequence[str]], *, notes: Sequence[str] = ()) -> list[str]:
    """Return a line of text a row, its columns one below the other; notes stand at the ends of the lines.

    >>> aligned([("run", "MB"), ("runs/full", "1.2")])
    ['run        MB', 'runs/full  1.2']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return [f"{text}{note}".rstrip() for text, note in zip(texts, notes or [""] * len(texts), strict=True)]


def share(value: float) -> str:
    """Return a share in percent.

    >>> share(0.81)
    '81.0 %'
    """
    return f"{100 * value:.1f} %"


def percent(value: float, low: float, high: float) -> str:
    """Return an accuracy in percent with its interval, where that is known.

    >>> percent(0.81, 0.79, 0.83), percent(0.81, math.nan, math.nan)
    ('81.0 % [79.0 to 83.0]', '81.0 %')
    """
    known = math.isfinite(low) and math.isfinite(high)
    return share(value) + (f" [{100 * low:.1f} to {100 * high:.1f}]" if known else "")


def count(n: int, noun: str, plural: str = "") -> str:
    """Return a number and its noun.

    >>> count(1, "fold"), count(2, "class", "classes")
    ('1 fold', '2 classes')
    """
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def _table(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{html.escape(plain(name))}</th>" for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(_cell(row.get(name)))}</td>' for name in names)}</tr>" for row in rows
    )
    table = f"<table {_SMALL}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div style="overflow-x:auto">{table}</div>'


def _cell(value: Any) -> str:
    """Return a value as text; what was not computed is empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return plain(f"{value:.4g}" if isinstance(value, float) else value)
