"""The device and the precision of a computation."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext

import torch

from cdpnet.config import Precision
from cdpnet.errors import ConfigError

AUTO = "auto"
_NAMES = re.compile(r"auto|cpu|mps|cuda(:(0|[1-9]\d*))?")


def resolve_device(device: str | torch.device | None = AUTO) -> torch.device:
    """The device of a name: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; ``auto`` or None for a CUDA GPU, else the CPU.

    ConfigError for another name, and for a device that this machine does not have.
    """
    name = AUTO if device is None else str(device)
    if not _NAMES.fullmatch(name):
        raise ConfigError(f"There is no device {name!r}; there are auto, cpu, cuda, cuda:N and mps.")
    if name == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    chosen = torch.device(name)
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"The device {name} is not there: PyTorch finds {_count_gpus()} here; use auto or cpu.")
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("The device mps is not there: PyTorch finds no Apple GPU here; use auto or cpu.")
    return chosen


def _count_gpus() -> str:
    count = torch.cuda.device_count()
    return f"{count or 'no'} CUDA GPU{'s' * (count > 1)}"


def precision_on(device: torch.device, precision: Precision) -> Precision:
    """The precision that `auto` stands for: bfloat16 on GPUs that support it, else float32."""
    if precision != "auto":
        return precision
    supported = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if supported else "float32"


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """A context in which large products are computed in a precision."""
    in_bfloat16 = precision_on(device, precision) == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16) if in_bfloat16 else nullcontext()
