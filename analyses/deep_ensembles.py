"""Deep ensembles: what do five runs know together that one does not?

Claim     Palanisamy et al. 2020, Table II: an ensemble of five adds about 2 points.
Command   python analyses/deep_ensembles.py --data ESC50
Run time  5 trainings, 2 of them shared with pretrained_vs_random; 5 min for 3 on 2 cores
Paper     ESC-50: DenseNet-201 91.16 -> 92.89 %, ResNet-50 90.65 -> 92.64 %, Inception 87.34 -> 89.70 %.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, 3 epochs, n = 400: single 79.4 ± 1.6 %,
          ensemble 85.5 % [81.7, 88.6], weight soup 79.5 %; two members differ on 21 % of the clips; likelihood
          0.79 -> 0.70 nats, calibration error 15 -> 24 %. Short trainings gain more than the paper's long ones.

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
