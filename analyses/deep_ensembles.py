"""Deep ensembles: what do five runs know together that one does not?

Claim     Palanisamy et al. 2020, Table II: an ensemble of five adds about 2 points.
Command   python analyses/deep_ensembles.py --data ESC50 --scale medium
Run time  25 trainings, 2 s a training of 5 epochs on one H200; small: 5 trainings, 2 min each on 2 cores
Paper     ESC-50: DenseNet-201 91.16 -> 92.89 %, ResNet-50 90.65 -> 92.64 %, Inception 87.34 -> 89.70 %.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, 5 folds, 5 epochs, n = 2000: single 80.8 ± 1.5 %, ensemble 84.8
          [83.1, 86.3] %, weight soup 79.1 %; two members differ on 18 % of the clips; likelihood 0.75 -> 0.66 nats,
          calibration error 11 -> 17 %. Short trainings gain more than the paper's long ones.

Members differ in the draws of head, batch order and augmentation. Beside the ensemble stands the weight soup, one
network of the mean weights, which costs no more than a single one to run.
"""

from typing import Any

from tlprobe.cli.analysis import Analysis, Outcome, run_analysis
from tlprobe.studies.members import ensembles, pooled, together
from tlprobe.studies.paper_tables import table_two


def analyse(asked: Analysis) -> Outcome:
    """Put single runs, their ensemble and their weight soup beside each other, for each network and fold."""
    found = ensembles(asked.runs("full"), data=asked.data, device=asked.device, progress=asked.progress)
    table, rows = table_two(asked.cells(), pooled(found))
    return Outcome(together(found), table, rows)


def describe(row: dict[str, Any]) -> str:
    """Return an ensemble in words."""
    single = f"single {100 * row['single_mean']:.1f} ± {100 * row['single_sd']:.1f} %"
    soup = "no soup" if row["soup_accuracy"] is None else f"soup {100 * row['soup_accuracy']:.1f} %"
    return f"{row['backbone']} fold {row['fold']}: {single}, ensemble {100 * row['accuracy']:.1f} %, {soup}"


if __name__ == "__main__":
    run_analysis(analyse, describe=describe, script=__file__, probe="ensemble", about=__doc__)
