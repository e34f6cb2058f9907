"""Published results: where do these networks stand among others?

Claim     Palanisamy et al. 2020, Table III: state of the art on ESC-50 and UrbanSound8K with an ensemble of DenseNets.
Command   python analyses/published_results.py --data ESC50 --scale medium
Run time  none, once the runs of deep_ensembles are there
Paper     ESC-50 92.89 %, UrbanSound8K 87.42 %, GTZAN 90.50 % (DenseNet ensembles).
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, 5 folds, 5 epochs: single 80.8 %, ensemble of five 84.8 %: below
          all that the paper lists, on poorer recordings, with a small network and a short training.

Numbers of others are as the paper cites them.
"""

from tlprobe.cli.analysis import Analysis, Outcome, describe_cell, run_analysis
from tlprobe.studies.members import ensembles, pooled
from tlprobe.studies.paper_tables import table_three


def analyse(asked: Analysis) -> Outcome:
    """Put single runs and their ensembles beside the results of others."""
    cells = asked.cells()
    table, rows = table_three(cells, pooled(ensembles(asked.runs("full"), soup=False)))
    return Outcome(cells, table, rows)


if __name__ == "__main__":
    run_analysis(analyse, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
