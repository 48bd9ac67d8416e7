"""A process of its own that runs the deadly cases one after the other, and prints what each did.

python -m tests.hostile.child FOLDER
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import asdict
from io import StringIO
from pathlib import Path

from cdpnet.cli import main
from cdpnet.labels.examples import read_examples
from tests.hostile.label_files import CLIPPED, DEADLY, FLAT, Case, Outcome, coco

MOST_ADDRESSES = 9 * 2**30  # bytes; a case that takes more fails here and leaves the machine alone


def peak() -> float:
    """Peak resident memory of this process in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)


def run_all(folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, MOST_ADDRESSES))
    good = Case("good", coco([FLAT]), "")
    read_examples(folder / "good" / "a.png", good.write(folder / "good"), "cat")
    run_cases(DEADLY, folder)
    with redirect_stderr(StringIO()):  # the others are learned from, so what that takes is not counted
        assert main(good.command(folder / "learned")) == 0
    run_cases(CLIPPED, folder)


def run_cases(cases: Sequence[Case], folder: Path) -> None:
    before = peak()
    for case in cases:
        command = case.command(folder / case.name)
        print(case.name, flush=True)  # so that a case that ends the process is known
        start, said = time.process_time(), StringIO()
        with redirect_stderr(said):
            code = main(command)
        seconds = time.process_time() - start
        outcome = Outcome(case.name, code, said.getvalue(), round(peak() - before, 1), round(seconds, 2))
        print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    run_all(Path(sys.argv[1]))
