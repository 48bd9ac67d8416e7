"""The device and the precision of a computation."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from cdpnet.config import Precision


def default_device() -> str:
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
