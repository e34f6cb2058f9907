"""The ensembles that a study's runs make: one a network and fold, of its seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tlprobe.numerics.intervals import accuracy_interval, shared_intervals
from tlprobe.probes.ensemble import ensemble
from tlprobe.probes.evaluate import predictions_of
from tlprobe.records import Record
from tlprobe.train.run import Run

__all__ = ["ensembles", "pooled", "together"]

Key = tuple[str, int]


def ensembles(
    runs: Sequence[Run],
    *,
    soup: bool = True,
    data: Path | str | None = None,
    device: str = "auto",
    progress: bool | None = None,
) -> dict[Key, Record]:
    """Return the ensemble of the runs of each network and fold; parameters and errors as in `ensemble`.

    Returns
    -------
    records : dict
        By (network, fold), in order.
    """
    members: dict[Key, list[Path | str | Run]] = {}
    for run in runs:
        members.setdefault((run.config.backbone, run.config.fold), []).append(run)
    return {
        key: ensemble(found, soup=soup, data=data, device=device, progress=progress) for key, found in members.items()
    }


def together(records: Mapping[Key, Record]) -> Record:
    """Return one record of several ensembles: a row each, with ``backbone`` and ``fold``, and all single runs."""
    first = next(iter(records.values()))
    rows = [{"backbone": network, "fold": fold, **record.rows[0]} for (network, fold), record in records.items()]
    params: dict[str, Any] = {
        "fold": first.params["fold"] if len({fold for _, fold in records}) == 1 else None,
        "single": [single for record in records.values() for single in record.params["single"]],
        "no_soup": [record.params["no_soup"] for record in records.values() if record.params["no_soup"]],
        **shared_intervals(record.params for record in records.values()),
    }
    return Record("ensemble", params, rows, first.provenance)


def pooled(records: Mapping[Key, Record]) -> dict[str, dict[str, Any]]:
    """Return each network's row over its folds: means by clips, the accuracy's interval over all their recordings.

    ``members`` is that of one fold; ``single_sd`` is the mean of the folds'.
    """
    found: dict[str, list[Record]] = {}
    for (network, _), record in records.items():
        found.setdefault(network, []).append(record)
    return {network: _pooled(of_one) for network, of_one in found.items()}


def _pooled(records: Sequence[Record]) -> dict[str, Any]:
    rows = [record.rows[0] for record in records]
    n = sum(row["n"] for row in rows)
    row = {
        name: None if any(r[name] is None for r in rows) else sum(r["n"] * r[name] for r in rows) / n
        for name in rows[0]
        if name not in ("n", "members", "ci_low", "ci_high")
    }
    correct = [right for record in records for right in predictions_of(record).correct]
    low, high = accuracy_interval(correct, [group for record in records for group in record.params["groups"]])
    return {**row, "n": n, "members": rows[0]["members"], "ci_low": low, "ci_high": high}
