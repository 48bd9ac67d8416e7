"""Settings of a data set and its protocol, as the command line takes them.

This module imports neither torch nor numpy, so that `--help` stays fast.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from cdpnet.data.protocols.folds import N_FOLDS
from cdpnet.errors import ConfigError

DataName = Literal["icons", "pascal", "coco", "fss", "folder"]
ProtocolName = Literal["cdpnet", "ssp", "hsnet", "pfenet"]
NovelInTrain = Literal["keep", "drop"]
Split = Literal["train", "val", "test"]

_LEAST_SIDE = 32


@dataclass(frozen=True)
class DataConfig:
    """Data set and protocol of the episodes; `auto` stands for the rule of the protocol's published code.

    ConfigError where two settings contradict each other; `open_protocol` checks the ones that depend on the protocol.
    """

    data: DataName = "icons"
    """Data set: icons comes with the package; the others are read from --root."""
    root: str = ""
    """Folder of the data set; the documentation describes its layout."""
    protocol: ProtocolName = "cdpnet"
    """Protocol: cdpnet is our own, the others reproduce published code; icons has a protocol of its own."""
    # Literals are written out: of a union of two, the help would not list the choices.
    fold_convention: Literal["auto", "interleaved", "consecutive"] = "auto"
    """Novel classes of a fold in coco, folder: every fourth class (interleaved) or a quarter in a row (consecutive)."""
    novel_in_train: Literal["auto", "keep", "drop"] = "auto"
    """Training images that show a novel class: keep them, with its pixels as background, or drop them."""
    evaluation_space: Literal["auto", "native", "resized"] = "auto"
    """Score queries at their native size, or, under hsnet, resized to 400 x 400 pixels."""
    unseen_class: Literal["auto", "left_out", "zero"] = "auto"
    """A class of the fold that no test episode asks for: left out of the mean IoU, or counted as 0 (as in hsnet)."""
    splits: str = ""
    """Folder of list files: in HSNet's format (protocol hsnet), or trn.txt, val.txt and test.txt (data set fss)."""
    skip_broken: bool = False
    """Leave out images that cannot be read instead of stopping."""
    crop: int = 473
    """Side in pixels of the random crops of training (as in SSP); hsnet trains on whole images of 400 x 400."""
    min_area: int = 0
    """Pixels that a class must cover in an image to count there; 0 for the protocol's rule; under cdpnet only."""
    ways: int = 1
    """Number of classes asked for in one query; more than 1 under cdpnet only."""
    longest_side: int = 0
    """Scale larger test images down to this longer side in pixels, 0 for none, and score at native size; under
    cdpnet only."""

    def __post_init__(self) -> None:
        if self.data == "icons":
            for setting in fields(self)[1:]:
                if getattr(self, setting.name) != setting.default:
                    option = setting.name.replace("_", "-")
                    raise ConfigError(f"The icons are embedded and have rules of their own; leave --{option} out.")
            return
        if self.ways < 1 or self.crop < 32:
            raise ConfigError(f"ways must be at least 1 and crop at least 32, not {self.ways} and {self.crop}.")
        if self.min_area < 0:
            raise ConfigError(f"min_area must not be negative, and is {self.min_area}.")
        if self.longest_side and self.longest_side < _LEAST_SIDE:
            raise ConfigError(f"longest_side is at least {_LEAST_SIDE} pixels, not {self.longest_side}; 0 is no limit.")

    @property
    def n_folds(self) -> int:
        """Number of folds: 1 for FSS-1000, which has one split of its classes, and 4 for every other data set."""
        return 1 if self.data == "fss" else N_FOLDS
