"""Whether memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # numbers of options of mallopt, in malloc.h


def return_freed_memory() -> None:
    """Return freed memory to the system; called where something large comes next, since it takes some 10 ms.

    The C library of Linux keeps freed blocks of up to 32 MB, those of the layers of a network among them. Others, which
    have no such function, are left alone.
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def keep_freed_memory() -> None:
    """Let the process keep freed memory for what comes next, up to 256 MB at the end of its heap.

    Otherwise the C library of Linux gives the activations of a layer back and fetches them anew for the next one, a
    tenth of the time of an image. Others are left alone.
    """
    if sys.platform == "linux" and (set_option := getattr(ctypes.CDLL(None), "mallopt", None)):
        set_option(_TRIM_THRESHOLD, 2**28)
        set_option(_MMAP_THRESHOLD, 2**25)  # the most that it takes
