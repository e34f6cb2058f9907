"""Memory: keep what is freed on a CPU, and say what helps when it does not suffice.

A training step allocates and frees the same gigabytes each time. By default glibc serves blocks above a
threshold by ``mmap`` and returns them to the system at once, so each step pays hundreds of thousands of page
faults: a third of the time of a step of ``efficientnet_lite0`` on two cores (2.1 against 1.4 s, one run).
"""

import contextlib
import ctypes
import logging
import sys
from collections.abc import Iterator

import torch

from tlprobe.errors import ResourceError

__all__ = ["explain_out_of_memory", "keep_freed_memory"]

_log = logging.getLogger(__name__)

# malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_NEVER_TRIM = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed blocks for the next step instead of returning them to the system.

    The process then holds its peak until it ends, and no more than that.

    Returns
    -------
    done : bool
        False where the C library is not glibc; nothing is changed there.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl
        return False
    done = bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM))
    if not done:
        _log.debug("mallopt refused; training goes on with the allocator's defaults")
    return done


@contextlib.contextmanager
def explain_out_of_memory(*, batch_size: int, precision: torch.dtype) -> Iterator[None]:
    """Turn a failed allocation, on a CPU or a GPU, into one line that says what to change.

    Raises
    ------
    ResourceError
        If an allocation fails in the ``with`` block.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # CUDA's is a RuntimeError of its own kind, the CPU's is a plain one
        text = " ".join(str(error).split())
        on_gpu = isinstance(error, torch.OutOfMemoryError)
        failed = ("can't allocate memory", "not enough memory")
        if not on_gpu and not isinstance(error, MemoryError) and not any(words in text for words in failed):
            raise
        smaller = f"--batch-size {max(2, batch_size // 2)} instead of {batch_size}"
        cheaper = ", or --precision bfloat16" if on_gpu and precision is torch.float32 else ""
        raise ResourceError(
            f"out of memory in a training step of {batch_size} clips: try {smaller}{cheaper} ({text[:120]})"
        ) from error
