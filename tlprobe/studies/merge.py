"""Several records of one probe, for example one a fold, as one."""

from collections.abc import Sequence

from tlprobe.errors import ParameterError
from tlprobe.records import Record

__all__ = ["merge"]


def merge(records: Sequence[Record]) -> Record:
    """Put the rows of records of one probe under each other.

    Parameters
    ----------
    records : sequence of Record
        Of one probe, without arrays; parameters and provenance of all are kept in lists.

    Raises
    ------
    ParameterError
        If there is none, they are of different probes, or one has arrays.
    """
    if not records:
        raise ParameterError("no record to merge")
    first = records[0]
    if len(records) == 1:
        return first
    probes = sorted({record.probe for record in records})
    if len(probes) > 1:
        raise ParameterError(f"records of different probes cannot be merged: {', '.join(probes)}")
    if any(record.arrays for record in records):
        raise ParameterError(f"records of {first.probe} hold arrays and cannot be merged")
    params = {
        name: value
        if all(record.params.get(name) == value for record in records)
        else [r.params.get(name) for r in records]
        for name, value in first.params.items()
    }
    rows = [row for record in records for row in record.rows]
    return Record(first.probe, params, rows, {**first.provenance, "merged": [r.provenance for r in records]})
