"""The demo: the paper's main job on built-in clips, in minutes.

It fine-tunes a pretrained and a random network, compares each with its start, sweeps fusion, freezing
and cutoff over the blocks, attributes four answers, and draws Figures 2 and 3. The clips are made by
tlprobe itself, so its numbers show that everything works, not how real recordings behave.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlprobe.plots.figure import render, save_figure
from tlprobe.probes.attribute import attribute
from tlprobe.probes.svcca import svcca
from tlprobe.records import Record
from tlprobe.studies.sweeps import cutoff, freeze, fuse, levels
from tlprobe.train.material import FitOptions

__all__ = ["Demo", "demo"]


@dataclasses.dataclass(frozen=True)
class Demo:
    """What the demo leaves.

    Parameters
    ----------
    record : Record
        The accuracies of all sweeps, one row a point, with its ``probe``.
    records : dict of str to Record
        By probe: svcca, fuse, freeze, cutoff, attribute; each saved in its own folder.
    figures : list of Path
        Figures 2 and 3, each as PDF and PNG.
    summary : list of str
        What they say, in plain words.
    """

    record: Record
    records: dict[str, Record]
    figures: list[Path]
    summary: list[str]


def demo(
    *,
    out: Path | str,
    epochs: int = 4,
    options: FitOptions | None = None,
    device: str = "auto",
    progress: bool | None = None,
) -> Demo:
    """Do the whole job on built-in clips; a second call finds what is finished.

    Parameters
    ----------
    out : path
        Gets ``runs/``, a folder with the record of each probe, ``fig2`` and ``fig3``.
    epochs : int > 0
        Of each of the 15 trainings.
    options : FitOptions, optional
        Other data or another network; its ``epochs`` stay those above.
    device : {"auto", "cpu", "cuda"}
        Where to train.
    progress : bool or None
        None shows bars on a terminal and in a notebook only.

    Raises
    ------
    TlprobeError
        Whatever a step raises.
    """
    out = Path(out)
    options = options or FitOptions()
    options = dataclasses.replace(options, changes={**options.changes, "epochs": epochs})
    trials = out / "runs"
    found = levels(options=options, trials=trials, device=device, progress=progress)
    full = found.full
    records = {
        "fuse": fuse(full, trials=trials, device=device, progress=progress),
        "freeze": freeze(full, trials=trials, device=device, progress=progress),
        "cutoff": cutoff(full, trials=trials, device=device, progress=progress),
    }
    records["svcca"] = svcca([full, found.random], device=device, progress=progress)
    records["attribute"] = attribute(full, device=device, progress=progress)
    for name, record in records.items():
        record.save(out / name)
    figure2 = render([records[name] for name in ("svcca", "fuse", "freeze", "cutoff")])
    figures = save_figure(figure2, out / "fig2.pdf") + save_figure(render([records["attribute"]]), out / "fig3.pdf")
    summary = _summary(records)
    sweeps = [records[name] for name in ("fuse", "freeze", "cutoff")]
    record = Record(
        probe="demo",
        params={"epochs": epochs, "records": list(records), "summary": summary},
        rows=[{"probe": sweep.probe, **row} for sweep in sweeps for row in sweep.rows],
        provenance=full.record.provenance,
    )
    return Demo(record=record, records=records, figures=figures, summary=summary)


def _summary(records: Mapping[str, Record]) -> list[str]:
    accuracy = {
        (probe, row["block"] or row["treatment"]): 100 * row["accuracy"]
        for probe in ("fuse", "freeze", "cutoff")
        for row in records[probe].rows
    }
    levels = {row["treatment"]: row for row in records["fuse"].rows if row["treatment"] in ("full", "random")}
    n = levels["full"]["n"]
    first, last = records["svcca"].params["blocks"][0], records["svcca"].params["blocks"][-1]
    similarity = {(row["init"], row["block"]): row for row in records["svcca"].rows}
    lines = [
        f"built-in clips, {n} held out: accuracies below carry about +-{_half_width(levels['full']):.0f} points",
        f"pretrained {100 * levels['full']['accuracy']:.1f} %, random {100 * levels['random']['accuracy']:.1f} %",
    ]
    fused = [f"{block} {accuracy['fuse', block]:.1f}" for block in records["fuse"].params["blocks"]]
    frozen = [f"{block} {accuracy['freeze', block]:.1f}" for block in records["freeze"].params["blocks"]]
    cut = [f"{block} {accuracy['cutoff', block]:.1f}" for block in records["cutoff"].params["blocks"]]
    lines += [
        f"pretrained up to (%): {', '.join(fused)}",
        f"frozen up to (%): {', '.join(frozen)}",
        f"cut after (%): {', '.join(cut)}",
    ]
    for init in dict.fromkeys(row["init"] for row in records["svcca"].rows):
        start, end = similarity[init, first], similarity[init, last]
        lines.append(f"similarity before/after, {init}: {first} {_beside_null(start)}, {last} {_beside_null(end)}")
    return lines


def _half_width(row: Mapping[str, Any]) -> float:
    return 50 * (float(row["ci_high"]) - float(row["ci_low"]))


def _beside_null(row: Mapping[str, Any]) -> str:
    if row["value"] is None or row["null"] is None:
        return "not defined"
    return f"{row['value']:.2f} (different clips: {row['null']:.2f})"
