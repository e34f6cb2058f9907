"""Images where the training step wants them.

On a CPU they stay in the cache file, mapped: the system keeps what is used in memory. On a GPU they are
copied to its memory once, if half of what is free there holds them; else each batch is gathered into
page-locked memory by a thread, one batch ahead, and copied while the step before it computes.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from tlprobe.errors import ResourceError

__all__ = ["ImageStore"]

_log = logging.getLogger(__name__)

_SHARE = 0.5  # of the free GPU memory; the rest is for the network
_CHUNK = 256  # clips a copy to the GPU


class ImageStore:
    """Images of a data set in one or several views (original, stored variants), by row.

    Parameters
    ----------
    views : sequence of np.ndarray [shape=(n_clips, 3, n_mels, width), float32]
        Row ``view * n_clips + clip`` is that clip's image in that view.
    device : torch.device
        Where batches are wanted.
    limit_bytes : int, optional
        GPU memory that the images may take. Default: half of what is free.

    Attributes
    ----------
    on_device : bool
        Whether all images are in the device's own memory.
    """

    def __init__(self, views: Sequence[np.ndarray], *, device: torch.device, limit_bytes: int | None = None) -> None:
        self._views = tuple(views)
        self._device = device
        self._ahead: tuple[torch.Tensor, Future[torch.Tensor]] | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="images")
        self._on_device: torch.Tensor | None = None
        n_bytes = sum(view.nbytes for view in self._views)
        if device.type == "cpu":
            return
        if limit_bytes is None:
            limit_bytes = int(_SHARE * torch.cuda.mem_get_info(device)[0])
        if n_bytes <= limit_bytes:
            self._on_device = _copied(self._views, device)
        _log.debug("images: %.0f MB, %s", n_bytes / 1e6, "on the GPU" if self.on_device else "one batch ahead")

    @property
    def on_device(self) -> bool:
        """Whether all images are in the device's own memory."""
        return self._on_device is not None

    def place(self, rows: torch.Tensor) -> torch.Tensor:
        """Return rows where `take` wants them: beside the images. Once an epoch, for no step waits for it then."""
        return rows.to(self._device) if self._on_device is not None else rows

    def take(self, rows: torch.Tensor, *, following: torch.Tensor | None = None) -> torch.Tensor:
        """Return the images of some rows.

        Parameters
        ----------
        rows : torch.Tensor [shape=(batch,), int64]
            As `place` returns them.
        following : torch.Tensor, optional
            What will be asked for next: gathered meanwhile, where that is done on the host for a GPU.

        Returns
        -------
        images : torch.Tensor [shape=(batch, 3, n_mels, width), float32, on the device]
            In memory of their own.
        """
        if self._on_device is not None:
            return torch.index_select(self._on_device, 0, rows)
        if self._device.type == "cpu":
            return self._gather(rows.numpy())
        ahead, self._ahead = self._ahead, None
        images = ahead[1].result() if ahead is not None and ahead[0] is rows else self._pinned(rows)
        if following is not None:
            self._ahead = (following, self._pool.submit(self._pinned, following))
        return images.to(self._device, non_blocking=True)

    def close(self) -> None:
        """End the thread that gathers ahead."""
        self._pool.shutdown(cancel_futures=True)

    def _gather(self, rows: np.ndarray) -> torch.Tensor:
        n = len(self._views[0])
        if len(self._views) == 1:
            return torch.from_numpy(np.ascontiguousarray(self._views[0][rows]))
        return torch.from_numpy(np.stack([self._views[row // n][row % n] for row in rows]))

    def _pinned(self, rows: torch.Tensor) -> torch.Tensor:
        return self._gather(rows.numpy()).pin_memory()


def _copied(views: Sequence[np.ndarray], device: torch.device) -> torch.Tensor:
    shape = (sum(map(len, views)), *views[0].shape[1:])
    try:
        images = torch.empty(shape, dtype=torch.float32, device=device)
    except torch.OutOfMemoryError as error:  # another process took what was free a moment ago
        raise ResourceError(f"the GPU has no room for {4 * np.prod(shape) / 1e6:.0f} MB of images: {error}") from error
    at = 0
    for view in views:
        for start in range(0, len(view), _CHUNK):
            chunk = torch.from_numpy(np.array(view[start : start + _CHUNK]))  # a copy: the map is read-only
            images[at : at + len(chunk)] = chunk.to(device)
            at += len(chunk)
    return images
