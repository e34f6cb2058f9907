"""The ensembles that a study's runs make: one a network and fold, of its seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tlprobe.numerics.intervals import wilson_interval
from tlprobe.probes.ensemble import ensemble
from tlprobe.records import Record
from tlprobe.train.run import Run

__all__ = ["ensembles", "pooled", "together"]

Key = tuple[str, int]


def ensembles(
    runs: Sequence[Run], *, data: Path | str | None = None, device: str = "auto", progress: bool | None = None
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
    return {key: ensemble(found, data=data, device=device, progress=progress) for key, found in members.items()}


def together(records: Mapping[Key, Record]) -> Record:
    """Return one record of several ensembles: a row each, with ``backbone`` and ``fold``, and all single runs."""
    first = next(iter(records.values()))
    rows = [{"backbone": network, "fold": fold, **record.rows[0]} for (network, fold), record in records.items()]
    params: dict[str, Any] = {
        "fold": first.params["fold"] if len({fold for _, fold in records}) == 1 else None,
        "single": [single for record in records.values() for single in record.params["single"]],
        "no_soup": [record.params["no_soup"] for record in records.values() if record.params["no_soup"]],
    }
    return Record("ensemble", params, rows, first.provenance)


def pooled(records: Mapping[Key, Record]) -> dict[str, dict[str, Any]]:
    """Return each network's row over its folds: means by clips, the accuracy's Wilson interval of all clips.

    ``members`` is that of one fold; ``single_sd`` is the mean of the folds'.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for (network, _), record in records.items():
        found.setdefault(network, []).append(record.rows[0])
    return {network: _pooled(rows) for network, rows in found.items()}


def _pooled(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    n = sum(row["n"] for row in rows)
    row = {
        name: None if any(r[name] is None for r in rows) else sum(r["n"] * r[name] for r in rows) / n
        for name in rows[0]
        if name not in ("n", "members", "ci_low", "ci_high")
    }
    low, high = wilson_interval(round(row["accuracy"] * n), n)
    return {**row, "n": n, "members": rows[0]["members"], "ci_low": low, "ci_high": high}
