"""Several processes that train one network, as ``torchrun`` starts them.

Each step's batch is dealt to the processes, gradients are averaged over the whole batch, and all end with
the same weights: as one process would, up to rounding, but for batch-norm, whose training statistics are of
each process's own part. Process 0 alone writes, and its batch-norm statistics are the ones that are kept.
"""

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Iterator
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist

from tlprobe.errors import ParameterError

__all__ = ["ALONE", "Processes", "joined"]

_TIMEOUT = timedelta(minutes=30)  # process 0 may compute a data set's images while the others wait for it


@dataclasses.dataclass(frozen=True)
class Processes:
    """One process among those that train together.

    Parameters
    ----------
    rank : int in [0, n)
        Which one; 0 writes.
    n : int >= 1
        How many.
    local_rank : int >= 0
        Which one of those on its machine: its GPU.
    """

    rank: int = 0
    n: int = 1
    local_rank: int = 0

    def part(self, n_positions: int) -> np.ndarray:
        """Return this process's positions of a batch, rising.

        Position p and its mirror image n - 1 - p go to the same process, so that a mixup partner is at hand.

        Raises
        ------
        ParameterError
            If the batch is too small for all to get some.

        Examples
        --------
        >>> [Processes(rank, 2).part(5).tolist() for rank in (0, 1)]
        [[0, 2, 4], [1, 3]]
        """
        positions = np.arange(n_positions)
        mine: np.ndarray = positions[np.minimum(positions, n_positions - 1 - positions) % self.n == self.rank]
        if self.n > 1 and len(mine) < 2:
            raise ParameterError(f"a batch of {n_positions} clips is too small for {self.n} processes: 2 each at least")
        return mine

    def sum_(self, tensor: torch.Tensor) -> torch.Tensor:
        """Add up a tensor over all processes, in place."""
        if self.n > 1:
            dist.all_reduce(tensor)
        return tensor

    def any(self, flag: int | None) -> int | None:
        """Return the highest flag that any process has, or None if none has one."""
        if self.n == 1:
            return flag
        flags = torch.tensor([_NO_FLAG if flag is None else flag])
        dist.all_reduce(flags, op=dist.ReduceOp.MAX, group=_host_group())
        highest = int(flags.item())
        return None if highest == _NO_FLAG else highest

    def share(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give all processes the tensors of process 0, in place."""
        if self.n > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.n > 1:
            dist.barrier(group=_host_group())


ALONE = Processes()
"""One process, which has no others to wait for."""

_NO_FLAG = -(1 << 30)
_host: list[dist.ProcessGroup] = []  # beside NCCL's, for flags that live on the host


def _host_group() -> dist.ProcessGroup:
    if not _host:
        group = dist.new_group(backend="gloo", timeout=_TIMEOUT)
        assert isinstance(group, dist.ProcessGroup)  # a process outside the group would get a number
        _host.append(group)
    return _host[0]


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Join the processes that ``torchrun`` started, for the length of a ``with`` block.

    Parameters
    ----------
    device : torch.device
        CPU: gloo; CUDA: NCCL, one GPU a process.

    Raises
    ------
    ParameterError
        If ``torchrun``'s variables are there only in part.
    """
    if "WORLD_SIZE" not in os.environ or os.environ["WORLD_SIZE"] == "1":
        yield ALONE
        return
    try:
        found = Processes(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
    except (KeyError, ValueError) as error:
        raise ParameterError(f"WORLD_SIZE={os.environ['WORLD_SIZE']}, but {error}: start by torchrun") from error
    if dist.is_initialized():  # a sweep's second training
        yield found
        return
    if device.type == "cuda":
        torch.cuda.set_device(found.local_rank)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_TIMEOUT)
    try:
        yield found
    finally:
        _host.clear()
        dist.destroy_process_group()
