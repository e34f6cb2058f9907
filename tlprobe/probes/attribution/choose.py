"""Which clips are looked at: those given, or held-out ones by a rule that stands in the record.

``drawn``
    One a class, classes and clips in an order drawn by the seed.
``typical``, ``atypical``
    Of each class, the held-out clip to which the network gives its true class the highest, or the lowest, probability;
    classes in an order drawn by the seed.
``extremes``
    Both of each class, one after the other.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from tlprobe.audio.load import info
from tlprobe.audio.settings import ImageSettings
from tlprobe.data.cache import images_of
from tlprobe.errors import DataError, ParameterError
from tlprobe.numerics.seeds import derive_seed
from tlprobe.train.checkpoint import Checkpoint
from tlprobe.train.device import set_up_for_speed
from tlprobe.train.predict import predict

__all__ = ["RULES", "Chosen", "choose"]

RULES = ("drawn", "typical", "atypical", "extremes")


class Chosen(NamedTuple):
    """Clips and their images.

    Parameters
    ----------
    names : list of str
        Paths in the data set, or file names.
    labels : list of str or None
        None where it is not known.
    files : list of Path
        Where the recordings lie.
    parts : list of (float or None, float or None)
        Start and end in it, in seconds; None: the whole.
    groups : list of str
        Their sources; the file's name where it is not known.
    images : np.ndarray [shape=(n, 3, n_mels, width), float32]
    shown_s : list of float, in seconds
        Of each clip, that its image shows.
    why : str
        The rule in words, for records.
    """

    names: list[str]
    labels: list[str | None]
    files: list[Path]
    parts: list[tuple[float | None, float | None]]
    groups: list[str]
    images: npt.NDArray[np.float32]
    shown_s: list[float]
    why: str


def choose(
    checkpoint: Checkpoint,
    clips: Sequence[Path | str] = (),
    *,
    n_clips: int,
    rule: str = "drawn",
    seed: int = 0,
    device: torch.device,
) -> Chosen:
    """Return the clips asked for.

    Parameters
    ----------
    checkpoint : Checkpoint
    clips : sequence of path
        Paths in the data set, each for all its clips where it has several, or any files; the rest is then not used.
    n_clips : int > 0
        How many by the rule, at most.
    rule : str, one of `RULES`
    seed : int
    device : torch.device
        Where the network is asked.

    Raises
    ------
    DataError
        If a clip is not there or cannot be used.
    ParameterError
        If there is no such rule.
    """
    if rule not in RULES:
        raise ParameterError(f"choose={rule!r}; choose from {', '.join(RULES)}")
    dataset, images = checkpoint.material.dataset, checkpoint.material.images.array
    if clips:
        return _given(checkpoint, clips)
    order = np.random.default_rng(derive_seed(seed, "clips")).permutation(checkpoint.held_out)
    if rule == "drawn":
        by_class = {dataset.clips[i].label: int(i) for i in reversed(order)}  # the first of each class in `order`
        index = sorted(by_class.values(), key=list(order).index)[:n_clips]
        why = f"held-out clips of different classes, drawn by seed {seed}"
    else:
        index = _extremes(checkpoint, order, rule=rule, device=device)[:n_clips]
        what = {"typical": "highest", "atypical": "lowest", "extremes": "highest and the lowest"}[rule]
        why = (
            f"of each class the held-out clip whose true class gets the {what} probability; "
            f"classes in an order drawn by seed {seed}"
        )
    found = [dataset.clips[i] for i in index]
    files, parts = [dataset.root / clip.path for clip in found], [(clip.start_s, clip.end_s) for clip in found]
    return Chosen(
        names=[clip.path for clip in found],
        labels=[clip.label for clip in found],
        files=files,
        parts=parts,
        groups=[clip.group for clip in found],
        images=np.array(images[index]),
        shown_s=[_shown_s(*of, checkpoint.material.settings) for of in zip(files, parts, strict=True)],
        why=why,
    )


def _shown_s(file: Path, part: tuple[float | None, float | None], settings: ImageSettings) -> float:
    """Return how many seconds of a clip its image shows: a stretched one shows no more than there is."""
    if settings.short != "stretch":
        return settings.clip_s
    start, end = part[0] or 0.0, part[1]
    return min(settings.clip_s, (info(file).duration_s if end is None else end) - start)


def _extremes(checkpoint: Checkpoint, order: npt.NDArray[np.int64], *, rule: str, device: torch.device) -> list[int]:
    model = set_up_for_speed(checkpoint.after(), device=device)
    material = checkpoint.material
    logits = predict(model, material.images.array, order, standardise=checkpoint.standardise, device=device)
    probabilities = torch.softmax(logits.double(), dim=1).numpy()
    labels = material.dataset.labels[order]
    true = probabilities[np.arange(len(order)), labels]
    chosen: list[int] = []
    for label in dict.fromkeys(labels.tolist()):  # as classes come in the order that was drawn
        own = np.flatnonzero(labels == label)
        highest, lowest = own[true[own].argmax()], own[true[own].argmin()]
        picked = {"typical": [highest], "atypical": [lowest], "extremes": [highest, lowest]}[rule]
        chosen += [int(order[at]) for at in dict.fromkeys(picked)]
    return chosen


def _given(checkpoint: Checkpoint, clips: Sequence[Path | str]) -> Chosen:
    dataset, images = checkpoint.material.dataset, checkpoint.material.images.array
    positions: dict[Path, list[int]] = {}
    for i, clip in enumerate(dataset.clips):
        positions.setdefault((dataset.root / clip.path).resolve(), []).append(i)
    found: list[_One] = []
    for given in clips:
        candidates = [Path(given).resolve(), (dataset.root / given).resolve()]
        known = next((positions[path] for path in candidates if path in positions), None)
        if known is not None:
            for i in known:
                clip = dataset.clips[i]
                part = (clip.start_s, clip.end_s)
                found.append(
                    _One(clip.path, clip.label, dataset.root / clip.path, part, clip.group, np.array(images[i]))
                )
            continue
        if not Path(given).is_file():
            raise DataError(f"clip {given} is neither a file nor in the data set {dataset.name}")
        name, image = Path(given).name, images_of([Path(given)], checkpoint.material.settings)[0]
        found.append(_One(name, None, Path(given), (None, None), name, image))
    names, labels, files, parts, groups, shown = map(list, zip(*found, strict=True))
    shown_s = [_shown_s(file, part, checkpoint.material.settings) for file, part in zip(files, parts, strict=True)]
    return Chosen(names, labels, files, parts, groups, np.stack(shown), shown_s, "given")


class _One(NamedTuple):
    """A clip that was given."""

    name: str
    label: str | None
    file: Path
    part: tuple[float | None, float | None]
    group: str
    image: npt.NDArray[np.float32]
