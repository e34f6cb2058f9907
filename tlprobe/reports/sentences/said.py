"""Which sentences a record of each probe has."""

from collections.abc import Callable

from tlprobe.records import Record
from tlprobe.reports.sentences import basis, care, change, levels, scores, steps, sweeps, transferability
from tlprobe.reports.sentences.sentence import Sentence

__all__ = ["said_of"]

_OF_ALL = (care.leaks, care.skipped, care.folds, care.seeds)
_OF: dict[str, tuple[Callable[[Record], list[Sentence]], ...]] = {
    "cells": (
        levels.gain,
        levels.level,
        levels.features,
        levels.scatter,
        steps.fuse,
        steps.freeze,
        steps.cutoff,
        levels.runs_missing,
    ),
    "pretrained_vs_random": (sweeps.pairs,),
    "fuse": (sweeps.sweep,),
    "freeze": (sweeps.sweep,),
    "cutoff": (sweeps.sweep,),
    "svcca": (change.similarity,),
    "weight_distance": (change.weights,),
    "attribute": (basis.attributions, basis.heard),
    "faithfulness": (basis.faithful, basis.forgetful),
    "fit": (scores.training,),
    "eval": (scores.evaluation,),
    "ensemble": (scores.ensemble,),
    "transferability": (
        transferability.probed,
        transferability.probe_steps,
        transferability.source_classes,
        transferability.foretold,
    ),
    "tune": (scores.tuning,),
    "study": (care.points,),
    "data_info": (care.data_set,),
}


def said_of(record: Record) -> list[Sentence]:
    """Return all that a record's numbers say, in words."""
    return [sentence for builder in (*_OF.get(record.probe, ()), *_OF_ALL) for sentence in builder(record)]
