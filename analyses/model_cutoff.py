"""Model cutoff: how much of the network is needed?

Claim     Palanisamy et al. 2020, section IV-B: about 90 % without Block4, about 85 % without Block3 and
          Block4, against 91.16 % in full.
Command   python analyses/model_cutoff.py --data ESC50 --folds 4 --epochs 4
Run time  16 min on 2 cores, partly beside other jobs, 6 trainings, 2 of them shared with weight_fusion
Paper     DenseNet-201, ESC-50: 90 % after Block3, 85 % after Block2.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, one seed, 4 epochs: stem 8.8, block1 18.5,
          block2 38.2, block3 82.5, block4 (whole) 82.5 %; n = 400, intervals of +-3 to 5 points.

The network ends after a block, with global average pooling and a new linear head. Give the fully
fine-tuned run by ``--ckpt``, or let the script train it and everything else.
"""

from typing import Any

from tlprobe import cutoff
from tlprobe.cli.analysis import Analysis, run_analysis
from tlprobe.records import Record
from tlprobe.studies.merge import merge


def analyse(asked: Analysis) -> Record:
    """Sweep the last block that stays over stem .. block4, on each fold."""
    where = {"data": asked.data, "trials": asked.trials, "device": asked.device, "progress": asked.progress}
    return merge([cutoff(pair.full, **where) for pair in asked.levels()])


def describe(row: dict[str, Any]) -> str:
    """Return a point in words."""
    what = f"ends after {row['block']}" if row["block"] else row["treatment"]
    return f"fold {row['fold']} {what}: {100 * row['accuracy']:.1f} %, n = {row['n']}, {row['n_weights']} weights"


if __name__ == "__main__":
    run_analysis(analyse, describe=describe, name="model_cutoff", probe="cutoff", about=__doc__)
