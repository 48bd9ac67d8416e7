"""Durations measured side by side, and memory measured in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median

Work = Callable[[], object]


def side_by_side(work: Mapping[str, Work], rounds: int) -> dict[str, float]:
    """The median seconds of each, taken in turns, so that a slow moment of the machine meets all alike."""
    for one in work.values():
        one()  # what is made once, is made now
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, one in work.items():
            start = time.perf_counter()
            one()
            seconds[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in seconds.items()}


def peak_memory(part: str, size: int) -> float:
    """MiB that a process has at most, which does a part of the work of a query of ``size`` pixels once."""
    command = [sys.executable, "-m", "benchmarks.memory", part, str(size)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def memory_of_segment(arguments: list[str]) -> float:
    """MiB that `cdpnet segment` has at most with these arguments."""
    command = [sys.executable, "-m", "benchmarks.memory", "segment", *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def seconds_of_process(command: list[str], rounds: int = 5) -> float:
    """The median seconds of a process from its start to its end."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return median(seconds)
