"""Few-shot semantic segmentation with CLIP prototypes.

Heavy libraries are imported on first use, so that ``import cdpnet`` and ``cdpnet --help`` are quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cdpnet.episode import EpisodeBatch
    from cdpnet.inference.class_files import ClassPrototype
    from cdpnet.inference.segmentation import Segmentation
    from cdpnet.inference.segmenter import Segmenter
    from cdpnet.network.build import build_network
    from cdpnet.network.network import PrototypeNetwork
    from cdpnet.network.outputs import Prediction

_HOME = {
    "EpisodeBatch": "cdpnet.episode",
    "Prediction": "cdpnet.episode",
    "PrototypeNetwork": "cdpnet.network",
    "build_network": "cdpnet.network",
    "ClassPrototype": "cdpnet.inference.class_files",
    "Segmentation": "cdpnet.inference.segmentation",
    "Segmenter": "cdpnet.inference.segmenter",
}
__all__ = [
    "ClassPrototype",
    "EpisodeBatch",
    "Prediction",
    "PrototypeNetwork",
    "Segmentation",
    "Segmenter",
    "build_network",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cdpnet' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
