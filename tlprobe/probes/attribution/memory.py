"""How many images fit into memory while gradients are taken through a network."""

import os

import torch
from torch import nn

from tlprobe.errors import ParameterError, ResourceError

__all__ = ["batch_within"]

_LARGEST = {"cpu": 32, "cuda": 256}  # beyond it nothing gets faster
_BESIDE = 2.0  # of what is saved for the way back: what a layer needs beside it while it computes


def batch_within(model: nn.Module, image: torch.Tensor, *, limit_gb: float | None = None) -> int:
    """Return how many images go through a network and back at a time.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode.
    image : torch.Tensor [shape=(1, 3, n_mels, width)]
        What it sees, on its device.
    limit_gb : float > 0, in GB
        That the images may take. Default: half of the memory that is free.

    Returns
    -------
    batch : int in [1, 32] on a CPU, in [1, 256] on a GPU

    Raises
    ------
    ParameterError
        If the limit is no size.
    ResourceError
        If one image takes more than the limit.
    """
    if limit_gb is not None and not 0 < limit_gb < float("inf"):
        raise ParameterError(f"memory_gb={limit_gb} must be more than 0")
    free = _free_bytes(image.device)
    limit = free / 2 if limit_gb is None else limit_gb * 1e9
    each = _BESIDE * _saved_bytes(model, image)
    if each > limit:
        raise ResourceError(
            f"one image takes about {each / 1e9:.2g} GB on its way through the network and back, "
            f"and {limit / 1e9:.2g} GB may be used; give a larger --memory"
        )
    return max(1, min(_LARGEST[image.device.type], int(limit / each)))


def _saved_bytes(model: nn.Module, image: torch.Tensor) -> int:
    """Return the bytes that a forward pass of one image keeps for the way back, weights aside."""
    weights = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}
    alive: list[torch.Tensor] = []  # else a storage that is freed lends its address to the next

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    x = image.detach().clone().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(x)
    return sum(kept.values()) + 2 * x.numel() * x.element_size()


def _free_bytes(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
