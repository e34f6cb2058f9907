"""Weight change: what does fine-tuning change in a pretrained network, and in a random one?

Claim     Palanisamy et al. 2020, Fig. 2a: the first blocks of a pretrained network correlate highly
          before and after fine-tuning, later ones less; a random network correlates little everywhere.
Command   python analyses/weight_change.py --data ESC50 --folds 4 --epochs 10
Run time  @TIME_CHANGE@
Paper     DenseNet-201, ESC-50; curves only, no numbers in the text.
Ours      @OURS_CHANGE@

Give runs by ``--ckpt``, or let the script train a pretrained and a random one a fold.
"""

from typing import Any

from tlprobe import svcca
from tlprobe.cli.analysis import Analysis, run_analysis
from tlprobe.records import Record


def analyse(asked: Analysis) -> Record:
    """Compare each block's output on held-out clips before and after training, beside its null."""
    runs = [run for pair in asked.levels() for run in (pair.full, pair.random)]
    return svcca(runs, data=asked.data, device=asked.device, progress=asked.progress)


def describe(row: dict[str, Any]) -> str:
    """Return a block's similarity in words."""
    value, null = ("not defined" if number is None else f"{number:.3f}" for number in (row["value"], row["null"]))
    return f"{row['init']:>9} fold {row['fold']} {row['block']:>7}: {value} (null {null})"


if __name__ == "__main__":
    run_analysis(analyse, describe=describe, name="weight_change", probe="svcca", about=__doc__)
