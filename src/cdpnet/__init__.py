"""Few-shot semantic segmentation with CLIP prototypes.

Heavy libraries are imported on first use, so that ``import cdpnet`` and ``cdpnet --help`` are quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cdpnet.errors import CdpnetError, ConfigError, DataError, WeightsError

if TYPE_CHECKING:
    from cdpnet.episode import EpisodeBatch
    from cdpnet.inference.class_files import ClassPrototype, load_class, save_class
    from cdpnet.inference.click_cues import Click
    from cdpnet.inference.marking import Marking
    from cdpnet.inference.segmentation import Segmentation
    from cdpnet.inference.segmenter import Segmenter
    from cdpnet.inference.uncertainty import most_uncertain_first, uncertainty
    from cdpnet.network.build import build_network, load_network
    from cdpnet.network.network import PrototypeNetwork
    from cdpnet.network.outputs import Prediction

__all__ = [
    "CdpnetError",
    "ClassPrototype",
    "Click",
    "ConfigError",
    "DataError",
    "EpisodeBatch",
    "Marking",
    "Prediction",
    "PrototypeNetwork",
    "Segmentation",
    "Segmenter",
    "WeightsError",
    "build_network",
    "load_class",
    "load_network",
    "most_uncertain_first",
    "save_class",
    "uncertainty",
]
_MODULE_OF = {
    "ClassPrototype": "cdpnet.inference.class_files",
    "Click": "cdpnet.inference.click_cues",
    "EpisodeBatch": "cdpnet.episode",
    "Marking": "cdpnet.inference.marking",
    "Prediction": "cdpnet.network.outputs",
    "PrototypeNetwork": "cdpnet.network.network",
    "Segmentation": "cdpnet.inference.segmentation",
    "Segmenter": "cdpnet.inference.segmenter",
    "build_network": "cdpnet.network.build",
    "load_class": "cdpnet.inference.class_files",
    "load_network": "cdpnet.network.build",
    "most_uncertain_first": "cdpnet.inference.uncertainty",
    "save_class": "cdpnet.inference.class_files",
    "uncertainty": "cdpnet.inference.uncertainty",
}


def __getattr__(name: str) -> Any:
    """A name of the public API, imported on first use."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'cdpnet' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    """The public API."""
    return __all__
