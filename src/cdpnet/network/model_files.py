"""What the name of a model stands for, looked up before anything heavy is loaded."""

from __future__ import annotations

from pathlib import Path

from cdpnet.encoders.catalogue import PAIRS, WeightSources, require_image_weights
from cdpnet.errors import ConfigError, WeightsError

CONFIG_FILE, MODEL_FILE = "config.json", "model.safetensors"


def require_model(model: str, sources: WeightSources) -> None:
    """Refuse a model that is not there; published image weights come into the cache.

    ConfigError and WeightsError as `check_model`, WeightsError for weights that cannot be had.
    """
    check_model(model)
    require_image_weights(model, sources.image)


def check_model(model: str) -> None:
    """ConfigError for a model that is no known name, folder or file, WeightsError for a folder without its files."""
    path = Path(model)
    if model in PAIRS or model.startswith("timm:") or path.is_file():
        return
    if not path.is_dir():
        raise ConfigError(f"There is no model {model!r}: neither a folder nor one of {', '.join(PAIRS)}, timm:NAME.")
    locate_checkpoint(path)


def locate_checkpoint(folder: Path) -> tuple[Path, Path]:
    """The two files of a checkpoint in a folder. WeightsError where one is missing."""
    for name in (CONFIG_FILE, MODEL_FILE):
        if not (folder / name).exists():
            raise WeightsError(
                f"The folder {folder} has no {name}; a cdpnet checkpoint holds {CONFIG_FILE} and {MODEL_FILE}."
            )
    return folder / CONFIG_FILE, folder / MODEL_FILE
