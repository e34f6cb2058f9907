"""The output of a network's frozen first blocks, computed once and trained on.

What is frozen from the input on gives the same output for the same image in every epoch, every seed and every
treatment that freezes it. So it is computed once for each image and kept in the cache, in float32, and a training
goes through the rest of the network alone. That is the same training: losses differ by rounding, because a
convolution may add in another order for another batch. It needs images that come again: no augmentation, or one
that is drawn beforehand (`tlprobe.data.stored_views`).

An entry is named by a hash of the blocks' weights, the images, their standardisation and their augmentation. The
standardisation is of the training clips of a fold, so folds share entries only without it (``normalize: none``).
"""

import dataclasses
import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.halves import FrontOf
from tlprobe.backbones.weights import tensor_digest
from tlprobe.bars import progress_bar
from tlprobe.data.arrays import stored_array
from tlprobe.data.augment import Augment, Augmentation
from tlprobe.data.loader import Standardiser
from tlprobe.data.stored_views import StoredViews
from tlprobe.files import cache_root
from tlprobe.train.device import set_up_for_speed
from tlprobe.train.recipe import Recipe
from tlprobe.train.setting import Split
from tlprobe.train.store import ImageStore

__all__ = ["frozen_prefix", "with_stored_prefix"]

_log = logging.getLogger(__name__)

_SCHEMA = 1  # raise it when the same facts would give other outputs
_BATCH = {"cpu": 64, "cuda": 256}
_ROOM = 2.0  # times what is stored must be free on the disk: the training's own states come on top
_AS_IT_IS = Standardiser((0.0,), (1.0,))


def frozen_prefix(model: BlockedCNN) -> tuple[str, ...]:
    """Return the blocks that are frozen from the input on, without a gap."""
    names = model.block_names
    n = next((i for i, name in enumerate(names) if name not in model.frozen), len(names))
    return names[:n]


def with_stored_prefix(
    model: BlockedCNN,
    split: Split,
    *,
    recipe: Recipe,
    image_keys: Sequence[str],
    device: torch.device,
    white_noise: torch.Tensor | None = None,
    cache: Path | None = None,
    progress: bool | None = None,
) -> Split:
    """Return a split whose views are the output of the network's frozen first blocks.

    Parameters
    ----------
    model : BlockedCNN
        At its start, frozen.
    split : Split
        Of images.
    recipe : Recipe
    image_keys : sequence of str
        Of each of its views, see `tlprobe.data.cache.Images`.
    device : torch.device
        Where the output is computed.
    white_noise : torch.Tensor, optional
        As in `tlprobe.data.augment.Augment`.
    cache : Path, optional
        Folder of the cache. Default: `tlprobe.files.cache_root`.
    progress : bool or None
        None shows a bar on a terminal and in a notebook only.

    Returns
    -------
    split : Split
        `split` itself where nothing is frozen from the input on, where the augmentation is drawn anew in each epoch,
        where the output is larger than the image (a stem's: reading it takes as long as computing it), or where the
        disk has no room.

    Raises
    ------
    ResourceError
        If the disk gets full meanwhile, or the cache cannot be used.
    """
    blocks = frozen_prefix(model)
    if not blocks or not (recipe.stored_views or recipe.augmentation == Augmentation()):
        return split
    model = set_up_for_speed(model, device=device)
    front = FrontOf(model, upto=blocks[-1]).eval()
    with torch.inference_mode():
        one = torch.zeros(1, *split.views[0].shape[1:], device=device)
        shape = (len(split.views[0]), *front(one).shape[1:])
    if np.prod(shape[1:]) > np.prod(split.views[0].shape[1:]):
        return split
    n_views = recipe.stored_views + 1 if split.stored is not None else len(split.views)
    n_bytes = 4 * int(np.prod(shape)) * n_views
    folder = (cache or cache_root()) / "prefixes"
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < _ROOM * n_bytes:
        _log.warning(
            "no room to store the output of %s, %.1f GB of %.1f GB free in %s; it is computed in every epoch",
            ", ".join(blocks),
            n_bytes / 1e9,
            free / 1e9,
            folder,
        )
        return split
    facts = {
        "schema": _SCHEMA,
        "backbone": model.backbone,
        "weights": tensor_digest({k: v for k, v in model.body_state().items() if model.block_of()[k] in blocks}),
        "standardise": dataclasses.asdict(split.standardise),
    }
    _log.info("trained on the stored output of %s: %d views, %.0f MB", ", ".join(blocks), n_views, n_bytes / 1e6)
    views = []
    for plan in _plans(split, recipe=recipe, image_keys=image_keys, n_views=n_views):
        key = hashlib.sha256(json.dumps(facts | plan.facts, sort_keys=True).encode()).hexdigest()[:32]
        fill = _Fill(front, split, plan, recipe=recipe, white_noise=white_noise, device=device, progress=progress)
        views.append(stored_array(folder / key, shape, what="outputs", fill=fill)[0])
    n = shape[0]
    stored = None
    if split.stored is not None:  # view k is what lies after the original and the views before it
        rows = np.arange(1, n_views)[:, None] * n + np.arange(n)
        stored = StoredViews(rows=rows, draws={})
    return dataclasses.replace(split, views=views, standardise=_AS_IT_IS, stored=stored, after=blocks[-1])


@dataclasses.dataclass(frozen=True)
class _View:
    """One view of all clips: rows of the image store, its augmentation, and what both depend on."""

    rows: np.ndarray
    draws: dict[str, np.ndarray]
    facts: dict[str, Any]


def _plans(split: Split, *, recipe: Recipe, image_keys: Sequence[str], n_views: int) -> list[_View]:
    """Return the original, which is also what is scored, and what is trained on beside it."""
    n = len(split.views[0])
    stored = split.stored
    if stored is None:
        return [_View(np.arange(n) + i * n, {}, {"images": image_keys[i]}) for i in range(n_views)]
    drawn = {"augmentation": recipe.augmentation.model_dump(), "n": recipe.stored_views, "images": list(image_keys)}
    return [
        _View(np.arange(n), {}, {"images": image_keys[0]}),
        *(
            _View(stored.rows[k], {name: values[k] for name, values in stored.draws.items()}, {**drawn, "view": k})
            for k in range(n_views - 1)
        ),
    ]


class _Fill:
    """Compute one view's outputs, batch by batch, into a file."""

    def __init__(
        self,
        front: FrontOf,
        split: Split,
        view: _View,
        *,
        recipe: Recipe,
        white_noise: torch.Tensor | None,
        device: torch.device,
        progress: bool | None,
    ) -> None:
        self._front, self._views, self._view, self._device = front, split.views, view, device
        self._progress = progress
        self._augment = Augment(
            recipe.augmentation, standardise=split.standardise, device=device, white_noise=white_noise
        )

    def __call__(self, file: Path, offset: int) -> dict[str, Any]:
        view, size = self._view, _BATCH[self._device.type]
        store = ImageStore(self._views, device=self._device, limit_bytes=0)
        n = len(view.rows)
        try:
            with file.open("r+b") as out, torch.inference_mode():
                out.seek(offset)
                for start in progress_bar(range(0, n, size), show=self._progress, desc="frozen blocks", unit="batch"):
                    some = slice(start, start + size)
                    images = store.take(torch.from_numpy(view.rows[some].astype(np.int64)))
                    draws = {k: torch.from_numpy(v[some]).to(self._device) for k, v in view.draws.items()}
                    x = self._augment(images, draws).contiguous(memory_format=torch.channels_last)
                    out.write(np.ascontiguousarray(self._front(x).float().cpu().numpy(), dtype="<f4").tobytes())
        finally:
            store.close()
        return {"n_clips": n, "view": view.facts}
