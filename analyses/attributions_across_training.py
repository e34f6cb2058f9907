"""Attributions across training: the same clips in pretrained, random and partly frozen networks.

Claim     Palanisamy et al. 2020, Fig. 3 and Section 4: pretrained networks look at the edges of sound events. Do
          networks that learned otherwise look elsewhere?
Command   python analyses/attributions_across_training.py --data ESC50
Run time  27 min for the trainings on 2 cores, and 3
Paper     none; pictures of one network.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, one seed, 10 epochs, 20 clips, 128 steps: rank
          correlation of the absolute maps, where there is sound, 0.26 [0.20, 0.32] between fine-tuned and partly frozen
          (86.2 % both), 0.14 [0.10, 0.19] and 0.13 [0.09, 0.19] of each with the random one (50.0 %): no more than with
          a network that learned nothing (0.12, faithfulness.py). 40 of the 60 maps miss their sum by more than 1 %.

The rows are networks: fine-tuned from ImageNet weights, trained from random ones, and fine-tuned with the blocks up to
block2 frozen. The clips are those of which the first of them is surest, of classes drawn by a seed; the explained class
is the true one. The table has the rank correlation of the absolute maps of each two networks, clip by clip.
"""

import dataclasses
import itertools
from typing import Any

import numpy as np

from tlprobe import attribute
from tlprobe.audio.settings import ImageSettings
from tlprobe.cli.analysis import Analysis, Outcome, run_analysis
from tlprobe.errors import ParameterError
from tlprobe.numerics.resampling import mean_with_interval
from tlprobe.probes.attribution.nulls import rank_correlations
from tlprobe.probes.attribution.shortcuts import sounding_columns
from tlprobe.records import Record
from tlprobe.studies.tables import Table

N_CLIPS = 20
N_STEPS = 128  # of each path: what random networks need to add up within 1 % takes half an hour
N_SHOWN = 3  # of them; the record keeps these


def analyse(asked: Analysis) -> Outcome:
    """Attribute the true class of the same held-out clips in each network."""
    runs = asked.runs("full", "random", "freeze")
    if len(runs) < 2:
        raise ParameterError(f"networks are compared; the study has {len(runs)}")
    found = attribute(
        runs,
        n_clips=N_CLIPS,
        rule="typical",
        target="true",
        n_steps=N_STEPS,
        channels=True,  # where there is sound is a question to all of them
        data=asked.data,
        device=asked.device,
        progress=asked.progress,
    )
    pairs = compared(found)
    n, n_missed = pairs[0]["n"], sum(not row["reached"] for row in found.rows)
    header = ["network", "and network", "rank correlation", "low", "high", "clips"]
    rows = [
        [pair["a"], pair["b"], f"{pair['mean']:.2f}", f"{pair['low']:.2f}", f"{pair['high']:.2f}", str(pair["n"])]
        for pair in pairs
    ]
    note = (
        f"Rank correlation of the absolute attributions of the true class, value by value where there is sound; mean "
        f"over {n} clips and 95 % bootstrap over source recordings. Integrated Gradients from silence; {n_missed} of "
        f"{len(found.rows)} maps miss their sum by more than 1 %."
    )
    return Outcome(shown_of(found), Table(header, rows, note=note, n_names=2), pairs)


def compared(record: Record) -> list[dict[str, Any]]:
    """Return how far the maps of each two networks agree."""
    maps: dict[str, list[np.ndarray]] = {}
    groups: dict[str, list[str]] = {}
    for row in record.rows:
        size = np.abs(record.arrays["attribution"][row["array_index"]].sum(axis=0, dtype=np.float64))
        maps.setdefault(row["run"], []).append(size)
        groups.setdefault(row["run"], []).append(row["group"])
    settings = ImageSettings(**record.params["image"])
    heard = [sounding_columns(image, settings) for image in record.arrays["spectrogram"]]
    pairs = []
    for a, b in itertools.combinations(maps, 2):
        series = rank_correlations(maps[a], maps[b], heard)
        pairs.append({"a": a, "b": b, **mean_with_interval(series, groups[a])})
    return pairs


def shown_of(record: Record) -> Record:
    """Return the record of the first clips alone, and the sum of their channels."""
    kept = [row for row in record.rows if row["image_index"] < N_SHOWN]
    arrays = {
        "spectrogram": record.arrays["spectrogram"][:N_SHOWN, :1],
        "attribution": record.arrays["attribution"][[row["array_index"] for row in kept]].sum(axis=1, keepdims=True),
    }
    rows = [{**row, "array_index": number} for number, row in enumerate(kept)]
    params = {**record.params, "n_compared": N_CLIPS, "channels": [], "clips": record.params["clips"][:N_SHOWN]}
    return dataclasses.replace(record, params=params, rows=rows, arrays=arrays)


def describe(row: dict[str, Any]) -> str:
    """Return a clip's answer by a network in words."""
    mark = "*" if row["gap_absolute"] else ""
    return (
        f"{row['run']}, {row['clip']}: {row['label']} -> {row['predicted']}, "
        f"{row['target_probability']:.2f} for {row['target']}, completeness gap {row['gap']:.4f}{mark}"
    )


if __name__ == "__main__":
    run_analysis(analyse, describe=describe, script=__file__, probe="attribute", about=__doc__)
