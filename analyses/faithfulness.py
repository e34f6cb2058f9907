"""Faithfulness: are the attributions of Fig. 3 any good, and do they follow edges?

Claim     Palanisamy et al. 2020, Fig. 3: Integrated Gradients show that the network looks at the edges of the sound
          event. Is that more than "look where it is loud"?
Command   python analyses/faithfulness.py --data ESC50
Run time  10 min for the training on 2 cores, and 25
Paper     pictures only.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, one seed, 10 epochs (86.2 %), 50 clips, 32 to 128 steps.
          Area under the insertion curve: Integrated Gradients 0.11 [0.08, 0.15], their absolute values 0.42, energy
          0.47, edges 0.36, chance 0.13; under the deletion curve (small is good) 0.09 [0.07, 0.13], 0.12, 0.14, 0.15,
          0.12. Rank correlation of the absolute map, where there is sound, with edges -0.08 [-0.10, -0.05], with energy
          0.22 [0.17, 0.27]. It does not follow edges, and what it ranks highest is not enough for the answer; taking it
          away destroys the answer fastest. Beyond the number of patches gone, no ranking explains more than 3 % of what
          random removals cost.

Rankings of patches (8 rows x 10 columns) by Integrated Gradients from silence, by their absolute values, by energy, by
edges of the spectrogram and by chance; the clip of each class that the network is surest of, so these are its best
cases.
"""

from typing import Any

from tlprobe import faithfulness
from tlprobe.cli.analysis import Analysis, Outcome, run_analysis
from tlprobe.errors import ParameterError


def analyse(asked: Analysis) -> Outcome:
    """Measure the attributions of the predicted class of a clip a class."""
    runs = asked.runs("full")
    if len(runs) != 1:
        raise ParameterError(f"one figure shows one network; the study has {len(runs)} fully fine-tuned ones")
    found = faithfulness(runs[0], data=asked.data, device=asked.device, progress=asked.progress)
    return Outcome(found)


def describe(row: dict[str, Any]) -> str:
    """Return a measure in words."""
    return f"{row['measure']}, {row['ranking']}: {row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


if __name__ == "__main__":
    run_analysis(analyse, describe=describe, script=__file__, probe="faithfulness", about=__doc__)
