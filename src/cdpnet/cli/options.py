"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdpnet.errors import DataError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

    from cdpnet.data.protocols.disk import DataConfig
    from cdpnet.encoders.catalogue import WeightSources


def model_options(parser: ArgumentParser) -> None:
    """Which network to use."""
    parser.add_argument("--model", default="tiny", help="a named pair of encoders, timm:NAME, or a checkpoint folder")
    parser.add_argument("--method", default="", help="panet, ssp or cdpn, where the model leaves the choice")
    weight_options(parser)


def weight_options(parser: ArgumentParser) -> None:
    """Where the encoders' weights come from."""
    parser.add_argument("--image_weights", default="", help="file for the image tower, or random")
    parser.add_argument("--text_weights", default="", help="file for the text tower, or random")


def weight_sources(chosen: Any) -> WeightSources:
    """Where the weights come from, as `weight_options` took it."""
    from cdpnet.encoders.catalogue import WeightSources

    return WeightSources(chosen.image_weights, chosen.text_weights)


def data_options(parser: ArgumentParser) -> None:
    """Which episodes, under which rules."""
    from cdpnet.data.protocols.disk import DataConfig

    parser.add_class_arguments(DataConfig, None, instantiate=False)


def data_config(chosen: Any) -> DataConfig:
    """What `data_options` took."""
    from cdpnet.data.protocols.disk import DataConfig

    return DataConfig(**{name: chosen[name] for name in DataConfig.__dataclass_fields__})


def length_of_run(data: DataConfig, episodes: int | None, seeds: Sequence[int] | None) -> tuple[int, list[int]]:
    """Number of episodes and seeds, by default the protocol's. DataError for none, or for a seed given twice."""
    from cdpnet.data.episodes import default_length

    count, usual = default_length(data)
    count, chosen = count if episodes is None else episodes, list(usual if seeds is None else seeds)
    at_least_one("--episodes", count)
    if len(set(chosen)) < len(chosen):
        raise DataError(f"--seeds must all be different, and are {' '.join(map(str, chosen))}.")
    return count, chosen


def out_folder(path: str) -> Path:
    """A folder to write to, made before the work starts. DataError where it cannot be one."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path} cannot be a folder to write to ({error.strerror}); give another --out.") from None
    return Path(path)


def out_file(path: str) -> Path:
    """A file to write to, looked at before the work starts. DataError where it cannot be one."""
    out_folder(str(Path(path).parent))
    if Path(path).is_dir() or not Path(path).name:
        raise DataError(f"{path} is a folder; give the name of a file to write.")
    return Path(path)


def support_pairs(pairs: Sequence[str]) -> list[tuple[Path, Path]]:
    """IMAGE:MASK each; the last colon divides, so an image's path may hold others. DataError without one."""
    found = []
    for pair in pairs:
        image, _, mask = pair.rpartition(":")
        if not image or not mask:
            raise DataError(f"--support {pair} is not of the form IMAGE:MASK, such as photo.jpg:mask.png.")
        found.append((Path(image), Path(mask)))
    return found


def share_option(option: str, value: float | None) -> float | None:
    """DataError where a share, if one is given, lies outside 0..1."""
    if value is not None and not 0 <= value <= 1:
        raise DataError(f"{option} is a share from 0 to 1, not {value}.")
    return value


def at_least_one(option: str, value: int) -> None:
    """DataError where an option counts something and is less than one."""
    if value < 1:
        raise DataError(f"{option} must be at least 1, not {value}.")


def training_options(parser: ArgumentParser) -> None:
    """All that makes a training but its method, fold and shots, also from a file."""
    from cdpnet.config import EncoderConfig, TrainConfig

    parser.add_argument("--config", action="config", help="a YAML file with any of these settings")
    data_options(parser)
    parser.add_argument(
        "--category_share",
        type=float,
        default=None,
        help="share of episodes named by the category; by default 0.2 of icons, and none elsewhere",
    )
    parser.add_class_arguments(EncoderConfig, "encoder")
    parser.add_class_arguments(TrainConfig, None, instantiate=False)
    weight_options(parser)


def encoder_by_name(arguments: Sequence[str]) -> list[str]:
    """``--encoder NAME`` is short for ``--encoder.name NAME``."""
    return [re.sub(r"^--encoder(?=$|=)", "--encoder.name", argument) for argument in arguments]


def with_preset(arguments: Sequence[str]) -> list[str]:
    """The package's settings for the data set and the encoder that are named, unless a file of settings is given."""
    from cdpnet.configs import preset

    named = {option: value for option, value in pairwise(arguments) if option.startswith("--")}
    named |= dict(argument.split("=", 1) for argument in arguments if argument.startswith("--") and "=" in argument)
    path = None if "--config" in named else preset(named.get("--data", "icons"), named.get("--encoder.name", "tiny"))
    return [*(["--config", path] if path else []), *arguments]


def settings(kind: Any, chosen: Any) -> Any:
    """The dataclass of settings that a parser took by name, checked by its own rules."""
    values = {name: chosen[name] for name in kind.__dataclass_fields__}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
