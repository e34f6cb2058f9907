"""What all figures of ``tlprobe svcca`` share: names of measures and of samples, and the line of small type."""

from collections.abc import Sequence
from typing import Any

from tlprobe.plots.style import RANDOM_PAIR, readable, scope
from tlprobe.records import Record

__all__ = ["NOTHING", "NULL_LABEL", "measure_name", "note", "rows_of", "samples_name", "treatments"]

NULL_LABEL = "clips permuted (null)"
"""What a legend calls the null."""
NOTHING = "no similarities in this record"
"""What a figure without a value says."""

_MEASURES = {
    "svcca": "SVCCA",
    "mean_cca": "mean CCA",
    "pwcca": "PWCCA",
    "cka": "CKA",
    "cka_debiased": "CKA, debiased",
    "procrustes": "Procrustes",
}
_SAMPLES = {
    "positions": "every position a sample",
    "pool": "one sample a clip (pooled)",
    "flatten": "one sample a clip (flattened)",
}


def measure_name(measure: str) -> str:
    """Return what a figure calls a measure.

    >>> measure_name("pwcca")
    'PWCCA'
    """
    return _MEASURES.get(measure, readable(measure))


def treatments(record: Record) -> list[str]:
    """Return what was made a sample, in order: the values of ``params["conv"]``, or of the rows without it."""
    given = record.params.get("conv") or [_treatment(row) for row in record.rows]
    return list(dict.fromkeys(map(str, given)))


def rows_of(record: Record, conv: str | None = None) -> list[dict[str, Any]]:
    """Return the rows of one of `treatments`; None stands for the first."""
    wanted = conv if conv is not None else next(iter(treatments(record)), None)
    return [row for row in record.rows if _treatment(row) == wanted]


def samples_name(treatment: str, rows: Sequence[dict[str, Any]]) -> str:
    """Return what a figure calls the samples of a treatment and its rows.

    >>> samples_name("pool", []), samples_name("positions", [{"conv": "positions, pooled to 4 x 8"}])
    ('one sample a clip (pooled)', 'positions, pooled to 4 x 8')
    """
    texts = {str(row.get("conv")) for row in rows}
    return _SAMPLES.get(treatment, treatment) if len(texts) != 1 else _SAMPLES.get(text := texts.pop(), text)


def note(record: Record, rows: Sequence[dict[str, Any]], *, samples: bool = False) -> str:
    """Say what some rows rest on: clips, folds, seeds, epochs, and what they are compared with.

    Parameters
    ----------
    record : Record
    rows : sequence of dict
        Those that are drawn.
    samples : bool
        Also say what is a sample, where the record has several answers.
    """
    trained = [row for row in rows if row.get("init") != RANDOM_PAIR]
    fields = ("fold", "seed", "epochs")
    parts = [scope([*({field: row.get(field) for field in fields} | {"n": row.get("n_clips")} for row in trained)])]
    others = dict.fromkeys(str(row.get("against")) for row in trained)
    parts += [f"against {readable(name)}" for name in others if name not in ("init", "final", "None")]
    texts = [str(row.get("conv")) for row in rows]
    if samples and len(treatments(record)) > 1 and rows:
        parts.append(samples_name(_treatment(rows[0]), rows))
    if any("pooled to" in text for text in texts) and len(set(texts)) > 1:
        parts.append("larger maps pooled to the smaller")
    if any(" of " in text for text in texts):
        parts.append(f"{record.params.get('n_positions')} positions of a map at most")
    return ", ".join(part for part in parts if part)


def _treatment(row: dict[str, Any]) -> str:
    """Return the treatment; what follows a comma is what it came to for this pair of layers."""
    return str(row.get("conv")).partition(",")[0]
