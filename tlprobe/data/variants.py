"""Stored variants of each clip, by pitch and tempo: rendered once, trained on for free.

A phase vocoder takes half a second a clip, a training step a few milliseconds: so K variants of every clip are
rendered beforehand and kept in the cache, and each epoch a clip takes its original or one of them. What was
drawn for a clip depends on the seed, the variant's number and the recording alone.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from tlprobe.audio.settings import ImageSettings
from tlprobe.audio.vary import Variation
from tlprobe.data.cache import Images, load_rendered, parts_of
from tlprobe.data.dataset import Dataset
from tlprobe.data.render import Item
from tlprobe.numerics.seeds import derive_seed

__all__ = ["draw_variation", "load_variants"]


def draw_variation(file_hash: str, *, number: int, pitch_semitones: float, stretch: float, seed: int) -> Variation:
    """Return what variant `number` of a recording is.

    Parameters
    ----------
    file_hash : str
        Of the recording's bytes.
    number : int >= 1
        Which variant.
    pitch_semitones : float >= 0
        The shift is uniform within +-this.
    stretch : float >= 0
        The tempo is between ``1 / (1 + stretch)`` and ``1 + stretch``, uniform in its logarithm.
    seed : int
        Of all draws.
    """
    rng = np.random.default_rng(derive_seed(seed, "variant", number, file_hash))
    semitones, log_rate = rng.uniform(-1, 1, size=2) * (pitch_semitones, math.log1p(stretch))
    return Variation(semitones=float(semitones), rate=math.exp(log_rate))


def load_variants(
    dataset: Dataset,
    settings: ImageSettings,
    *,
    n: int,
    pitch_semitones: float,
    stretch: float,
    seed: int,
    jobs: int | None = None,
    cache: Path | None = None,
    progress: bool | None = None,
) -> tuple[Images, ...]:
    """Return `n` variants of all clips, from the cache where they are there already.

    Parameters
    ----------
    dataset : Dataset
    settings : ImageSettings
        Of the original images.
    n : int >= 0
        How many; a cache entry each, so that more of them later keep the first ones.
    pitch_semitones, stretch, seed
        See `draw_variation`.
    jobs, cache, progress
        As in `tlprobe.data.cache.load_images`, and so are the errors.
    """
    variants = []
    for number in range(1, n + 1):
        items = [
            Item(
                row,
                dataset.root / clip.path,
                draw_variation(
                    file_hash if clip.start_s is None else f"{file_hash} from {clip.start_s} s",
                    number=number,
                    pitch_semitones=pitch_semitones,
                    stretch=stretch,
                    seed=seed,
                ),
                clip.start_s,
                clip.end_s,
            )
            for row, (clip, file_hash) in enumerate(zip(dataset.clips, dataset.file_hashes, strict=True))
        ]
        drawn = {"number": number, "pitch_semitones": pitch_semitones, "stretch": stretch, "seed": seed}
        facts: dict[str, Any] = {"settings": settings.model_dump(), "files": dataset.file_hashes, "variant": drawn}
        if parts := parts_of(dataset):
            facts["parts"] = parts
        variants.append(load_rendered(items, settings, facts=facts, jobs=jobs, cache=cache, progress=progress))
    return tuple(variants)
