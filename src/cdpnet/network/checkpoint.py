"""Networks on disk: a folder of safetensors and a JSON configuration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Self

import torch
from huggingface_hub import PyTorchModelHubMixin, hf_hub_download
from safetensors.torch import save
from torch import Tensor, nn

from cdpnet.config import METHODS, NetworkConfig, method
from cdpnet.encoders.build import build_encoders
from cdpnet.encoders.catalogue import RANDOM, TEXT_FILE, TINY_FILE, WeightSources
from cdpnet.encoders.photo import SHA256
from cdpnet.encoders.weights import load_into, read_state
from cdpnet.errors import ConfigError, DataError, WeightsError
from cdpnet.io.documents import read_json
from cdpnet.io.fields import as_object
from cdpnet.io.files import regular_file, write_bytes, write_json
from cdpnet.network.model_files import CONFIG_FILE, MODEL_FILE, locate_checkpoint
from cdpnet.network.record import TrainingRecord, from_dict, to_dict
from cdpnet.runtime.provenance import version
from cdpnet.values import JSON

_MOST_CONFIG_BYTES = 2**20
_INSTALLED = {"tiny": (TINY_FILE, ""), "photo": (TEXT_FILE, SHA256)}
"""Pairs whose weights every installation has: the file that the package ships, and the hash of a dependency's."""


@dataclass(frozen=True)
class CheckpointConfig:
    """The configuration file of a checkpoint."""

    cdpnet: str
    """Version of the package that wrote it."""
    network: NetworkConfig
    embedded: str | None
    """Hash of the encoders' weights, where the checkpoint leaves out those that training does not change."""
    record: TrainingRecord | None
    """How the network was trained; None for one that was not."""

    def to_json(self) -> dict[str, JSON]:
        """Plain values."""
        record = self.record.to_json() if self.record else {}
        return {"cdpnet": self.cdpnet, "network": to_dict(self.network), "embedded": self.embedded, "record": record}

    @classmethod
    def from_json(cls, values: Mapping[str, JSON]) -> Self:
        """The configuration that `to_json` made plain.

        ConfigError where the network has an unknown setting, TypeError where the record lacks a key.
        """
        record, embedded = values.get("record"), values.get("embedded")
        return cls(
            cdpnet=str(values.get("cdpnet")),
            network=from_dict(values["network"]),
            embedded=str(embedded) if embedded else None,
            record=TrainingRecord.from_json(record) if isinstance(record, dict) and record else None,
        )


class CheckpointMixin(PyTorchModelHubMixin):  # type: ignore[misc]
    """Saving and loading for `PrototypeNetwork`, strict both ways.

    A checkpoint is self-contained, with one exception: over the pairs `tiny` and `photo`, whose weights every
    installation has, it holds the tensors that training changes, and a hash of the others.
    """

    config: NetworkConfig
    record: TrainingRecord | None
    """How the network was trained; None for one that was not."""

    def save(self, folder: str | Path, *, half: bool = False) -> None:
        """Write the checkpoint; each file appears whole or not at all, and an older one stays until then.

        half: store in half precision, for sharing; networks are always loaded in single precision.
        """
        folder = Path(folder)
        embedded = _is_over_embedded(self)
        stored = (
            trained_tensors(self) if embedded else {key: value.contiguous() for key, value in self.state_dict().items()}
        )
        if half:
            stored = {key: value.half() if value.is_floating_point() else value for key, value in stored.items()}
        about = CheckpointConfig(
            version(), self.config, _installed_sha256(self.config.encoder.name) if embedded else None, self.record
        ).to_json()
        write_bytes(save(stored), folder / MODEL_FILE)
        write_json(about, folder / CONFIG_FILE)

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:
        """As `save`, with a model card; ``push_to_hub=True`` and ``repo_id`` upload the folder to the model hub."""
        super().save_pretrained(save_directory, **options)

    def _save_pretrained(self, save_directory: Path) -> None:
        self.save(save_directory)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> Self:
        """Load a checkpoint folder, or a repository of the model hub. WeightsError where it cannot be used."""
        if Path(pretrained_model_name_or_path).is_dir():
            return cls._from_pretrained(model_id=str(pretrained_model_name_or_path))
        try:
            network: Self = super().from_pretrained(pretrained_model_name_or_path, **options)
        except (ValueError, OSError) as error:  # the hub's own errors are of these two kinds
            raise WeightsError(
                f"{pretrained_model_name_or_path} is neither a checkpoint folder nor a repository of the model hub "
                f"that can be reached ({str(error).strip().splitlines()[0][:100]})."
            ) from None
        return network

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: str | bool | None) -> Self:
        """Build the network that the folder's (or the hub repository's) configuration describes."""
        config_path, model_path = _locate(model_id, options)
        about = read_config(config_path)
        embedded, encoder = about.embedded, about.network.encoder
        installed = encoder.name in _INSTALLED and not encoder.text_tower
        if embedded and not (installed and embedded == _installed_sha256(encoder.name)):
            raise WeightsError(
                f"The checkpoint {model_id} was trained over another version of the encoders {encoder.name} "
                f"(cdpnet {about.cdpnet}); train it again, or install that version."
            )
        sources = WeightSources() if embedded else WeightSources(RANDOM, RANDOM)
        network = cls(about.network, build_encoders(encoder, sources, reads_names=about.network.reads_names))
        state = read_state(model_path)
        if embedded:  # the checkpoint must hold all trained tensors; the others are the package's
            trained = trained_tensors(network)
            state = {**{k: v for k, v in network.state_dict().items() if k not in trained}, **state}
        load_into(network, state, str(model_id))
        network.record = about.record
        network.eval()
        return network


def trained_tensors(network: nn.Module) -> dict[str, Tensor]:
    """The tensors that training may change."""
    return {name: p.detach().contiguous() for name, p in network.named_parameters() if p.requires_grad}


def sha256_of(tensors: Mapping[str, Tensor]) -> str:
    """A short hash of named tensors."""
    total = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        total.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:16]


def fingerprint(network: CheckpointMixin) -> str:
    """A hash of everything that decides the features of an image; a class fits only the network that learned it."""
    # A class fits however many views of its examples were learned, and whatever is done with its matches.
    left_out = ("loss", "decision", "enlarged_views", "spread_logits", "level")
    settings = {key: value for key, value in to_dict(network.config).items() if key not in left_out}
    if not network.config.part_prototypes:  # a setting younger than the first class files, which still fit
        del settings["part_prototypes"]
    # A class is learned without attention, so it fits whatever keys images are segmented with.
    settings["matching"] = {key: value for key, value in vars(network.config.matching).items() if key != "keys"}
    encoder = {key: value for key, value in vars(network.config.encoder).items() if key != "trained"}
    text = json.dumps({**settings, "encoder": encoder}, sort_keys=True) + sha256_of(network.state_dict())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe_network(config: NetworkConfig) -> str:
    """The names of a network's encoder and, if it is one of `METHODS`, of its method."""
    switches = to_dict(config)
    named = {name: method(name, config.encoder.name) for name in METHODS}
    methods = [name for name, other in named.items() if all(switches[k] == getattr(other, k) for k in METHODS[name])]
    return " ".join([config.encoder.name, *methods])


def _is_over_embedded(network: CheckpointMixin) -> bool:
    """Whether the frozen weights are those of a pair that every installation has."""
    config = network.config
    if config.encoder.name not in _INSTALLED or config.encoder.text_tower:
        return False
    encoders = build_encoders(config.encoder, WeightSources(), reads_names=config.reads_names)
    shipped = {
        f"{part}.{key}": value
        for part, encoder in (("image", encoders.image), ("text", encoders.text))
        if encoder is not None
        for key, value in encoder.state_dict().items()
    }
    state, trained = network.state_dict(), trained_tensors(network)
    return all(torch.equal(state[name].cpu(), value) for name, value in shipped.items() if name not in trained)


def _locate(model_id: str, options: dict[str, str | bool | None]) -> tuple[Path, Path]:
    """The two files of a checkpoint, in a folder or on the hub."""
    if Path(model_id).is_dir():
        return locate_checkpoint(Path(model_id))
    known = ("revision", "cache_dir", "force_download", "local_files_only", "token")
    asked = {key: options[key] for key in known if key in options}
    files = [Path(hf_hub_download(model_id, name, **asked)) for name in (CONFIG_FILE, MODEL_FILE)]
    return files[0], files[1]


def read_config(path: Path) -> CheckpointConfig:
    """The configuration of a checkpoint. WeightsError for another file, ConfigError for an unknown setting."""
    regular_file(path, "a configuration", _MOST_CONFIG_BYTES)
    try:
        about = as_object(read_json(path), "the content")
        about.nested("network")
    except DataError:
        raise WeightsError(
            f"The file {path} is no configuration of a cdpnet checkpoint; it needs a key 'network'."
        ) from None
    try:
        return CheckpointConfig.from_json(about)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except TypeError as error:
        raise WeightsError(f"The record of the training in {path} is incomplete: {error}.") from None


@lru_cache
def _installed_sha256(encoder: str) -> str:
    """A hash of the weights of a pair that every installation has."""
    file, others = _INSTALLED[encoder]
    total = hashlib.sha256(resources.files("cdpnet.weights").joinpath(file).read_bytes())
    total.update(others.encode())
    return total.hexdigest()[:16]
