"""Cells as a table for people: Markdown, and LaTeX with booktabs. What is missing is seen to be missing."""

from collections.abc import Mapping, Sequence
from typing import Any

from tlprobe.records import Record

__all__ = ["latex_table", "markdown_table"]

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
    "optimism",
    "difference to full",
    "p (Holm)",
)

_NOTE = (
    "Accuracy of the last epoch with its 95 % interval (percentile bootstrap over source recordings; no seeds, "
    "no folds); sd over so many seeds and folds; best epoch: chosen on the scored fold, optimistic; cross-fitted: "
    "chosen on the other half of its recordings; optimism: the former less the latter; difference to the fully "
    "fine-tuned network on the same clips, in points, p by sign flips of recordings, Holm-adjusted within a sweep."
)

_ESCAPED = str.maketrans({"%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#", "—": "---"})


def markdown_table(record: Record) -> str:
    """Return the cells of `tlprobe.studies.cells.cells` as a Markdown table with a note of what it rests on.

    Parameters
    ----------
    record : Record
        Of ``cells``.
    """
    lines = [_HEADER, ["---"] * len(_HEADER), *(_texts(row) for row in record.rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n{_about(record)} {_NOTE}\n"


def latex_table(record: Record) -> str:
    """Return the cells as a LaTeX ``tabular`` (packages: booktabs); parameters as in `markdown_table`."""
    lines = [
        f"% {_about(record)} {_NOTE}",
        rf"\begin{{tabular}}{{lll{'r' * (len(_HEADER) - 3)}}}",
        r"\toprule",
        _latex_row(_HEADER),
        r"\midrule",
        *(_latex_row(_texts(row)) for row in record.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _about(record: Record) -> str:
    data: Mapping[str, Any] = record.provenance.get("data") or {}
    return f"{data.get('name', 'unknown data')}, {data.get('n_clips', '?')} clips."


def _latex_row(texts: Sequence[str]) -> str:
    return " & ".join(text.translate(_ESCAPED) for text in texts) + r" \\"


def _texts(row: Mapping[str, Any]) -> list[str]:
    what = " ".join(str(row[name]) for name in ("sweep", "shape", "block") if row[name] is not None)
    about = [f"rest {row['rest']}"] if row["rest"] not in (None, "random", "trained") else []
    about += [str(row["partition"])] if row["partition"] is not None else []
    accuracy = _percent(row["accuracy"])
    if row["ci_low"] is not None:
        accuracy += f" [{_percent(row['ci_low'])}, {_percent(row['ci_high'])}]"
    difference = _points(row["difference"])
    if row["difference"] is not None:
        difference += f" [{_points(row['difference_low'])}, {_points(row['difference_high'])}]"
    return [
        row["backbone"],
        row["start"],
        what + (f" ({', '.join(about)})" if about else ""),
        f"{row['n_runs']}/{row['n_planned']}",
        accuracy,
        _scatter(row["sd_seeds"], row["n_seeds"]),
        _scatter(row["sd_folds"], row["n_folds"]),
        _percent(row["best_accuracy"]),
        _percent(row["cross_fitted_accuracy"]),
        _points(row["optimism"]),
        difference,
        "—" if row["p_holm"] is None else f"{row['p_holm']:.2g}",
    ]


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:.1f}"


def _points(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:+.1f}"


def _scatter(sd: float | None, n: int) -> str:
    return "—" if sd is None else f"{100 * sd:.1f} (n = {n})"
