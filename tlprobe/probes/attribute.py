"""Attribution: which parts of a spectrogram does the network's answer rest on?

Integrated Gradients of a class logit on the image, from silence (the floor of its representation, as the
network sees it: the number 0 would be loud) to the clip. The attributions of a clip must add up to F(x) - F(x'),
the logit of the clip minus that of silence; how far they miss it is the completeness gap.
Reference: Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365; Palanisamy et al. 2020,
https://arxiv.org/abs/2007.11154, Fig. 3. The computation is Captum's.
"""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captum.attr import IntegratedGradients
from tqdm.auto import tqdm

from tlprobe.audio.image import row_hz, silence_image
from tlprobe.data.cache import images_of
from tlprobe.errors import DataError, ParameterError
from tlprobe.numerics.seeds import derive_seed
from tlprobe.records import Record, provenance
from tlprobe.train.checkpoint import Checkpoint, FileOptions, open_checkpoint
from tlprobe.train.device import resolve_device, set_up_for_speed
from tlprobe.train.run import Run

__all__ = ["PREDICTED", "attribute"]

PREDICTED = "predicted"
"""The target that means "whatever class the network says"."""

_log = logging.getLogger(__name__)

_INTERNAL_BATCH = 32  # images at a time on the path from silence to the clip
_LARGE_GAP = 0.05  # beyond it a picture is not to be trusted
_SMALL_DIFFERENCE = 0.1  # of logits; below it a relative gap says nothing and the absolute one is kept


def attribute(
    ckpt: Path | str | Run,
    *,
    clips: Sequence[Path | str] = (),
    n_clips: int = 4,
    target: str = PREDICTED,
    n_steps: int = 200,
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
        Recordings: paths in the data set, or any files. None given: `n_clips` held-out clips of
        different classes, drawn by `seed`.
    n_clips : int > 0
        How many to draw.
    target : str
        ``"predicted"``, or a class name: whose logit is explained.
    n_steps : int > 0
        Points on the path (Gauss-Legendre quadrature).
    seed : int
        Of the draw.
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
        One row a clip: ``label`` (None if not known), ``target``, ``predicted``, its ``probability``,
        the completeness ``gap``: |sum - (F(x) - F(x'))| / |F(x) - F(x')|, or without the division
        where |F(x) - F(x')| < 0.1 (``gap_absolute`` is then true). Arrays ``spectrogram`` (the image,
        see `tlprobe.audio.image`) and ``attribution`` (logits), each ``(n_clips, 3, n_mels, width)``.

    Raises
    ------
    CheckpointError, DataError, ParameterError
        If the checkpoint, a clip or an argument cannot be used.
    """
    if n_steps < 1 or n_clips < 1:
        raise ParameterError(f"n_steps={n_steps}, n_clips={n_clips}; both must be at least 1")
    where = resolve_device(device)
    checkpoint = open_checkpoint(ckpt, data=data, options=options, progress=progress)
    if target != PREDICTED and target not in checkpoint.classes:
        raise ParameterError(f"target={target!r} is no class; choose from {PREDICTED}, {', '.join(checkpoint.classes)}")
    names, labels, images = _choose(checkpoint, clips, n_clips=n_clips, seed=seed)
    model = set_up_for_speed(checkpoint.after(), device=where).requires_grad_(False)
    settings = checkpoint.material.settings
    floor, hz = silence_image(settings), row_hz(settings)
    silence = checkpoint.standardise(torch.from_numpy(floor)[None]).to(where)
    method = IntegratedGradients(model)
    rows: list[dict[str, Any]] = []
    attributions = np.zeros_like(images)
    disable = None if progress is None else not progress
    for number in tqdm(range(len(names)), desc="integrated gradients", leave=False, disable=disable):
        x = checkpoint.standardise(torch.from_numpy(images[number : number + 1])).to(where)
        with torch.inference_mode():
            logits = model(x)[0]
            at_silence = model(silence)[0]
        predicted = int(logits.argmax())
        column = predicted if target == PREDICTED else checkpoint.classes.index(target)
        with warnings.catch_warnings():
            # Captum warns that the input has no gradient yet and sets it itself.
            warnings.filterwarnings("ignore", message="Input Tensor .* did not already require gradients")
            attribution = method.attribute(
                x, baselines=silence, target=column, n_steps=n_steps, internal_batch_size=_INTERNAL_BATCH
            )
        attributions[number] = attribution[0].detach().float().cpu().numpy()
        difference = float(logits[column] - at_silence[column])
        gap, is_absolute = completeness_gap(float(attributions[number].sum(dtype=np.float64)), difference)
        if not is_absolute and gap > _LARGE_GAP:
            _log.warning(
                "%s: the attributions miss their sum by %.0f %%; try another n_steps", names[number], 100 * gap
            )
        rows.append(
            {
                "clip": names[number],
                "label": labels[number],
                "target": checkpoint.classes[column],
                "predicted": checkpoint.classes[predicted],
                "probability": float(torch.softmax(logits.double(), 0)[predicted]),
                "gap": gap,
                "gap_absolute": is_absolute,
                "logit": float(logits[column]),
                "logit_silence": float(at_silence[column]),
                "n_steps": n_steps,
                "array_index": number,
            }
        )
    params = {
        "run": checkpoint.name,
        "backbone": checkpoint.backbone,
        "init": checkpoint.init,
        "fold": checkpoint.fold,
        "epochs": checkpoint.epochs,
        "method": "integrated_gradients",
        "baseline": "silence",
        "silence": float(floor[0, 0, 0]),  # in row 0; of log power, everywhere
        "target": target,
        "n_steps": n_steps,
        "clips": names,
        "chosen": "given" if clips else f"held-out clips of different classes, drawn by seed {seed}",
        "image": settings.model_dump(mode="json"),
        "row_hz": None if hz is None else hz.tolist(),
    }
    about = provenance(data=checkpoint.material.dataset.describe(), device=str(where))
    arrays = {"spectrogram": images, "attribution": attributions}
    return Record(probe="attribute", params=params, rows=rows, provenance=about, arrays=arrays)


def completeness_gap(total: float, difference: float) -> tuple[float, bool]:
    """Return how far attributions miss what they must add up to.

    Parameters
    ----------
    total : float
        Sum of the attributions, in logits.
    difference : float
        F(x) - F(x').

    Returns
    -------
    gap : float >= 0
        Relative to `difference`, or absolute where that is below 0.1.
    is_absolute : bool
        Which of the two.

    Examples
    --------
    >>> completeness_gap(7.5, 10.0)
    (0.25, False)
    >>> completeness_gap(0.25, 0.0)
    (0.25, True)
    """
    miss = abs(total - difference)
    if abs(difference) < _SMALL_DIFFERENCE:
        return miss, True
    return miss / abs(difference), False


def _choose(
    checkpoint: Checkpoint, clips: Sequence[Path | str], *, n_clips: int, seed: int
) -> tuple[list[str], list[str | None], np.ndarray]:
    """Return names, labels and images (n, 3, n_mels, width) of the clips asked for."""
    dataset, images = checkpoint.material.dataset, checkpoint.material.images.array
    if not clips:
        order = np.random.default_rng(derive_seed(seed, "clips")).permutation(checkpoint.held_out)
        by_class = {dataset.clips[i].label: int(i) for i in reversed(order)}  # the first of each class in `order`
        chosen = sorted(by_class.values(), key=list(order).index)[:n_clips]
        found = [dataset.clips[i] for i in chosen]
        return [clip.path for clip in found], [clip.label for clip in found], np.array(images[chosen])
    position = {(dataset.root / clip.path).resolve(): i for i, clip in enumerate(dataset.clips)}
    names: list[str] = []
    labels: list[str | None] = []
    parts: list[np.ndarray] = []
    for given in clips:
        candidates = [Path(given).resolve(), (dataset.root / given).resolve()]
        known = next((position[path] for path in candidates if path in position), None)
        if known is not None:
            names.append(dataset.clips[known].path)
            labels.append(dataset.clips[known].label)
            parts.append(np.array(images[known]))
            continue
        if not Path(given).is_file():
            raise DataError(f"clip {given} is neither a file nor in the data set {dataset.name}")
        names.append(Path(given).name)
        labels.append(None)
        parts.append(images_of([Path(given)], checkpoint.material.settings)[0])
    return names, labels, np.stack(parts)
