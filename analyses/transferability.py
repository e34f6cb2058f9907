"""Transferability: which blocks are worth transferring, and can that be told before any training?

Claim     Palanisamy et al. 2020, section IV-B and Fig. 2c, train to see what cutting after a block and freezing up to
          it costs. Does a score of the blocks of the network at its start rank them alike, in a minute?
Command   python analyses/transferability.py --data ESC50 --scale medium
Run time  50 trainings, shared with block_freezing.py and model_cutoff.py, 2 s each on one H200; the scores take 1 min
Paper     no such score.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, 1600 training clips (not fold 1), stem .. block4; trained were
          5 folds, 5 epochs, n = 2000. Linear probe on fold 1, n = 400: 30.5, 42.8, 49.2, 65.2, 63.5 % (by chance 2);
          block4 adds nothing to block3, -1.8 [-6.2, +2.7] points. LogME 0.567, 0.589, 0.603, 0.650, 0.701 (by chance
          0.562 to 0.566), H-score 3.0, 6.0, 8.2, 15.5, 35.2 (by chance 0.4, 0.9, 1.5, 4.1, 25.3), LEEP -3.13 (-3.58).
          Kendall's tau with the accuracy after cutoff: 0.8 [0.8, 1.0], 1.0 [0.8, 1.0], 1.0 [0.8, 1.0]; but the block's
          number alone has 1.0. With that after freezing: -0.4, -0.6, -0.6, the block's number -0.6. So on these five
          blocks no score ranks better than "later is better". The linear probe alone sees that block3 is enough. With
          random weights, block4's H-score is 33.8 (by chance 31.6): it counts features, and must be read above chance.

Five blocks of one network describe it and test nothing.
"""

import dataclasses
from typing import Any

from tlprobe import transferability
from tlprobe.cli.analysis import Analysis, Outcome, run_analysis
from tlprobe.errors import ParameterError


def analyse(asked: Analysis) -> Outcome:
    """Score the blocks of the study's network at its start, against what the study's sweeps gave."""
    study, (first, *_) = asked.plan.study, asked.plan.trials
    if len(study.networks) * len(study.inits) > 1:
        raise ParameterError(
            f"one figure shows one network; the study has {', '.join(study.networks)} from {', '.join(study.inits)}"
        )
    options = dataclasses.replace(first.options, changes={"normalize": first.config.recipe.normalize})
    found = transferability(options, against=[asked.cells()], device=asked.device, progress=asked.progress)
    return Outcome(found)


def describe(row: dict[str, Any]) -> str:
    """Return a score, an accuracy or a correlation in words."""
    names = ("value", "low", "high", "null")
    value, low, high, null = ("-" if row[name] is None else f"{row[name]:.3f}" for name in names)
    what = " ".join(str(row[name]) for name in ("kind", "sweep", "score", "measure", "block") if row[name] is not None)
    return f"{what}: {value} [{low}, {high}], null {null}"


if __name__ == "__main__":
    run_analysis(analyse, describe=describe, script=__file__, probe="transferability", about=__doc__)
