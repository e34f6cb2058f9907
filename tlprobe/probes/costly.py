"""What the costly treatments gave: accuracies of networks frozen up to a block, or cut after it, from their records."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from tlprobe.errors import ParameterError
from tlprobe.records import Record

__all__ = ["SWEEPS", "Treatment", "Wanted", "read_treatments"]

SWEEPS = ("cutoff", "freeze")
_LEAST = 3  # blocks that can be ranked in more than two ways
_SIDES = float(stats.norm.ppf(0.975))


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The network that treatments have to be of.

    Parameters
    ----------
    backbone, start, features : str
    blocks : tuple of str
        Input to output.
    data_hash : str
        Of the data set; another one is noted, not refused.
    """

    backbone: str
    start: str
    features: str
    blocks: tuple[str, ...]
    data_hash: str


@dataclasses.dataclass(frozen=True)
class Treatment:
    """A sweep over blocks, trained.

    Parameters
    ----------
    against : str
        The record's folder.
    sweep : {"cutoff", "freeze"}
    rows : list of dict
        One a block, input to output: ``block``, ``value``, ``low``, ``high`` (accuracy in [0, 1]; the interval is None
        where the record has none) and ``n``.
    folds : list of int
        Held out.
    """

    against: str
    sweep: str
    rows: list[dict[str, Any]]
    folds: list[int]

    @property
    def blocks(self) -> list[str]:
        """Names of the blocks."""
        return [row["block"] for row in self.rows]

    @property
    def accuracy(self) -> npt.NDArray[np.float64]:
        """Accuracy by block."""
        return np.array([row["value"] for row in self.rows])

    def draws(self, n: int, *, rng: np.random.Generator) -> npt.NDArray[np.float64]:
        """Return what the accuracies might have been, ``(n, n_blocks)``.

        Normal, as wide as their intervals, each block for itself: a record does not say which clips were right, so
        differences between blocks, which share their clips, are taken for less sure than they are.
        """
        ends = [(row["low"], row["high"]) if row["low"] is not None else (0.0, 0.0) for row in self.rows]
        sd = np.array([(high - low) / (2 * _SIDES) for low, high in ends])
        return self.accuracy + sd * rng.standard_normal((n, len(sd)))


def read_treatments(record: Record, wanted: Wanted, *, name: str) -> tuple[list[Treatment], list[str]]:
    """Return the treatments of a network that a record holds, and what a reader should know of them.

    Parameters
    ----------
    record : Record
        Of a study's ``cells``, or of ``tlprobe freeze`` or ``cutoff``.
    wanted : Wanted
    name : str
        The record's, for errors and notes.

    Returns
    -------
    treatments : list of Treatment
        One a sweep; of prefix sweeps over named blocks alone.
    notes : list of str

    Raises
    ------
    ParameterError
        If the record is of another kind, network, start, features or blocks, or has too few blocks.
    """
    if record.probe not in ("cells", *SWEEPS):
        raise ParameterError(f"{name} is a record of {record.probe}; choose one of cells, {', '.join(SWEEPS)}")
    points = [_named(row, record) for row in record.rows if row["block"] not in (None, "none")]
    swept = [p for p in points if p["sweep"] in SWEEPS and p["shape"] == "prefix" and p["partition"] is None]
    if not swept:
        there = ", ".join(sorted({f"{p['sweep']} ({p['shape']})" for p in points})) or "no sweep"
        raise ParameterError(f"{name} has no accuracies frozen up to a block or cut after it; it has {there}")
    own = [p for p in swept if (p["backbone"], p["start"], p["features"]) == (*_network(wanted),)]
    if not own:
        networks = sorted({_words(p["backbone"], p["start"], p["features"]) for p in swept})
        raise ParameterError(f"{name} is of {'; '.join(networks)}; the scores are of {_words(*_network(wanted))}")
    foreign = sorted({p["block"] for p in own} - set(wanted.blocks))
    if foreign:
        raise ParameterError(f"{name} has {', '.join(foreign)}; the scores are of {', '.join(wanted.blocks)}")
    notes = []
    if len(own) < len(points):
        notes.append(f"{name}: {len(points) - len(own)} rows of other sweeps or networks are not looked at")
    if (found := (record.provenance.get("data") or {}).get("hash")) != wanted.data_hash:
        notes.append(f"{name} is of other data ({str(found)[:8]}) than the scores ({wanted.data_hash[:8]})")
    treatments = []
    for sweep in dict.fromkeys(p["sweep"] for p in own):
        rows = [p for p in own if p["sweep"] == sweep]
        treatment, more = _treatment(record, rows, wanted, name=name, sweep=sweep)
        treatments.append(treatment)
        notes += more
    return treatments, notes


def _network(wanted: Wanted) -> tuple[str, str, str]:
    return wanted.backbone, wanted.start, wanted.features


def _words(backbone: str, start: str, features: str) -> str:
    return f"{backbone} from {start} on {features}"


def _named(row: dict[str, Any], record: Record) -> dict[str, Any]:
    """Return a row with the names that cells have; a verb's own record has its sweep, start and features elsewhere."""
    image = record.params.get("image") or {}
    own = {"sweep": record.probe, "start": row.get("init"), "features": image.get("features", "log-mel3")}
    return {**own, "partition": None, **row}


def _treatment(
    record: Record, rows: list[dict[str, Any]], wanted: Wanted, *, name: str, sweep: str
) -> tuple[Treatment, list[str]]:
    twice = [block for block, times in Counter(row["block"] for row in rows).items() if times > 1]
    if twice:
        raise ParameterError(f"{name} has several {sweep} rows of {', '.join(twice)}; one a block can be ranked")
    by_block = {row["block"]: row for row in rows if row["accuracy"] is not None}
    found = [
        {
            "block": block,
            "value": by_block[block]["accuracy"],
            "low": by_block[block]["ci_low"],
            "high": by_block[block]["ci_high"],
            "n": by_block[block]["n"],
        }
        for block in wanted.blocks
        if block in by_block
    ]
    if len(found) < _LEAST:
        raise ParameterError(f"{name} has {sweep} accuracies of {len(found)} blocks; at least {_LEAST} are needed")
    folds = record.params.get("folds") or sorted({row["fold"] for row in rows if "fold" in row})
    missing = [block for block in wanted.blocks if block not in by_block]
    notes = [f"{name} has no {sweep} accuracy of {', '.join(missing)}"] if missing else []
    return Treatment(name, sweep, found, list(folds)), notes
