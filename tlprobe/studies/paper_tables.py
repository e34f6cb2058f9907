"""Tables I, II and III of the paper with ours beside it; a cell that is not measured is seen to be missing.

Palanisamy et al. 2020, https://arxiv.org/abs/2007.11154. Its numbers are of the best epoch on the scored fold; ours are
of the last epoch, and by its own rule beside it. Accuracies are in [0, 1] in the rows, in percent in the table.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from tlprobe.records import Record
from tlprobe.studies.published import DATA_SETS, LITERATURE, PUBLISHED
from tlprobe.studies.tables import MISSING, Table, about_data, percent

__all__ = ["table_one", "table_three", "table_two"]

Row = dict[str, Any]

_THEIRS = "Paper: mean ± sd of five runs, best epoch on the scored fold."
_INTERVALS = "Intervals: 95 %, percentile bootstrap over source recordings; no seeds, no folds."


def table_one(cells: Record) -> tuple[Table, list[Row]]:
    """Return Table I, pretrained against random, and its rows.

    Parameters
    ----------
    cells : Record
        Of `tlprobe.studies.cells.cells`, of a study with a pretrained and a random start.

    Returns
    -------
    table : Table
    rows : list of dict
        One a network and data set: ``paper_pretrained``, ``paper_sd``, ``paper_random``, ``pretrained`` and ``random``
        with ``_low``, ``_high`` and ``_best`` (the paper's rule), ``gain`` with its interval and ``p_value``; None
        where it is not known.
    """
    rows: list[Row] = []
    for network, data_set, theirs in _both(cells):
        pretrained = _find(cells, network, data_set, start="pretrained")
        random = _find(cells, network, data_set, start="random")
        paired = random.get("difference") is not None
        rows.append(
            {
                "network": network,
                "data_set": data_set,
                **{f"paper_{name}": theirs.get(name) for name in ("pretrained", "pretrained_sd", "random")},
                **_ours("pretrained", pretrained),
                **_ours("random", random),
                "gain": -random["difference"] if paired else None,
                "gain_low": -random["difference_high"] if paired else None,
                "gain_high": -random["difference_low"] if paired else None,
                "p_value": random.get("p_value"),
                "n": pretrained.get("n"),
                "n_runs": pretrained.get("n_runs"),
            }
        )
    header = (
        "network",
        "data set",
        "paper pretrained",
        "paper random",
        "pretrained (%)",
        "random (%)",
        "gain (points)",
        "p",
        "best epoch: pretrained",
        "random",
    )
    texts = [
        (
            row["network"],
            row["data_set"],
            _with_sd(row["paper_pretrained"], row["paper_pretrained_sd"]),
            percent(row["paper_random"]),
            percent(row["pretrained"], row["pretrained_low"], row["pretrained_high"]),
            percent(row["random"], row["random_low"], row["random_high"]),
            percent(row["gain"], row["gain_low"], row["gain_high"]),
            MISSING if row["p_value"] is None else f"{row['p_value']:.2g}",
            percent(row["pretrained_best"]),
            percent(row["random_best"]),
        )
        for row in rows
    ]
    note = (
        f"Ours: {about_data(cells)}; last epoch, both from equal epochs (the paper trains random networks for 450, "
        f"pretrained ones for 70). {_INTERVALS} p: sign flips of recordings. {_THEIRS}"
    )
    return Table(header, texts, note, n_names=2), rows


def table_two(cells: Record, ensembles: Mapping[str, Row]) -> tuple[Table, list[Row]]:
    """Return Table II, single runs against their ensemble, and its rows.

    Parameters
    ----------
    cells : Record
        Of the study that trained the members.
    ensembles : mapping of str to dict
        Of `tlprobe.studies.members.pooled`, by network.

    Returns
    -------
    table : Table
    rows : list of dict
        One a network and data set: the paper's, and the row of the ensemble's record.
    """
    names = ("members", "single_mean", "single_sd", "accuracy", "ci_low", "ci_high", "soup_accuracy", "disagreement")
    more = ("single_nll", "nll", "single_calibration_error", "calibration_error", "n")
    rows: list[Row] = []
    for network, data_set, theirs in _both(cells):
        ours = ensembles.get(network, {}) if data_set == _data_set(cells) else {}
        rows.append(
            {
                "network": network,
                "data_set": data_set,
                **{f"paper_{name}": theirs.get(name) for name in ("pretrained", "pretrained_sd", "ensemble")},
                **{name: ours.get(name) for name in (*names, *more)},
            }
        )
    header = (
        "network",
        "data set",
        "paper single",
        "paper ensemble",
        "single (%)",
        "ensemble (%)",
        "weight soup (%)",
        "members",
        "disagreement (%)",
        "NLL single",
        "NLL ensemble",
        "ECE single (%)",
        "ECE ensemble (%)",
    )
    texts = [
        (
            row["network"],
            row["data_set"],
            _with_sd(row["paper_pretrained"], row["paper_pretrained_sd"]),
            percent(row["paper_ensemble"]),
            _with_sd(row["single_mean"], row["single_sd"]),
            percent(row["accuracy"], row["ci_low"], row["ci_high"]),
            percent(row["soup_accuracy"]),
            MISSING if row["members"] is None else str(row["members"]),
            percent(row["disagreement"]),
            *(MISSING if row[name] is None else f"{row[name]:.3f}" for name in ("single_nll", "nll")),
            *(percent(row[name]) for name in ("single_calibration_error", "calibration_error")),
        )
        for row in rows
    ]
    note = (
        f"Ours: {about_data(cells)}; last epoch; mean ± sd over members, which differ in head, batch order and "
        "augmentation; ensemble: mean of the soft-max outputs, 95 % bootstrap interval over source recordings; soup: "
        "one network of the mean weights; disagreement: mean over pairs of members; NLL in nats; ECE: calibration "
        f"error. {_THEIRS}"
    )
    return Table(header, texts, note, n_names=2), rows


def table_three(cells: Record, ensembles: Mapping[str, Row]) -> tuple[Table, list[Row]]:
    """Return Table III, results of others, of the paper and ours; parameters as in `table_two`.

    Returns
    -------
    table : Table
    rows : list of dict
        One a model: its accuracy on each data set, None where it is not known.
    """
    found: dict[tuple[str, str], dict[str, float]] = {}
    for item in LITERATURE:
        found.setdefault((item.model, "as cited by the paper"), {})[item.data_set] = round(item.accuracy / 100, 6)
    for theirs in PUBLISHED:
        found.setdefault((f"{theirs.model}, pretrained", "paper"), {})[theirs.data_set] = round(
            theirs.pretrained / 100, 6
        )
        found.setdefault((f"{theirs.model}, ensemble", "paper"), {})[theirs.data_set] = round(theirs.ensemble / 100, 6)
    for row in cells.rows:
        if row["sweep"] == "full" and row["accuracy"] is not None:
            name = f"{row['backbone']}, {row['start']}"
            found[name, "ours"] = {_data_set(cells): row["accuracy"]}
    for network, row in ensembles.items():
        found[f"{network}, ensemble of {row['members']}", "ours"] = {_data_set(cells): row["accuracy"]}
    data_sets = list(dict.fromkeys([*DATA_SETS.values(), _data_set(cells)]))
    rows: list[Row] = [
        {"model": model, "source": source, **{name: values.get(name) for name in data_sets}}
        for (model, source), values in found.items()
    ]
    texts = [(row["model"], row["source"], *(percent(row[name]) for name in data_sets)) for row in rows]
    note = f"Accuracy in percent. Ours: {about_data(cells)}; last epoch. {_THEIRS}"
    return Table(("model", "source", *data_sets), texts, note, n_names=2), rows


def _both(cells: Record) -> list[tuple[str, str, Mapping[str, float]]]:
    """Return network and data set of each row, ours first, and what the paper has of it, in [0, 1]."""
    networks = dict.fromkeys(row["backbone"] for row in cells.rows)
    names = ("pretrained", "pretrained_sd", "random", "ensemble")
    theirs = {
        (item.network, item.data_set): {name: round(getattr(item, name) / 100, 6) for name in names}
        for item in PUBLISHED
    }
    pairs = itertools.chain(((network, _data_set(cells)) for network in networks), theirs)
    return [(network, data_set, theirs.get((network, data_set), {})) for network, data_set in dict.fromkeys(pairs)]


def _data_set(record: Record) -> str:
    name = str((record.provenance.get("data") or {}).get("name", "unknown data"))
    return DATA_SETS.get(name, name)


def _find(cells: Record, network: str, data_set: str, *, start: str) -> Row:
    if data_set != _data_set(cells):
        return {}
    rows: Sequence[Row] = [row for row in cells.rows if row["backbone"] == network and row["sweep"] == "full"]
    return next((row for row in rows if (row["start"] == "random") == (start == "random")), {})


def _ours(name: str, row: Row) -> Row:
    columns = {"": "accuracy", "_low": "ci_low", "_high": "ci_high", "_best": "best_accuracy"}
    return {name + suffix: row.get(column) for suffix, column in columns.items()}


def _with_sd(mean: float | None, sd: float | None) -> str:
    return MISSING if mean is None else percent(mean) + ("" if sd is None else f" ± {100 * sd:.1f}")
