"""The processes that `torchrun` started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from cdpnet.runtime.devices import default_device


@dataclass(frozen=True)
class Processes:
    """This process among those of the run."""

    rank: int = 0
    world: int = 1
    device: str = "cpu"

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
        """Until every process is here."""
        if self.world > 1:
            dist.barrier()


ALONE = Processes()


@contextmanager
def processes() -> Iterator[Processes]:
    """Join the processes that `torchrun` started, each on a GPU of its own where there are GPUs."""
    if "WORLD_SIZE" not in os.environ:
        yield Processes(device=default_device())
        return
    cuda = default_device() == "cuda"
    device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if cuda else "cpu"
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()
