"""What a computation runs on: the device, its precision, and the processes that `torchrun` started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from cdpnet.config import Precision


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


def device_at_hand() -> str:
    """A GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def precision_on(device: torch.device, precision: Precision) -> Precision:
    """What `auto` stands for: bfloat16 on GPUs that have it, else float32."""
    if precision != "auto":
        return precision
    has_it = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if has_it else "float32"


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """A context in which large products are computed in a precision."""
    in_half = precision_on(device, precision) == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16) if in_half else nullcontext()


@contextmanager
def processes() -> Iterator[Processes]:
    """Join the processes that `torchrun` started, each on a GPU of its own where there are GPUs."""
    if "WORLD_SIZE" not in os.environ:
        yield Processes(device=device_at_hand())
        return
    cuda = device_at_hand() == "cuda"
    device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if cuda else "cpu"
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()
