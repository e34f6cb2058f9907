"""Weight change: what does fine-tuning change in a pretrained network, and in a random one?

Claim     Palanisamy et al. 2020, Fig. 2a: the first blocks of a pretrained network correlate highly
          before and after fine-tuning, later ones less; a random network correlates little everywhere.
Command   python analyses/weight_change.py --data ESC50
Run time  15 min for the two trainings on 2 cores, and 3 min; 2 min on one H200
Paper     DenseNet-201, ESC-50; curves only, no numbers in the text.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, one seed, 10 epochs, stem .. block4, every
          position a sample: pretrained 0.94, 0.89, 0.80, 0.52, 0.49 (nulls 0.05, 0.09, 0.10, 0.11, 0.43); random 0.80,
          0.46, 0.25, 0.20, 0.32 (nulls 0.07, 0.06, 0.07, 0.11, 0.26); two random networks 0.68, 0.51, 0.48, 0.32, 0.30
          (nulls 0.06, 0.10, 0.14, 0.16, 0.25). Corrected, block4 is 0.12, 0.07, 0.06: nearly nothing. So a random stem
          changes little too, and later blocks move farther than another draw of the weights. Pooled, even two
          networks that were never trained agree by 0.99 up to block2.
"""

from typing import Any

from tlprobe import svcca
from tlprobe.cli.analysis import Analysis, Outcome, run_analysis


def analyse(asked: Analysis) -> Outcome:
    """Compare each block's output on held-out clips before and after training, beside its null."""
    record = svcca(
        asked.runs("full", "random"),
        conv=("positions", "pool"),
        baseline="random-pair",
        data=asked.data,
        device=asked.device,
        progress=asked.progress,
    )
    return Outcome(record)


def describe(row: dict[str, Any]) -> str:
    """Return a block's similarity in words."""
    names = ("value", "ci_low", "ci_high", "null", "corrected")
    value, low, high, null, corrected = ("-" if row[name] is None else f"{row[name]:.3f}" for name in names)
    where = f"{row['conv']:>9} {row['init']:>11} fold {row['fold']} {row['block']:>7}"
    return f"{where}: {value} [{low}, {high}], null {null}, corrected {corrected}"


if __name__ == "__main__":
    run_analysis(analyse, describe=describe, script=__file__, probe="svcca", about=__doc__)
