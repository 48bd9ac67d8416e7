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
        if not 0 <= self.false_masks <= 100 or not 0 <= self.most_lost <= 100:
            raise ConfigError(
                f"false_masks and most_lost are percents from 0 to 100, not {self.false_masks} and {self.most_lost}."
            )
