"""Which runs are there? A list of them that shows itself: on a terminal, in a notebook and for `tlprobe runs`.

Told from their small files, see `tlprobe.train.catalogue`; torch is not imported.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from tlprobe.display import aligned, card, percent, plain
from tlprobe.errors import ParameterError
from tlprobe.train.catalogue import Entry, find_runs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunList", "list_runs", "score_of"]

_ORDERS = ("path", "accuracy")
_STATES = ("finished", "unfinished", "damaged")
_PATH_LIMIT = 400
_MOST_LINES = 60  # of a list that shows itself by text; the command line shows all


class RunList(Sequence[Entry]):
    """Run directories, finished or not, as `list_runs` found them.

    Parameters
    ----------
    folder : Path
        Where they were looked for.
    entries : sequence of Entry
        One a run: ``path``, ``state``, ``why``, ``facts``, ``n_bytes``.
    """

    def __init__(self, folder: Path, entries: Sequence[Entry]) -> None:
        self.folder = folder
        self._entries = tuple(entries)

    @overload
    def __getitem__(self, at: int) -> Entry: ...

    @overload
    def __getitem__(self, at: slice) -> "RunList": ...

    def __getitem__(self, at: int | slice) -> "Entry | RunList":
        return RunList(self.folder, self._entries[at]) if isinstance(at, slice) else self._entries[at]

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        lines = self.lines()
        if len(self) > _MOST_LINES:
            lines[1 + _MOST_LINES : -1] = [f"… and {len(self) - _MOST_LINES} more"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Show the list in a notebook: how many runs there are, and the first of them as a table."""
        rows = [_cells(entry) | {"state": entry.state, "why": plain(entry.why, limit=_PATH_LIMIT)} for entry in self]
        return card(self.summary(), [], rows=rows)

    def summary(self) -> str:
        """Return on one line how many runs there are, in which states, and how large."""
        if not self:
            return f"no runs in {plain(self.folder, limit=_PATH_LIMIT)}"
        states = [entry.state for entry in self]
        said = ", ".join(f"{states.count(state)} {state}" for state in _STATES if state in states)
        n_bytes = sum(entry.n_bytes for entry in self)
        return f"{len(self)} run{'s' if len(self) > 1 else ''} ({said}), {n_bytes / 1e6:.1f} MB"

    def lines(self) -> list[str]:
        """Return an aligned table and its summary; what is wrong with a run stands at the end of its line."""
        if not self:
            return [self.summary()]
        cells = [_cells(entry) for entry in self]
        whys = (plain(entry.why, limit=_PATH_LIMIT) for entry in self)
        notes = [f"  {entry.state.upper()}: {why}" if why else "" for entry, why in zip(self, whys, strict=True)]
        table = aligned([tuple(cells[0]), *(tuple(row.values()) for row in cells)], notes=["", *notes])
        return [*table, self.summary()]

    def to_pandas(self) -> "pd.DataFrame":
        """Return a table with a type a column, one row a run: ``path``, ``state``, ``why``, its facts and ``n_bytes``.

        What is not known of a run is missing.
        """
        from tlprobe.frame import frame  # here: pandas takes a second to import, and few need it

        rows: list[dict[str, Any]] = [
            {"path": str(entry.path), "state": entry.state, "why": entry.why, **entry.facts, "n_bytes": entry.n_bytes}
            for entry in self
        ]
        return frame(rows)


def list_runs(folder: Path | str = "runs", *, sort: str = "path") -> RunList:
    """List the runs in a folder and all below it: what they are, their accuracy and size, and what is wrong with them.

    Parameters
    ----------
    folder : path
        Where to look, at all depths; links are not followed.
    sort : {"path", "accuracy"}
        By path, or the highest accuracy first.

    Returns
    -------
    runs : RunList
        A sequence that shows itself as a table. Of each entry, ``path`` is what `tlprobe.Run.load` takes.

    Raises
    ------
    ParameterError
        If `sort` is no order.
    DataError
        If there is no such folder.

    Examples
    --------
    >>> import tlprobe
    >>> runs = tlprobe.list_runs("runs")
    >>> runs  # doctest: +ELLIPSIS +NORMALIZE_WHITESPACE
    run         backbone                init   treatment  data       fold  seed  epochs  accuracy  MB
    runs/full   timm/test_efficientnet  start  full       synthetic  1     0     1       ... % [... to ...]  ...
    runs/other  timm/test_efficientnet  start  full       synthetic  1     1     1       ... % [... to ...]  ...
    2 runs (2 finished), ... MB
    >>> tlprobe.Run.load(runs[0].path).name
    'full'
    >>> runs.to_pandas()["seed"].tolist()
    [0, 1]
    """
    if sort not in _ORDERS:
        raise ParameterError(f"sort={sort!r}; choose from {', '.join(_ORDERS)}")
    folder = Path(folder)
    found = find_runs(folder)
    if sort == "accuracy":
        found.sort(key=lambda entry: -_number(entry.facts.get("accuracy"), unknown=-1.0))
    return RunList(folder, found)


def score_of(entry: Entry) -> str | None:
    """Return a run's accuracy in percent with its interval; None where it has none."""
    accuracy, low, high = (_number(entry.facts.get(name)) for name in ("accuracy", "ci_low", "ci_high"))
    return percent(accuracy, low, high) if math.isfinite(accuracy) else None


def _cells(entry: Entry) -> dict[str, str]:
    """Return a run's line of the table, by column."""
    facts = {name: "?" if value is None else plain(value) for name, value in entry.facts.items()}
    treatment = facts["treatment"] + ("" if entry.facts["blocks"] is None else f" {facts['blocks']}")
    return {
        "run": plain(entry.path, limit=_PATH_LIMIT),
        "backbone": facts["backbone"],
        "init": facts["init"],
        "treatment": treatment,
        **{name: facts[name] for name in ("data", "fold", "seed", "epochs")},
        "accuracy": score_of(entry) or "-",
        "MB": f"{entry.n_bytes / 1e6:.1f}",
    }


def _number(value: object, *, unknown: float = math.nan) -> float:
    return float(value) if isinstance(value, int | float) else unknown
