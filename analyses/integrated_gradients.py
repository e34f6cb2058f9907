"""Integrated Gradients: which parts of a spectrogram does the answer rest on?

Claim     Palanisamy et al. 2020, Fig. 3: the attributions sit on the edges of the sound event, "the entire
          shape of the spectrogram".
Command   python analyses/integrated_gradients.py --data ESC50
Run time  10 min for the training on 2 cores, and 60 s
Paper     pictures only; neither baseline nor steps nor completeness are given.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, one seed, 10 epochs (86.2 %), from silence, 32 to 256
          steps: completeness gaps 0.1 to 0.6 %. Attributions lie on the sounding parts, speckled in both signs; no
          edges to be seen by eye. On digital silence they are 0 by construction.

Six held-out clips, the surest and the least sure of three classes drawn by a seed, not chosen by eye. A picture shows
where attributions are, not that they are right; the gap says how far they miss what they must add up to, and
faithfulness.py whether they are any good.
"""

from typing import Any

from tlprobe import attribute
from tlprobe.cli.analysis import Analysis, Outcome, run_analysis
from tlprobe.errors import ParameterError


def analyse(asked: Analysis) -> Outcome:
    """Attribute the predicted class of six held-out clips, the surest and the least sure of three classes."""
    runs = asked.runs("full")
    if len(runs) != 1:
        raise ParameterError(f"one figure shows one network; the study has {len(runs)} fully fine-tuned ones")
    found = attribute(
        runs[0], n_clips=6, rule="extremes", data=asked.data, device=asked.device, progress=asked.progress
    )
    return Outcome(found)


def describe(row: dict[str, Any]) -> str:
    """Return a clip's answer in words."""
    mark = "*" if row["gap_absolute"] else ""
    return f"{row['clip']}: {row['label']} -> {row['predicted']}, completeness gap {row['gap']:.4f}{mark}"


if __name__ == "__main__":
    run_analysis(analyse, describe=describe, script=__file__, probe="attribute", about=__doc__)
