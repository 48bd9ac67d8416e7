"""The command line as a process, ``cdpnet`` or ``python -m cdpnet``; `torchrun -m cdpnet train` starts several."""

import gc
import sys

from cdpnet.cli import main


def run() -> int:
    """Run the command of this process, which ends then. Returns its exit code."""
    try:
        return main()
    finally:
        gc.freeze()  # else the interpreter searches all objects of PyTorch for cycles before it ends, which takes 0.3 s


if __name__ == "__main__":
    sys.exit(run())
