"""The command line as a process, ``cdpnet`` or ``python -m cdpnet``; `torchrun -m cdpnet train` starts several."""

import gc
import signal
import sys
from types import FrameType
from typing import NoReturn

from cdpnet.cli import INTERRUPTED, SIGNALLED, main

_ENDINGS = "SIGTERM", "SIGHUP"  # of a system that stops its jobs, and of a terminal that is closed


def run() -> int:
    """Run the command of this process, which ends then.

    Returns its exit code; after SIGTERM and SIGHUP that of a process that the signal stopped, 143 and 129.
    """
    stopped_by: list[int] = []  # not in the interrupt itself, in place of which Ray raises another one

    def interrupt(number: int, _: FrameType | None) -> NoReturn:
        """Stop the command as Ctrl-C does, so that it leaves nothing behind; the same signal again ends it at once."""
        signal.signal(number, signal.SIG_DFL)
        stopped_by.append(number)
        raise KeyboardInterrupt

    for number in (getattr(signal, name) for name in _ENDINGS if hasattr(signal, name)):
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup has one of them ignored
            signal.signal(number, interrupt)
    try:
        code = main()
        return SIGNALLED + stopped_by[0] if code == INTERRUPTED and stopped_by else code
    finally:
        gc.freeze()  # else the interpreter searches all objects of PyTorch for cycles before it ends, which takes 0.3 s


if __name__ == "__main__":
    sys.exit(run())
