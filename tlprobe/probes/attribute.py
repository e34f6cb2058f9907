"""Attribution: which parts of a spectrogram does the network's answer rest on?

By default Integrated Gradients of a class logit on the image, from silence (the floor of its representation, as the
network sees it: the number 0 would be loud) to the clip, with as many steps as they need to add up to F(x) - F(x');
other baselines and methods for comparison. Reference: Palanisamy et al. 2020, https://arxiv.org/abs/2007.11154, Fig. 3.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from tlprobe.audio.image import row_hz, silence_image
from tlprobe.errors import ParameterError
from tlprobe.probes.attribution.baselines import baselines_of, names_of
from tlprobe.probes.attribution.choose import choose
from tlprobe.probes.attribution.closed_loop import hear
from tlprobe.probes.attribution.memory import batch_within
from tlprobe.probes.attribution.path import Explained, integrated_gradients, logits_of
from tlprobe.probes.attribution.shortcuts import shortcuts
from tlprobe.records import Record, provenance
from tlprobe.train.checkpoint import FileOptions, open_checkpoint
from tlprobe.train.device import resolve_device, set_up_for_speed
from tlprobe.train.run import Run

__all__ = ["PREDICTED", "TRUE", "attribute"]

PREDICTED = "predicted"
"""The target that means "whatever class the network says"."""
TRUE = "true"
"""The target that means "the clip's own class"."""

_log = logging.getLogger(__name__)


def attribute(
    ckpt: Path | str | Run,
    *,
    clips: Sequence[Path | str] = (),
    n_clips: int = 4,
    rule: str = "drawn",
    target: str = PREDICTED,
    baseline: str = "silence",
    tolerance: float = 0.01,
    n_steps: int | None = None,
    memory_gb: float | None = None,
    above_hz: float | None = None,
    sounds: Path | str | None = None,
    seed: int = 0,
    data: Path | str | None = None,
    options: FileOptions | None = None,
    device: str = "auto",
    progress: bool | None = None,
) -> Record:
    """Attribute a network's answers to parts of its input images.

    Parameters
    ----------
    ckpt : path or Run
        A run directory, or a weight file with `options`.
    clips : sequence of path
        Recordings: paths in the data set, or any files. None given: `n_clips` held-out clips by `rule`.
    n_clips : int > 0
        How many.
    rule : str
        See `tlprobe.probes.attribution.choose`.
    target : str
        ``"predicted"``, ``"true"``, or a class name: whose logit is explained.
    baseline : str
        See `tlprobe.probes.attribution.baselines`; ``"all"`` for a row each.
    tolerance : float > 0
        Completeness gap to be reached.
    n_steps : int > 0, optional
        Points on the path (Gauss-Legendre quadrature). Default: as many as the tolerance needs, 1000 at most.
    memory_gb : float > 0, optional
        What images may take in memory on their way through the network and back. Default: half of what is free.
    above_hz : float > 0, in Hz, optional
        Whose share of the attribution is told. Default: half of what the images show, sr / 4.
    sounds : path, optional
        A folder that gets what each map keeps and removes of its clip, as two WAV files; both are classified again, see
        `tlprobe.probes.attribution.closed_loop`.
    seed : int
        Of all draws.
    data : path, optional
        The data set, where it has moved.
    options : FileOptions, optional
        What a bare weight file does not say.
    device : {"auto", "cpu", "cuda"}
        Where.
    progress : bool or None
        None shows a bar on a terminal only.

    Returns
    -------
    record : Record
        One row a clip and baseline: ``label`` (None if not known), ``target`` and its ``target_probability``,
        ``predicted`` and its ``probability``, ``baseline``, ``n_steps``, the completeness ``gap``:
        |sum - (F(x) - F(x'))| / |F(x) - F(x')|, or without the division where |F(x) - F(x')| < 0.1 (``gap_absolute`` is
        then true), and ``reached``, whether it is within the tolerance. ``on_padding``, ``on_above``, ``on_ends``: the
        shares of the absolute map where no event should be, with ``_area``, what a map that prefers nothing would have
        there (`tlprobe.probes.attribution.shortcuts`). With `sounds`, ``kept_probability``, ``removed_probability`` and
        what is predicted for both. Arrays ``spectrogram`` (the image, see `tlprobe.audio.image`) and ``attribution``
        (logits), each ``(n_rows, 3, n_mels, width)``; the channels of ``log-mel3`` are its windows of 25, 50, 100 ms.

    Raises
    ------
    CheckpointError, DataError, ParameterError, ResourceError
        If the checkpoint, a clip or an argument cannot be used, or one image does not fit into the memory.
    """
    if n_clips < 1:
        raise ParameterError(f"n_clips={n_clips} must be at least 1")
    if above_hz is not None and not 0 < above_hz < float("inf"):
        raise ParameterError(f"above_hz={above_hz} is no frequency")
    baselines = names_of(baseline)
    where = resolve_device(device)
    checkpoint = open_checkpoint(ckpt, data=data, options=options, progress=progress)
    if target not in (PREDICTED, TRUE, *checkpoint.classes):
        choices = ", ".join((PREDICTED, TRUE, *checkpoint.classes))
        raise ParameterError(f"target={target!r} is no class; choose from {choices}")
    chosen = choose(checkpoint, clips, n_clips=n_clips, rule=rule, seed=seed, device=where)
    if target == TRUE and None in chosen.labels:
        name = chosen.names[chosen.labels.index(None)]
        raise ParameterError(f"target=true needs the class of each clip; that of {name} is not known")
    model = set_up_for_speed(checkpoint.after(), device=where).requires_grad_(False)
    settings = checkpoint.material.settings
    x = checkpoint.standardise(torch.from_numpy(chosen.images)).to(where)
    batch = batch_within(model, x[:1], limit_gb=memory_gb)
    probabilities = torch.softmax(logits_of(model, x, batch=batch).double(), dim=1).cpu().numpy()
    predicted = probabilities.argmax(axis=1)
    columns = [
        int(said) if target == PREDICTED else checkpoint.classes.index(str(label) if target == TRUE else target)
        for said, label in zip(predicted, chosen.labels, strict=True)
    ]
    cut_hz = settings.sr / 4 if above_hz is None else above_hz
    rows: list[dict[str, Any]] = []
    attributions: list[np.ndarray] = []
    disable = None if progress is None else not progress
    with tqdm(total=len(x) * len(baselines), desc="integrated gradients", leave=False, disable=disable) as bar:
        for name in baselines:
            start = baselines_of(name, chosen.images, checkpoint=checkpoint, seed=seed).to(where)
            found = integrated_gradients(
                model,
                x,
                baselines=start,
                columns=columns,
                tolerance=tolerance,
                n_steps=n_steps,
                batch=batch,
                on_clip=bar.update,
            )
            attributions.append(found.attributions)
            for number in range(len(x)):
                attribution, image = found.attributions[number], chosen.images[number]
                shares = shortcuts(attribution, image, settings, above_hz=cut_hz)
                row = {
                    "clip": chosen.names[number],
                    "label": chosen.labels[number],
                    "target": checkpoint.classes[columns[number]],
                    "predicted": checkpoint.classes[int(predicted[number])],
                    "probability": float(probabilities[number, predicted[number]]),
                    "target_probability": float(probabilities[number, columns[number]]),
                    "baseline": name,
                    **_result(found, number, tolerance=tolerance),
                    **{f"on_{place}": share for place, share in shares.items()},
                    "array_index": len(rows),
                }
                if sounds is not None:
                    row |= hear(
                        checkpoint,
                        model,
                        chosen.files[number],
                        chosen.parts[number],
                        attribution,
                        column=columns[number],
                        folder=Path(sounds),
                        name=f"{chosen.names[number]}_{name}" if len(baselines) > 1 else chosen.names[number],
                        device=where,
                    )
                rows.append(row)
                if not row["reached"]:
                    _tell(row)
    hz = row_hz(settings)
    params = {
        "run": checkpoint.name,
        "backbone": checkpoint.backbone,
        "init": checkpoint.init,
        "fold": checkpoint.fold,
        "epochs": checkpoint.epochs,
        "method": "integrated_gradients",
        "baseline": baseline,
        "silence": float(silence_image(settings)[0, 0, 0]),  # in row 0; of log power, everywhere
        "target": target,
        "tolerance": tolerance,
        "n_steps": n_steps,
        "batch": batch,
        "above_hz": cut_hz,
        "seed": seed,
        "clips": chosen.names,
        "chosen": chosen.why,
        "image": settings.model_dump(mode="json"),
        "row_hz": None if hz is None else hz.tolist(),
    }
    about = provenance(data=checkpoint.material.dataset.describe(), device=str(where))
    arrays = {
        "spectrogram": np.concatenate([chosen.images] * len(baselines)),
        "attribution": np.concatenate(attributions),
    }
    return Record(probe="attribute", params=params, rows=rows, provenance=about, arrays=arrays)


def _result(found: Explained, number: int, *, tolerance: float) -> dict[str, Any]:
    return {
        "gap": float(found.gap[number]),
        "gap_absolute": bool(found.gap_absolute[number]),
        "reached": bool(found.gap[number] <= tolerance),
        "n_steps": int(found.n_steps[number]),
        "logit": float(found.logit[number]),
        "logit_baseline": float(found.logit_baseline[number]),
    }


def _tell(row: dict[str, Any]) -> None:
    missed = f"{row['gap']:.2g} logits" if row["gap_absolute"] else f"{100 * row['gap']:.2g} %"
    _log.warning(
        "%s: from %s the attributions miss their sum by %s, after %d steps",
        row["clip"],
        row["baseline"],
        missed,
        row["n_steps"],
    )
