"""tlprobe: what did this pretrained network really transfer?

The names below are the Python API; each has the name of its verb on the command line. They are
imported when first used, so that ``import tlprobe`` and ``tlprobe --help`` do not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tlprobe.records import Record as Record

if TYPE_CHECKING:
    from tlprobe.numerics.moments import Moments as Moments
    from tlprobe.numerics.similarity import Similarity as Similarity
    from tlprobe.numerics.similarity import similarity as similarity
    from tlprobe.numerics.similarity import similarity_of_moments as similarity_of_moments
    from tlprobe.plots.captions.latex_figure import latex_figure as latex_figure
    from tlprobe.plots.figure import render as render
    from tlprobe.plots.figure import save_figure as save_figure
    from tlprobe.probes.attribute import attribute as attribute
    from tlprobe.probes.ensemble import ensemble as ensemble
    from tlprobe.probes.evaluate import evaluate as evaluate
    from tlprobe.probes.faithfulness import faithfulness as faithfulness
    from tlprobe.probes.svcca import svcca as svcca
    from tlprobe.probes.transferability import transferability as transferability
    from tlprobe.probes.weight_distance import weight_distance as weight_distance
    from tlprobe.reports.report import report as report
    from tlprobe.studies.cells import study_cells as study_cells
    from tlprobe.studies.engine import Engine as Engine
    from tlprobe.studies.space import load_space as load_space
    from tlprobe.studies.study import run_study as run_study
    from tlprobe.studies.study import study_status as study_status
    from tlprobe.studies.study_file import Study as Study
    from tlprobe.studies.study_file import load_study as load_study
    from tlprobe.studies.sweeps import cutoff as cutoff
    from tlprobe.studies.sweeps import freeze as freeze
    from tlprobe.studies.sweeps import fuse as fuse
    from tlprobe.studies.tables import cells_table as cells_table
    from tlprobe.studies.tune import tune as tune
    from tlprobe.train.checkpoint import FileOptions as FileOptions
    from tlprobe.train.export import export as export
    from tlprobe.train.fit import fit as fit
    from tlprobe.train.listing import list_runs as list_runs
    from tlprobe.train.material import FitOptions as FitOptions
    from tlprobe.train.run import Run as Run

_HOME = {
    "Engine": "tlprobe.studies.engine",
    "FileOptions": "tlprobe.train.checkpoint",
    "FitOptions": "tlprobe.train.material",
    "Moments": "tlprobe.numerics.moments",
    "Run": "tlprobe.train.run",
    "Similarity": "tlprobe.numerics.similarity",
    "Study": "tlprobe.studies.study_file",
    "attribute": "tlprobe.probes.attribute",
    "cells_table": "tlprobe.studies.tables",
    "cutoff": "tlprobe.studies.sweeps",
    "ensemble": "tlprobe.probes.ensemble",
    "evaluate": "tlprobe.probes.evaluate",
    "export": "tlprobe.train.export",
    "faithfulness": "tlprobe.probes.faithfulness",
    "fit": "tlprobe.train.fit",
    "freeze": "tlprobe.studies.sweeps",
    "fuse": "tlprobe.studies.sweeps",
    "latex_figure": "tlprobe.plots.captions.latex_figure",
    "list_runs": "tlprobe.train.listing",
    "load_space": "tlprobe.studies.space",
    "load_study": "tlprobe.studies.study_file",
    "render": "tlprobe.plots.figure",
    "report": "tlprobe.reports.report",
    "run_study": "tlprobe.studies.study",
    "save_figure": "tlprobe.plots.figure",
    "similarity": "tlprobe.numerics.similarity",
    "similarity_of_moments": "tlprobe.numerics.similarity",
    "study_cells": "tlprobe.studies.cells",
    "study_status": "tlprobe.studies.study",
    "svcca": "tlprobe.probes.svcca",
    "transferability": "tlprobe.probes.transferability",
    "tune": "tlprobe.studies.tune",
    "weight_distance": "tlprobe.probes.weight_distance",
}

__all__ = [
    "Engine",
    "FileOptions",
    "FitOptions",
    "Moments",
    "Record",
    "Run",
    "Similarity",
    "Study",
    "attribute",
    "cells_table",
    "cutoff",
    "ensemble",
    "evaluate",
    "export",
    "faithfulness",
    "fit",
    "freeze",
    "fuse",
    "latex_figure",
    "list_runs",
    "load_space",
    "load_study",
    "render",
    "report",
    "run_study",
    "save_figure",
    "similarity",
    "similarity_of_moments",
    "study_cells",
    "study_status",
    "svcca",
    "transferability",
    "tune",
    "weight_distance",
]


def _draw(record: Record, **where: Any) -> Any:
    return import_module("tlprobe.plots.onto").draw(record, **where)


Record.drawn_by = staticmethod(_draw)  # from up here: records lie below figures, and matplotlib is slow to import


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # here: it is a quarter of the time of the import

    try:
        return version("tlprobe")
    except PackageNotFoundError:  # a source tree that is not installed
        return "unknown"


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _HOME:
        raise AttributeError(f"module 'tlprobe' has no attribute {name!r}; it has {', '.join(__all__)}")
    import_module("tlprobe.bars")  # before timm and optuna, whose import of tqdm warns in a notebook without ipywidgets
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
