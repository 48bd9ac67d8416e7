"""The processes that `torchrun` started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from cdpnet.errors import ConfigError
from cdpnet.runtime.devices import AUTO, resolve_device

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Processes:
    """This process among those of the run: its rank, their number, and the device that it computes on."""

    rank: int = 0
    world: int = 1
    device: torch.device = _CPU

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def total(self, value: Tensor) -> Tensor:
        """The sum over all processes, any shape; the value itself where there is one process."""
        if self.world == 1:
            return value
        value = value.to(self.device, copy=True)
        dist.all_reduce(value)
        return value.cpu()

    def wait(self) -> None:
        """Wait until every process has called this."""
        if self.world > 1:
            dist.barrier()


ALONE = Processes()


@contextmanager
def processes(device: str = AUTO) -> Iterator[Processes]:
    """Join the processes that `torchrun` started; outside `torchrun` this process is alone.

    device: as in `resolve_device`. Under `torchrun` ``auto`` and ``cuda`` give each process a GPU of its own.

    ConfigError for a device that cannot be used.
    """
    if "WORLD_SIZE" not in os.environ:
        yield Processes(device=resolve_device(device))
        return
    own = _own_device(device)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    dist.init_process_group("nccl" if own.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), own)
    finally:
        dist.destroy_process_group()


def _own_device(device: str) -> torch.device:
    """The device of this process of `torchrun`."""
    chosen = resolve_device(device)
    if chosen.type == "cuda" and chosen.index is None:
        return resolve_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
    if chosen.type != "cpu":
        raise ConfigError(f"Under torchrun each process has a device of its own; give auto, cuda or cpu, not {device}.")
    return chosen
