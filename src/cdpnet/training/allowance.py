"""What a threshold of presence may cost. Torch is not imported, so that `--help` stays fast."""

from __future__ import annotations

from dataclasses import dataclass

from cdpnet.errors import ConfigError


@dataclass(frozen=True)
class Allowance:
    """What the threshold of presence may do on base classes; the defaults are our choice."""

    false_masks: float = 11.0
    """Most percent of the images without the class that may get a mask."""
    most_lost: float = 3.0
    """Points of mIoU that this may cost; where both cannot be had, this one holds."""

    def __post_init__(self) -> None:
        for option, percent in (("--false-masks", self.false_masks), ("--most-lost", self.most_lost)):
            if not 0 <= percent <= 100:
                raise ConfigError(f"{option} is a percentage from 0 to 100, not {percent:g}.")
