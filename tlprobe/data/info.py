"""What is in a data set? Counts, lengths, rates, balance, what is out of the ordinary, and a look at each class.

Conventions: durations are in seconds; shares are in [0, 1].
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlprobe.audio.settings import ImageSettings
from tlprobe.data.cache import images_of
from tlprobe.data.dataset import Clip, Dataset, n_spread_groups
from tlprobe.data.leaks import Leak
from tlprobe.data.verify import Verdict
from tlprobe.numerics.seeds import derive_seed
from tlprobe.records import Record, provenance

__all__ = ["PICTURE_SHAPE", "data_info"]

PICTURE_SHAPE = (64, 100)
"""Rows and columns that a class's spectrogram is averaged to, at most: it is looked at, not computed with."""


def data_info(
    dataset: Dataset,
    verdicts: Sequence[Verdict],
    settings: ImageSettings,
    *,
    leaks: Sequence[Leak] | None = None,
    copies: Sequence[Leak] | None = None,
    seed: int = 0,
) -> Record:
    """Describe a data set, with a spectrogram a class.

    Parameters
    ----------
    dataset : Dataset
    verdicts : sequence of Verdict
        Of its files, see `tlprobe.data.verify.verify`.
    settings : ImageSettings
        How clips become images.
    leaks : sequence of Leak, optional
        Sounds in several folds, see `tlprobe.data.known_leaks`; None: not looked for.
    copies : sequence of Leak, optional
        Clips that are one sound, in whatever folds; None: not looked for.
    seed : int
        Draws the clip that stands for a class, among those that can be used and are not silent.

    Returns
    -------
    record : Record
        One row a class: ``label``, ``n`` clips, ``share`` of all, ``n_groups``, ``duration_s`` (all together),
        ``shortest_s``, ``median_s``, ``longest_s``, ``n_unusable``, ``n_silent``, ``n_noted``, ``clip`` (the one that
        is drawn) and ``array_index`` of its picture, None without one. ``params`` count folds, rates, channels,
        formats and notes over the whole set, and list what is noted and the clips of each leak and of each set of
        copies, None where they were not looked for. The array ``spectrogram`` is ``(n_classes, n_rows, n_columns)``,
        the image's first channel.
    """
    found = {verdict.path: verdict for verdict in verdicts}
    by_label: dict[str, list[Clip]] = {label: [] for label in dataset.classes}
    for clip in dataset.clips:
        by_label[clip.label].append(clip)
    rows: list[dict[str, Any]] = []
    drawn: list[Path] = []
    for label, clips in by_label.items():
        row, chosen = _class_row(dataset, label, clips, found, seed=seed)
        if chosen is not None:
            row["array_index"] = len(drawn)
            drawn.append(dataset.root / chosen.path)
        rows.append(row)
    arrays: dict[str, np.ndarray] = {}
    if drawn:
        arrays["spectrogram"] = np.stack([_reduced(image[0]) for image in images_of(drawn, settings)])
    usable = [verdict for verdict in verdicts if verdict.condition is not None]
    params: dict[str, Any] = {
        "name": dataset.name,
        "note": dataset.note,
        "split": dataset.split_name,
        "prescribed": dataset.prescribed,
        "folds": _counted(clip.fold for clip in dataset.clips),
        "n": len(dataset.clips),
        "n_classes": len(dataset.classes),
        "n_groups": len({clip.group for clip in dataset.clips}),
        "n_groups_in_several_folds": n_spread_groups(dataset.clips),
        "n_files": len(verdicts),
        "n_unusable": len(verdicts) - len(usable),
        "rates_hz": _counted(v.condition.header.sr for v in usable if v.condition),
        "channels": _counted(v.condition.header.n_channels for v in usable if v.condition),
        "formats": _counted(f"{v.condition.format} {v.condition.subtype}" for v in usable if v.condition),
        "duration_s": float(sum(v.condition.header.duration_s for v in usable if v.condition)),
        "noted": _noted(dataset, verdicts),
        "leaks": None if leaks is None else [_named(dataset, leak) | {"folds": list(leak.folds)} for leak in leaks],
        "copies": None if copies is None else [_named(dataset, found) for found in copies],
        "unusable": [verdict.error for verdict in verdicts if verdict.error is not None],
        "image": settings.model_dump(mode="json"),
        "seed": seed,
    }
    return Record("data_info", params, rows, provenance(data=dataset.describe()), arrays)


def _class_row(
    dataset: Dataset, label: str, clips: Sequence[Clip], found: Mapping[Path, Verdict], *, seed: int
) -> tuple[dict[str, Any], Clip | None]:
    """Return a class's row, and the clip that stands for it."""
    verdicts = [found[dataset.root / clip.path] for clip in clips]
    sound = [
        clip
        for clip, verdict in zip(clips, verdicts, strict=True)
        if verdict.condition is not None and not verdict.condition.silent
    ]
    rng = np.random.default_rng(derive_seed(seed, "data info", label))
    chosen = sound[int(rng.integers(len(sound)))] if sound else None
    lengths = [
        _length_s(clip, verdict.condition.header.duration_s)
        for clip, verdict in zip(clips, verdicts, strict=True)
        if verdict.condition is not None
    ]
    conditions = [verdict.condition for verdict in verdicts if verdict.condition is not None]
    row = {
        "label": label,
        "n": len(clips),
        "share": len(clips) / len(dataset.clips),
        "n_groups": len({clip.group for clip in clips}),
        "duration_s": float(sum(lengths)),
        "shortest_s": min(lengths, default=None),
        "median_s": float(np.median(lengths)) if lengths else None,
        "longest_s": max(lengths, default=None),
        "n_unusable": len(clips) - len(conditions),
        "n_silent": sum(condition.silent for condition in conditions),
        "n_noted": sum(bool(condition.notes()) for condition in conditions),
        "clip": None if chosen is None else chosen.path,
        "array_index": None,
    }
    return row, chosen


def _length_s(clip: Clip, duration_s: float) -> float:
    end = duration_s if clip.end_s is None else min(clip.end_s, duration_s)
    return max(0.0, end - (clip.start_s or 0.0))


def _noted(dataset: Dataset, verdicts: Sequence[Verdict]) -> dict[str, list[str]]:
    """Return the files that each note is true of, by their path in the data set."""
    listed: dict[str, list[str]] = {}
    for verdict in verdicts:
        for note in verdict.condition.notes() if verdict.condition is not None else ():
            listed.setdefault(note, []).append(verdict.path.relative_to(dataset.root).as_posix())
    return listed


def _named(dataset: Dataset, leak: Leak) -> dict[str, Any]:
    return {"kind": leak.kind, "clips": [dataset.clips[i].path for i in leak.clips]}


def _counted(values: Any) -> dict[str, int]:
    """Count values; as text, for JSON has no other keys."""
    return {str(value): n for value, n in sorted(Counter(values).items())}


def _reduced(image: np.ndarray) -> np.ndarray:
    """Average an image over blocks, so that it has `PICTURE_SHAPE` at most; rests at the end are left out."""
    for axis, limit in enumerate(PICTURE_SHAPE):
        size = -(-image.shape[axis] // limit)
        n = image.shape[axis] // size
        image = np.moveaxis(image, axis, 0)[: n * size]
        image = np.moveaxis(image.reshape(n, size, *image.shape[1:]).mean(axis=1), 0, axis)
    return image
