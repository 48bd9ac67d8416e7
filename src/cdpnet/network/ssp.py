"""Load the checkpoints that the authors of SSP published."""

from __future__ import annotations

from pathlib import Path

from cdpnet.config import method
from cdpnet.encoders.build import build_encoders
from cdpnet.encoders.catalogue import RANDOM, WeightSources
from cdpnet.encoders.weights import load_into, read_state
from cdpnet.errors import WeightsError
from cdpnet.network.network import PrototypeNetwork

_ENCODER_OF_DEPTH = {6: "ssp-resnet50", 23: "ssp-resnet101"}  # blocks of stage 3
SSP_ENCODERS = tuple(_ENCODER_OF_DEPTH.values())
"""Encoders whose weights come from such a checkpoint alone, which says nothing about its training."""


def load_ssp(path: str | Path) -> PrototypeNetwork:
    """Our network from a file with keys layer0.* to layer3.* of a ResNet with the SSP authors' stem.

    Their layer0 is stem convolutions, BatchNorm, ReLU and pooling in a row, as our first stage is. WeightsError where
    the file is not one.
    """
    state = {key: value for key, value in read_state(Path(path)).items() if not key.endswith("num_batches_tracked")}
    if "foreground" in state:
        raise WeightsError(f"{path} is a class file of `cdpnet learn`, no network; `cdpnet label --classes` takes it.")
    depth = len({key.split(".")[1] for key in state if key.startswith("layer3.")})
    if depth not in _ENCODER_OF_DEPTH:
        raise WeightsError(
            f"{path} is no checkpoint that the authors of SSP published, whose layer3 has 6 or 23 blocks, not {depth}; "
            "a network of `cdpnet train` is given by its folder, the weights of an encoder by --image-weights."
        )
    config = method("ssp", _ENCODER_OF_DEPTH[depth])
    network = PrototypeNetwork(config, build_encoders(config.encoder, WeightSources(RANDOM), reads_names=False))
    load_into(network.image, {f"stages.{k.removeprefix('layer')}": v for k, v in state.items()}, str(path))
    return network.eval()
