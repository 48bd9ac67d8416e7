"""The network of the paper by name: `build_network` wires the parts, `load_network` brings trained weights."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from cdpnet.config import WITHOUT_TRAINING, NetworkConfig, method
from cdpnet.encoders.build import build_encoders
from cdpnet.encoders.catalogue import PAIRS, RANDOM, WeightSources
from cdpnet.errors import ConfigError
from cdpnet.network.model_files import check_model
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.ssp import load_ssp

__all__ = ["PrototypeNetwork", "build_network", "load_network", "load_ssp"]


def build_network(config: NetworkConfig, sources: WeightSources | None = None) -> PrototypeNetwork:
    """An untrained network of a configuration, over encoders with weights from ``sources``.

    ConfigError for unknown names, WeightsError for weights that cannot be had.
    """
    encoders = build_encoders(config.encoder, sources or WeightSources(), reads_names=config.reads_names)
    return PrototypeNetwork(config, encoders)


def load_network(
    name_or_path: str | Path, method_name: str = "", sources: WeightSources | None = None
) -> PrototypeNetwork:
    """A network that is ready to use: a checkpoint folder, ``photo``, the embedded ``tiny``, or a named encoder pair.

    A file is a checkpoint that the authors of SSP published.

    method_name: one of `METHODS`; by default `cdpn` for `photo` and `tiny`, and for other pairs `ssp`, which needs no
    training, whereas `cdpn` has parts that start random. sources: of the encoders' weights, by default the published.

    ConfigError and WeightsError as `build_network`.
    """
    model, sources = str(name_or_path), sources or WeightSources()
    path = Path(model)
    check_model(model)
    if model not in PAIRS and (path.is_dir() or path.is_file()):
        kind = "folder" if path.is_dir() else "file"
        if sources != WeightSources():
            raise ConfigError(f"The {kind} {model} holds its weights itself; leave the options for weights out.")
        if method_name:
            raise ConfigError(f"The {kind} {model} determines the method itself; leave --method out.")
        return PrototypeNetwork.from_pretrained(model) if path.is_dir() else load_ssp(path)
    method_name = method_name or ("cdpn" if model in ("photo", "tiny") else "ssp")
    config = method(method_name, model)
    if sources == WeightSources():
        shipped = resources.files("cdpnet.weights").joinpath(f"{model}-{method_name}")
        if shipped.is_dir():
            with resources.as_file(shipped) as folder:
                return PrototypeNetwork.from_pretrained(folder)
    if config.reads_names and model not in WITHOUT_TRAINING and RANDOM not in (sources.image, sources.text):
        raise ConfigError(
            f"The method {method_name} has parts that need training over {model}: train it first and pass the folder "
            "as --model, or use --method ssp, which needs none."
        )
    return build_network(config, sources).eval()
