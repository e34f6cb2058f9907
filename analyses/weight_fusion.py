"""Weight fusion: up to which block do pretrained weights help?

Claim     Palanisamy et al. 2020, Fig. 2b: accuracy climbs with each pretrained block, to about 90 % once
          Block3 is pretrained; Block4 adds nothing.
Command   python analyses/weight_fusion.py --data ESC50 --folds 4 --epochs 4
Run time  28 min on 2 cores beside other jobs, 6 trainings
Paper     DenseNet-201, ESC-50: 72.5 % with none pretrained, about 90 % up to Block3, flat after.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, one seed, 4 epochs: none 29.8, stem 25.0,
          block1 38.8, block2 52.8, block3 78.2, block4 82.5 %; n = 400, intervals of +-4 to 5 points.

Give the fully fine-tuned run by ``--ckpt``, or let the script train it and everything else.
"""

from typing import Any

from tlprobe import fuse
from tlprobe.cli.analysis import Analysis, run_analysis
from tlprobe.records import Record
from tlprobe.studies.merge import merge


def analyse(asked: Analysis) -> Record:
    """Sweep the last pretrained block over none .. block4, on each fold."""
    where = {"data": asked.data, "trials": asked.trials, "device": asked.device, "progress": asked.progress}
    return merge([fuse(pair.full, **where) for pair in asked.levels()])


def describe(row: dict[str, Any]) -> str:
    """Return a point in words."""
    return f"fold {row['fold']} pretrained up to {row['block']:>6}: {100 * row['accuracy']:.1f} %, n = {row['n']}"


if __name__ == "__main__":
    run_analysis(analyse, describe=describe, name="weight_fusion", probe="fuse", about=__doc__)
