"""Every setting of the network and its training, with its source. Torch is not imported."""

from cdpnet.config.network import (
    LEAST_KEYS,
    METHODS,
    NAMES,
    WITHOUT_TRAINING,
    Calibration,
    DecisionConfig,
    DenseAttention,
    EncoderConfig,
    LevelConfig,
    LossConfig,
    MatchingConfig,
    Names,
    NetworkConfig,
    QueryPrecision,
    Switches,
    method,
)
from cdpnet.config.training import SELECTIONS, Precision, TrainConfig

__all__ = [
    "LEAST_KEYS",
    "METHODS",
    "NAMES",
    "SELECTIONS",
    "WITHOUT_TRAINING",
    "Calibration",
    "DecisionConfig",
    "DenseAttention",
    "EncoderConfig",
    "LevelConfig",
    "LossConfig",
    "MatchingConfig",
    "Names",
    "NetworkConfig",
    "Precision",
    "QueryPrecision",
    "Switches",
    "TrainConfig",
    "method",
]
