"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
import sys


def return_freed_memory() -> None:
    """Return freed memory to the system; called where something large comes next, since it takes some 10 ms.

    The C library of Linux keeps freed blocks of up to 32 MB, those of the layers of a network among them. Others, which
    have no such function, are left alone.
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
