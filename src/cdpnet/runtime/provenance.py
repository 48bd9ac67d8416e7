"""The version of the code and the machine that a figure was computed with."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Self

from cdpnet.values import JSON


def version() -> str:
    """The installed version of the package."""
    return metadata.version("cdpnet")


@lru_cache(maxsize=1)
def commit() -> str | None:
    """The commit of the checkout that runs, with ``+changes`` where it was edited; None for an installed package."""
    folder = Path(__file__).parent
    try:
        _git(folder, "ls-files", "--error-unmatch", Path(__file__).name)  # fails beside another project's history
        head = _git(folder, "rev-parse", "HEAD").strip()
        changed = _git(folder, "status", "--porcelain", ".").strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head}+changes" if changed else head


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@dataclass(frozen=True)
class Machine:
    """The hardware and software that a duration depends on."""

    processor: str
    threads: int
    """Number of threads that torch uses."""
    gpu: str | None
    """Name of the GPU; None where there is none."""
    torch: str
    python: str

    @classmethod
    def current(cls) -> Self:
        """The machine that runs."""
        import torch

        return cls(
            processor=_processor(),
            threads=torch.get_num_threads(),
            gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            torch=torch.__version__,
            python=platform.python_version(),
        )


def provenance() -> dict[str, JSON]:
    """What a file of results says about the code and the machine that they come from."""
    return {"version": version(), "commit": commit(), "machine": asdict(Machine.current())}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
