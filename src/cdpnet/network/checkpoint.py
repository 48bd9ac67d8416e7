"""Networks on disk: a folder of safetensors and a JSON configuration; and the checkpoints of the SSP authors."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from huggingface_hub import PyTorchModelHubMixin, hf_hub_download
from safetensors.torch import save_file
from torch import Tensor, nn

from cdpnet.config import from_dict, method, to_dict
from cdpnet.encoders import WeightSources
from cdpnet.encoders.tiny import WEIGHTS_FILE
from cdpnet.encoders.weights import RANDOM, load_into, read_state
from cdpnet.errors import WeightsError
from cdpnet.files import atomic

if TYPE_CHECKING:
    from cdpnet.network.network import PrototypeNetwork

CONFIG_FILE, MODEL_FILE = "config.json", "model.safetensors"


class CheckpointMixin(PyTorchModelHubMixin):  # type: ignore[misc]
    """Saving and loading for `PrototypeNetwork`, strict both ways.

    A checkpoint is self-contained, with one exception: over the embedded encoder it holds what training changes, and a
    fingerprint of the frozen weights that the package ships.
    """

    record: dict[str, Any]
    """What to remember beside the configuration: data, fold, budget, how the checkpoint was selected."""

    def save(self, folder: Path) -> None:
        """Write the checkpoint; each file appears whole or not at all, and an older one stays until then."""
        stored = _stored(self)
        config = self.config
        about = {
            "cdpnet": metadata.version("cdpnet"),
            "network": to_dict(config),
            "embedded": _fingerprint() if config.encoder.name == "tiny" else None,
            "record": getattr(self, "record", {}),
        }
        with atomic(folder / MODEL_FILE) as path:
            save_file(stored, path)
        with atomic(folder / CONFIG_FILE) as path:
            path.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")

    def _save_pretrained(self, save_directory: Path) -> None:
        self.save(save_directory)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> Self:
        """Build the network that the folder's (or the hub repository's) configuration describes."""
        from cdpnet.network import build_network

        config_path, model_path = _locate(model_id, options)
        about = _read_config(config_path)
        config = from_dict(about["network"])
        embedded = config.encoder.name == "tiny"
        if embedded and about.get("embedded") != _fingerprint():
            raise WeightsError(
                f"The checkpoint {model_id} was trained over another version of the embedded encoder "
                f"(cdpnet {about.get('cdpnet')}); train it again, or install that version."
            )
        sources = WeightSources() if embedded else WeightSources(RANDOM, RANDOM)
        network = build_network(config, sources)
        state = read_state(model_path)
        if embedded:  # strict about what a checkpoint stores; the rest is the package's
            stored = _stored(network)
            state = {**{k: v for k, v in network.state_dict().items() if k not in stored}, **state}
        load_into(network, state, str(model_id))
        network.record = about.get("record", {})
        return network.eval()


def _stored(network: nn.Module) -> dict[str, Tensor]:
    """The tensors that belong into the network's checkpoint."""
    state = {key: value.contiguous() for key, value in network.state_dict().items()}
    if network.config.encoder.name != "tiny":  # type: ignore[union-attr]
        return state
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    return {key: value for key, value in state.items() if key in trained}


def _locate(model_id: str, options: dict[str, Any]) -> tuple[Path, Path]:
    """The two files of a checkpoint, in a folder or on the hub."""
    if Path(model_id).is_dir():
        folder = Path(model_id)
        for name in (CONFIG_FILE, MODEL_FILE):
            if not (folder / name).is_file():
                raise WeightsError(
                    f"The folder {folder} has no {name}; a cdpnet checkpoint holds {CONFIG_FILE} and {MODEL_FILE}."
                )
        return folder / CONFIG_FILE, folder / MODEL_FILE
    known = ("revision", "cache_dir", "force_download", "local_files_only", "token")
    asked = {key: options[key] for key in known if key in options}
    files = [Path(hf_hub_download(model_id, name, **asked)) for name in (CONFIG_FILE, MODEL_FILE)]
    return files[0], files[1]


def _read_config(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(about["network"], dict):
            raise KeyError("network")
    except (ValueError, KeyError, TypeError):
        raise WeightsError(
            f"The file {path} is no configuration of a cdpnet checkpoint; it needs a key 'network'."
        ) from None
    result: dict[str, Any] = about
    return result


@lru_cache(maxsize=1)
def _fingerprint() -> str:
    """Of the frozen weights that the package ships."""
    data = resources.files("cdpnet.weights").joinpath(WEIGHTS_FILE).read_bytes()
    return hashlib.sha256(data).hexdigest()[:16]


def load_ssp(path: Path) -> PrototypeNetwork:
    """Our network from a checkpoint in the SSP authors' format: keys layer0.* to layer3.* of a ResNet with their stem.

    WeightsError where the file is not one. Their layer0 is stem convolutions, BatchNorm, ReLU and pooling in a row.
    """
    from cdpnet.network import build_network

    state = {key: value for key, value in read_state(Path(path)).items() if not key.endswith("num_batches_tracked")}
    depth = len({key.split(".")[1] for key in state if key.startswith("layer3.")})
    names = {6: "ssp-resnet50", 23: "ssp-resnet101"}
    if depth not in names:
        raise WeightsError(f"{path} is no SSP checkpoint: its layer3 has {depth} blocks, where 6 or 23 are expected.")
    network = build_network(method("ssp", names[depth]), WeightSources(RANDOM, RANDOM))
    renamed = {f"stages.{key.removeprefix('layer')}": value for key, value in state.items()}
    load_into(network.image, renamed, str(path))
    return network.eval()
