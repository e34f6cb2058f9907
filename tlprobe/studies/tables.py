"""Tables for people: Markdown, and LaTeX with booktabs. What is missing is seen to be missing."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tlprobe.display import count
from tlprobe.files import write_atomic
from tlprobe.records import Record, table_csv

__all__ = ["MISSING", "Table", "about_data", "cells_table", "percent"]

MISSING = "\N{EM DASH}"
"""What stands where there is no value."""

_INNER = "inner fold's choice (%)"
_VIEW = ("features", "data_split")  # columns where a study has several
_HEADER = (
    "network",
    "start",
    "treatment",
    "runs",
    "last epoch (%)",
    "sd seeds",
    "sd folds",
    "best epoch (%)",
    "cross-fitted (%)",
    _INNER,
    "optimism",
    "difference to full",
    "p (Holm)",
)

_NOTE = (
    "Accuracy of the last epoch with its 95 % interval (percentile bootstrap over source recordings; no seeds, "
    "no folds); sd over so many seeds and folds; best epoch: chosen on the scored fold, optimistic; cross-fitted: "
    "chosen on the other half of its recordings; optimism: the former less the latter; difference to the fully "
    "fine-tuned network (of a random start: to the pretrained one) on the same clips, in points, p by sign flips of "
    "recordings, Holm-adjusted within a sweep."
)

_ESCAPED = str.maketrans({"%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#", MISSING: "---", "±": r"$\pm$"})


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of texts.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequence of str
        As many texts each.
    note : str
        What the numbers rest on.
    n_names : int
        Columns that name a row: set flush left, the others flush right.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str
    n_names: int

    def markdown(self) -> str:
        """Return a Markdown table with its note."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{self.note}\n"

    def latex(self) -> str:
        """Return a LaTeX ``tabular`` (package: booktabs), its note as a comment."""
        columns = "l" * self.n_names + "r" * (len(self.header) - self.n_names)
        lines = [
            f"% {self.note}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _latex_row(self.header),
            r"\midrule",
            *map(_latex_row, self.rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
        return "\n".join(lines) + "\n"

    def save(self, folder: Path, *, numbers: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Write ``table.md`` and ``table.tex``, and ``table.csv`` of `numbers` where no record holds them."""
        if numbers is not None:
            write_atomic(folder / "table.csv", table_csv(numbers))
        write_atomic(folder / "table.md", self.markdown())
        write_atomic(folder / "table.tex", self.latex())


def cells_table(record: Record) -> Table:
    """Return the cells of `tlprobe.studies.cells.cells` as a table.

    Parameters
    ----------
    record : Record
        Of ``cells``.

    Returns
    -------
    table : Table
        With ``markdown()``, ``latex()`` (booktabs) and ``save(folder)``.

    Examples
    --------
    >>> import tlprobe
    >>> network = "timm/test_efficientnet"
    >>> study = tlprobe.Study(networks=[network], inits=["random"], treatments=["full"], changes={"epochs": 1})
    >>> _ = tlprobe.run_study(study, out="out/study", trials="runs/trials")
    >>> table = tlprobe.cells_table(tlprobe.study_cells(study, trials="runs/trials"))
    >>> table.header[:4], table.rows[0][:4]
    (['network', 'start', 'treatment', 'runs'], ['timm/test_efficientnet', 'random', 'full', '1/1'])
    """
    chosen = any(row.get("inner_chosen_accuracy") is not None for row in record.rows)
    shown = [name for name in _VIEW if len({row[name] for row in record.rows}) > 1]
    header = [name for name in _HEADER if chosen or name != _INNER]
    rows = [[*(str(row[name] or MISSING) for name in shown), *_texts(row, inner=chosen)] for row in record.rows]
    header = [*(name.replace("_", " ") for name in shown), *header]
    if "data_split" in shown:  # whose leaks are not the same
        header.append("leaked clips")
        n_leaked = (MISSING if row["n_leaked"] is None else str(row["n_leaked"]) for row in record.rows)
        rows = [[*texts, n] for texts, n in zip(rows, n_leaked, strict=True)]
    return Table(header=header, rows=rows, note=f"{about_data(record)}. {_NOTE}", n_names=3 + len(shown))


def about_data(record: Record) -> str:
    """Say in a few words on what a record's numbers were measured: clips, rate, folds, seeds, epochs."""
    data: Mapping[str, Any] = record.provenance.get("data") or {}
    parts = [str(data.get("name", "unknown data")), f"{data.get('n_clips', '?')} clips"]
    if split := data.get("split"):
        parts.append(f"split: {split}")
    if n_leaked := data.get("n_leaked"):
        parts.append(f"{n_leaked} held-out clips share a sound with the training part")
    params = record.params
    if "image" in params:
        parts.append(f"{params['image']['sr'] / 1000:g} kHz")
    for name in ("folds", "seeds"):
        if values := params.get(name):
            parts.append(f"{name[:-1] if len(values) == 1 else name} {', '.join(map(str, values))}")
    n_folds = data.get("n_folds", 0)
    if 0 < len(params.get("folds", ())) < n_folds:
        parts.append(f"a part of the {n_folds} folds and so not the data set's score")
    if "recipe" in params:
        parts.append(count(params["recipe"]["epochs"], "epoch"))
    return ", ".join(parts)


def percent(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """Return an accuracy in percent, with its interval where there is one."""
    if value is None:
        return MISSING
    return _percent(value) + ("" if low is None or high is None else f" [{_percent(low)}, {_percent(high)}]")


def _latex_row(texts: Sequence[str]) -> str:
    return " & ".join(text.translate(_ESCAPED) for text in texts) + r" \\"


def _texts(row: Mapping[str, Any], *, inner: bool) -> list[str]:
    named = ("sweep", "block") if row["sweep"] == "cutoff" else ("sweep", "shape", "block")
    what = " ".join(str(row[name]) for name in named if row[name] is not None)
    about = [f"rest {row['rest']}"] if row["rest"] not in (None, "random", "trained") else []
    about += [str(row["partition"])] if row["partition"] is not None else []
    difference = _points(row["difference"])
    if row["difference"] is not None:
        difference += f" [{_points(row['difference_low'])}, {_points(row['difference_high'])}]"
    return [
        row["backbone"],
        row["start"],
        what + (f" ({', '.join(about)})" if about else ""),
        f"{row['n_runs']}/{row['n_planned']}",
        percent(row["accuracy"], row["ci_low"], row["ci_high"]),
        _scatter(row["sd_seeds"], row["n_seeds"]),
        _scatter(row["sd_folds"], row["n_folds"]),
        _percent(row["best_accuracy"]),
        _percent(row["cross_fitted_accuracy"]),
        *([_percent(row["inner_chosen_accuracy"])] if inner else []),
        _points(row["optimism"]),
        difference,
        MISSING if row["p_holm"] is None else f"{row['p_holm']:.2g}",
    ]


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.1f}"


def _points(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:+.1f}"


def _scatter(sd: float | None, n: int) -> str:
    return MISSING if sd is None else f"{100 * sd:.1f} (n = {n})"
