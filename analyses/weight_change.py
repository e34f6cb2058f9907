"""Weight change: what does fine-tuning change in a pretrained network, and in a random one?

Claim     Palanisamy et al. 2020, Fig. 2a: the first blocks of a pretrained network correlate highly
          before and after fine-tuning, later ones less; a random network correlates little everywhere.
Command   python analyses/weight_change.py --data ESC50 --folds 4 --epochs 10
Run time  @TIME_CHANGE@
Paper     DenseNet-201, ESC-50; curves only, no numbers in the text.
Ours      @OURS_CHANGE@

Give runs by ``--ckpt``, or let the script train a pretrained and a random one a fold.
"""

from tlprobe import svcca
from tlprobe.cli.analysis import Analysis, run_analysis
from tlprobe.records import Record


def analyse(asked: Analysis) -> Record:
    """Compare each block's output on held-out clips before and after training, beside its null."""
    runs = [run for pair in asked.levels() for run in (pair.full, pair.random)]
    record = svcca(runs, device=asked.device, progress=asked.progress)
    for row in record.rows:
        print(f"{row['init']:>9} fold {row['fold']} {row['block']:>7}: {row['value']:.3f} (null {row['null']:.3f})")
    return record


if __name__ == "__main__":
    run_analysis(analyse, name="weight_change", about=__doc__)
