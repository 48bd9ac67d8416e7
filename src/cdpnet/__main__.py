"""The command line as a process, ``cdpnet`` or ``python -m cdpnet``; `torchrun -m cdpnet train` starts several."""

import gc
import signal
import sys
from types import FrameType
from typing import NoReturn

from cdpnet.cli import main

_ENDINGS = "SIGTERM", "SIGHUP"  # of a system that stops its jobs, and of a terminal that is closed


def run() -> int:
    """Run the command of this process, which ends then. Returns its exit code."""
    for number in (getattr(signal, name) for name in _ENDINGS if hasattr(signal, name)):
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup has one of them ignored
            signal.signal(number, _interrupt)
    try:
        return main()
    finally:
        gc.freeze()  # else the interpreter searches all objects of PyTorch for cycles before it ends, which takes 0.3 s


def _interrupt(number: int, _: FrameType | None) -> NoReturn:
    """Stop the command as Ctrl-C does, so that it leaves nothing behind; the same signal again ends it at once."""
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt(number)


if __name__ == "__main__":
    sys.exit(run())
