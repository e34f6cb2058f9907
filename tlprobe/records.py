"""Records: what every verb leaves behind, and all that a figure needs.

A `Record` is a tidy table (one row an observation, plain names and numbers) with the parameters it
was made with and where it came from, plus named float32 arrays (a spectrogram, an attribution) that
rows point into by index. On disk: ``record.json``, ``record.csv`` and, where there are arrays,
``arrays.safetensors``. Nothing here needs torch.
"""

import csv
import dataclasses
import io
import json
import math
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from tlprobe.display import basis, card, plain
from tlprobe.errors import DataError, ParameterError
from tlprobe.files import write_atomic

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = ["RECORD_SCHEMA", "Record", "check_out", "dump_json", "provenance", "table_csv"]

RECORD_SCHEMA = 1
"""Version of the layout of ``record.json``; a reader refuses a newer one."""

_VERSIONED = ("tlprobe", "torch", "torchvision", "timm", "captum", "librosa", "numpy", "scipy")

_ARRAYS = "arrays.safetensors"
_KINDS: dict[str, type] = {"probe": str, "params": dict, "rows": list, "provenance": dict}


@dataclasses.dataclass(frozen=True)
class Record:
    """The result of one verb.

    Parameters
    ----------
    probe : str
        The verb: ``"fit"``, ``"svcca"``, ``"freeze"``, ...
    params : dict
        What it was asked for.
    rows : list of dict
        One dict an observation; values are str, int, float, bool or None (not computed).
    provenance : dict
        Versions, data set, time: see `provenance`.
    arrays : dict of str to np.ndarray [float32]
        Indexed along their first axis by the rows' ``array_index``.

    Examples
    --------
    >>> import tempfile
    >>> rows = [{"block": "stem", "accuracy": 0.8, "n": 400}, {"block": "block1", "accuracy": None, "n": 400}]
    >>> record = Record("freeze", params={}, rows=rows, provenance={"data": {"name": "esc50"}})
    >>> record
    Record('freeze', 2 rows, 'data esc50')
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = record.save(folder)
    ...     Record.load(folder).rows == rows
    True
    """

    drawn_by: ClassVar[Callable[..., Any]]
    """What `plot` calls. The package sets it: records lie below figures, so nothing here imports them."""

    probe: str
    params: dict[str, Any]
    rows: list[dict[str, Any]]
    provenance: dict[str, Any]
    arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Record({plain(self.probe)!r}, {self._size}, {plain(basis(self.provenance), limit=200)!r})"

    def _repr_html_(self) -> str:
        """Show the record in a notebook: its verb, what it rests on, and its first rows."""
        facts = [basis(self.provenance)]
        if self.arrays:
            shapes = (f"{plain(name)} {list(array.shape)}" for name, array in self.arrays.items())
            facts.append(f"arrays: {', '.join(shapes)}")
        return card(f"{plain(self.probe)}: {self._size}", facts, rows=self.rows)

    @property
    def _size(self) -> str:
        return "1 row" if len(self.rows) == 1 else f"{len(self.rows)} rows"

    def to_pandas(self) -> "pd.DataFrame":
        """Return the rows as a table with a type a column; parameters and arrays stay here.

        Whole numbers are ``int64`` (``Int64`` where some are missing), other numbers ``float64``, yes and no ``bool``
        (``boolean``), texts ``string``, anything else ``object``. What a row lacks is missing.

        Examples
        --------
        >>> record = Record("freeze", params={}, rows=[{"block": "stem", "n": 400}, {"n": 400}], provenance={})
        >>> {name: str(kind) for name, kind in record.to_pandas().dtypes.items()}
        {'block': 'string', 'n': 'int64'}
        """
        from tlprobe.frame import frame  # here: pandas takes a second to import, and few need it

        return frame(_plain(self.rows))

    def plot(self, ax: "Axes | None" = None, figure: "Figure | SubFigure | None" = None) -> "Axes | Figure | SubFigure":
        """Draw the record: as a figure of its own, on your axes, or over a whole figure of yours.

        No window opens; a notebook shows what this returns after ``%matplotlib inline``. Your own axes and figure keep
        your style; give a figure ``layout="constrained"``.

        Parameters
        ----------
        ax : matplotlib axes, optional
            For records that are one panel; those that lay out several say so.
        figure : matplotlib figure or sub-figure, optional
            Filled whole.

        Returns
        -------
        drawn : Axes, Figure or SubFigure
            The axes or figure given, else a new figure, as `tlprobe.render` makes it.

        Raises
        ------
        ParameterError
            If there is no figure of this verb, or none on one pair of axes, or both `ax` and `figure` are given.

        Examples
        --------
        >>> rows = [{"epoch": 1, "loss": 1.5, "accuracy": 0.5}]
        >>> Record("nothing", params={}, rows=rows, provenance={}).plot()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        tlprobe.errors.ParameterError: probe='nothing' has no figure; choose from svcca, fuse, ...
        """
        drawn: Axes | Figure | SubFigure = type(self).drawn_by(self, ax=ax, figure=figure)
        return drawn

    def save(self, folder: Path | str) -> Path:
        """Write ``record.json``, ``record.csv`` and ``arrays.safetensors`` into `folder`.

        ``record.json`` is written last: where it is, the rest is.

        Returns
        -------
        path : Path
            Of ``record.json``.
        """
        folder = Path(folder)
        if not self.arrays:
            (folder / _ARRAYS).unlink(missing_ok=True)
        for name, data in self.files().items():
            write_atomic(folder / name, data)
        return folder / "record.json"

    def files(self) -> dict[str, bytes]:
        """Return what `save` writes: file name -> bytes, in the order of writing."""
        body = {
            "schema": RECORD_SCHEMA,
            "probe": self.probe,
            "params": self.params,
            "rows": self.rows,
            "provenance": self.provenance,
        }
        files = {"record.csv": table_csv(self.rows).encode(), "record.json": dump_json(body).encode()}
        if self.arrays:
            arrays = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in self.arrays.items()}
            files = {_ARRAYS: bytes(save(arrays)), **files}
        return files

    @classmethod
    def load(cls, path: Path | str) -> "Record":
        """Read a record from its folder, or from its ``record.json``.

        Raises
        ------
        DataError
            If there is none, or it is damaged or of a newer schema.
        """
        path = Path(path)
        file = path / "record.json" if path.is_dir() else path
        if not file.is_file():
            raise DataError(f"{path} holds no record.json")
        try:
            body = json.loads(file.read_text(encoding="utf-8"))
            schema = body["schema"]
            fields = {name: body[name] for name in _KINDS}
            for name, kind in _KINDS.items():
                if not isinstance(fields[name], kind):
                    raise TypeError(f"its {name} is no {kind.__name__}")
            if not all(isinstance(row, dict) for row in fields["rows"]):
                raise TypeError("its rows are not all tables of names and values")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{file} is not a tlprobe record: {type(error).__name__}: {error}") from error
        if schema != RECORD_SCHEMA:
            raise DataError(f"{file} has schema {schema!r}; this tlprobe reads {RECORD_SCHEMA}")
        arrays_file = file.parent / _ARRAYS
        try:
            arrays = dict(load_file(arrays_file)) if arrays_file.is_file() else {}
        except (OSError, SafetensorError) as error:
            raise DataError(f"{arrays_file} is damaged: {error}") from error
        return cls(arrays=arrays, **fields)


def provenance(*, data: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Say what a record rests on: versions, command line, time, data set.

    Parameters
    ----------
    data : mapping, optional
        Name, clip count and content hash of the data set (`Dataset.describe`).
    **more
        Further facts, stored under their own names.
    """
    versions = {"python": platform.python_version()}
    for package in _VERSIONED:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # run from a source tree that is not installed
            versions[package] = "unknown"
    return {
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": [_without_folders(argument) for argument in sys.argv],
        "versions": versions,
        "data": dict(data) if data is not None else None,
        **more,
    }


def check_out(folder: Path, *, probe: str, request: str, overwrite: bool) -> None:
    """Refuse to write over a finished result of another request, as ``params["request"]`` has it.

    Raises
    ------
    ParameterError
        If `folder` holds such a result and `overwrite` is false.
    """
    if overwrite or not (folder / "record.json").is_file():
        return
    found = Record.load(folder)
    if found.probe != probe:
        raise ParameterError(f"{folder} holds a finished {found.probe}; give another --out, or --overwrite")
    if found.params.get("request") != request:
        raise ParameterError(f"{folder} holds a finished {probe} of other options; give another --out, or --overwrite")


def dump_json(body: Any) -> str:
    """Return `body` as indented JSON; numbers that are not finite become null (JSON has no NaN)."""
    return json.dumps(_plain(body), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _without_folders(argument: str) -> str:
    """Keep only the name of a path that leads out of the working folder: records travel, and folders don't."""
    option, equals, value = argument.partition("=")
    if equals and option.startswith("-"):
        return f"{option}={_without_folders(value)}"
    path = Path(argument)
    return path.name if path.is_absolute() or path.parts[:1] == ("..",) else argument


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def table_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a tidy table as CSV text; what a row lacks stays empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_plain(list(rows)))
    return text.getvalue()
