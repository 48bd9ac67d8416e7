"""Options that several commands share, and the objects made from their values."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdpnet.cli.parser import given_values, group_of
from cdpnet.cli.screen import to_standard_error
from cdpnet.config import LEAST_KEYS
from cdpnet.errors import ConfigError, DataError
from cdpnet.io.files import real_path
from cdpnet.runtime.extras import require_extra
from cdpnet.values import check_seeds

TINY = "tiny"
TINY_ON_PHOTOGRAPHS = "the model tiny knows rendered icons and is poor on photographs; for those use --model photo."
SEGMENTING = "how images are segmented"  # a group of options
_MODEL = "the model"
EXACT = "exact"
_MOST_DIGITS = 9
_REFINE = {"auto": None, "on": True, "off": False}

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

    from cdpnet.config import TrainConfig
    from cdpnet.data.config import DataConfig
    from cdpnet.encoders.catalogue import WeightSources
    from cdpnet.network.network import PrototypeNetwork


def model_options(parser: ArgumentParser, default: str = "tiny") -> None:
    """Add the options that choose a network, by default ``photo`` for images of users, ``tiny`` for the icons."""
    from cdpnet.encoders.catalogue import PAIRS

    group = group_of(parser, _MODEL)
    group.add_argument(
        "--model",
        default=default,
        help=f"{', '.join(PAIRS)} (`cdpnet models` has the facts), timm:NAME for an image model of timm, a folder "
        f"with a checkpoint, or a file that the authors of SSP published; by default {default}",
    )
    group.add_argument(
        "--method",
        default="",
        help="panet, ssp or cdpn; by default cdpn for photo and tiny, that of a checkpoint, else ssp",
    )
    weight_options(parser)


def weight_options(parser: ArgumentParser) -> None:
    """Add the options that choose the encoders' weights."""
    group = group_of(parser, _MODEL)
    for kind in ("image", "text"):
        group.add_argument(
            f"--{kind}_weights",
            default="",
            metavar="FILE",
            help=f"weights file of the {kind} encoder, or random; by default the published weights",
        )


def device_option(parser: ArgumentParser) -> None:
    """Add the option that chooses the device."""
    group_of(parser, _MODEL).add_argument(
        "--device",
        default="auto",
        help="cpu, cuda, cuda:N, mps, or auto: a CUDA GPU if there is one, else the CPU; by default auto",
    )


def get_weight_sources(chosen: Any) -> WeightSources:
    """The sources of weights, from the values of `weight_options`. WeightsError for a file that is missing."""
    from cdpnet.encoders.catalogue import WeightSources

    sources = WeightSources(chosen.image_weights, chosen.text_weights)
    sources.require_files()
    return sources


def require_chosen_model(chosen: Any) -> None:
    """Refuse a model of `model_options` that is not there, before anything is loaded."""
    from cdpnet.network.model_files import require_model

    require_model(chosen.model, get_weight_sources(chosen))


def files_of_model(chosen: Any) -> list[Path]:
    """The real paths of the files that a network of `model_options` may be read from, which no result may replace."""
    from cdpnet.network.model_files import MODEL_FILE

    model, weights = Path(chosen.model), map(Path, (chosen.image_weights, chosen.text_weights))
    return [real_path(path) for path in (model, model / MODEL_FILE, *weights)]


def load_chosen_network(chosen: Any) -> PrototypeNetwork:
    """The network of `model_options`, on the device of `device_option`."""
    from cdpnet.network.build import load_network
    from cdpnet.runtime.devices import resolve_device
    from cdpnet.runtime.memory import keep_freed_memory

    device = resolve_device(chosen.device)  # refused before the weights are loaded
    keep_freed_memory()
    network = load_network(chosen.model, chosen.method, get_weight_sources(chosen)).to(device)
    if "matching.keys" in chosen:
        matching = dataclasses.replace(network.config.matching, keys=chosen_keys(chosen))
        network.config = dataclasses.replace(network.config, matching=matching)
    return network


def keys_option(parser: ArgumentParser) -> None:
    """Add the option of the keys of the adaptive background."""
    group_of(parser, SEGMENTING).add_argument(
        "--matching.keys",
        default=EXACT,
        metavar=f"{{{EXACT},N}}",
        help="compare locations of large images with at most N of the background, which is faster; by default exact",
    )


def chosen_keys(chosen: Any) -> int | None:
    """The value of `keys_option`, as `MatchingConfig` has it. ConfigError for another word or too small a number."""
    given = str(chosen["matching.keys"])  # as an attribute it is the method of dictionaries
    if given == EXACT:
        return None
    if not given.isascii() or not given.isdigit() or len(given) > _MOST_DIGITS or int(given) < LEAST_KEYS:
        raise ConfigError(f"--matching.keys is {EXACT} or a whole number of at least {LEAST_KEYS}, not {given[:30]}.")
    return int(given)


def refine_option(parser: ArgumentParser) -> None:
    """Add the option of edge refinement."""
    group_of(parser, SEGMENTING).add_argument(
        "--refine",
        choices=tuple(_REFINE),
        default="auto",
        help="refine the edges of masks along the colours of the image: on, off, or auto, which is on for photo",
    )


def chosen_refinement(chosen: Any) -> bool | None:
    """The value of `refine_option`, as a `Segmenter` takes it."""
    return _REFINE[chosen.refine]


def warn_of_icons_only(chosen: Any) -> None:
    """Say on standard error that the embedded network is not for photographs, where it was chosen."""
    if chosen.model == TINY:
        to_standard_error(TINY_ON_PHOTOGRAPHS)


def data_options(parser: ArgumentParser) -> None:
    """Add the options that choose the data set and the protocol."""
    from cdpnet.data.config import DataConfig

    parser.add_class_arguments(DataConfig, None, instantiate=False)


def data_config(chosen: Any) -> DataConfig:
    """The data set and protocol, from the values of `data_options`."""
    from cdpnet.data.config import DataConfig

    return DataConfig(**{name: chosen[name] for name in DataConfig.__dataclass_fields__})


def require_data(config: DataConfig) -> None:
    """Refuse a data set on disk that is not there or laid out otherwise, before PyTorch is loaded."""
    from cdpnet.data.readers.registry import open_reader

    if config.data != "icons":
        open_reader(config)


def fold_or_all(value: str | int) -> int:
    """The number of a fold; ``all`` for training on every class. ValueError for another word."""
    from cdpnet.data.protocols.folds import ALL_FOLDS

    if str(value).lstrip("-").isdecimal():
        return int(value)
    if value == "all":
        return ALL_FOLDS
    raise ValueError(f"invalid value: {value}")


def length_of_run(data: DataConfig, episodes: int | None, seeds: Sequence[int] | None) -> tuple[int, list[int]]:
    """Number of episodes and seeds; None for the protocol's. DataError for no episode, or a seed given twice."""
    from cdpnet.data.episodes import default_length

    count, usual = default_length(data)
    count, chosen = count if episodes is None else episodes, list(usual if seeds is None else seeds)
    at_least_one("--episodes", count)
    if len(set(chosen)) < len(chosen):
        raise DataError(f"--seeds must all be different, and are {' '.join(map(str, chosen))}.")
    check_seeds(*chosen)
    return count, chosen


def at_least_one(option: str, value: int) -> None:
    """DataError where the value of an option is less than one."""
    if value < 1:
        raise DataError(f"{option} must be at least 1, not {value}.")


def training_options(parser: ArgumentParser) -> None:
    """Add all settings of a training except method, fold and shots; they can also come from a file."""
    from cdpnet.config import EncoderConfig, TrainConfig

    parser.add_argument(
        "--config",
        action="config",
        metavar="FILE",
        help="a YAML file with any of these settings; by default the package's own for the data set and encoder, "
        "where there is one, so that values can differ from the defaults below (--print-config shows them)",
    )
    data_options(parser)
    parser.add_argument(
        "--category_share",
        type=float,
        default=None,
        help="share of training episodes named by the category of the class, 0 to 1; by default 0.2 for icons, else 0",
    )
    parser.add_class_arguments(EncoderConfig, "encoder")
    for action in parser._actions:
        if action.dest == "encoder":
            action.metavar, action.help = "NAME", "the same as --encoder.name"
    parser.add_class_arguments(TrainConfig, None, instantiate=False)
    weight_options(parser)


def encoder_by_name(arguments: Sequence[str]) -> list[str]:
    """Expand ``--encoder NAME`` to ``--encoder.name NAME``."""
    return [re.sub(r"^--encoder(?=$|=)", "--encoder.name", argument) for argument in arguments]


def with_preset(arguments: Sequence[str]) -> list[str]:
    """Add the package's settings for the chosen data set and encoder, unless a file of settings is given."""
    from cdpnet.configs import preset

    if given_values(arguments, "--config"):
        return list(arguments)
    data, encoder = ["icons", *given_values(arguments, "--data")], ["tiny", *given_values(arguments, "--encoder.name")]
    path = preset(data[-1], encoder[-1])
    return [*(["--config", path] if path else []), *arguments]


def settings(kind: Any, chosen: Any) -> Any:
    """The dataclass ``kind`` from the parsed values of its fields; its own checks apply."""
    values = {name: chosen[name] for name in kind.__dataclass_fields__}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def training_settings(chosen: Any) -> TrainConfig:
    """The settings of a training. ConfigError also for those that need a package that is missing."""
    from cdpnet.config import TrainConfig

    config: TrainConfig = settings(TrainConfig, chosen)
    if config.curves:
        require_extra("--curves", "curves", "tensorboard")
    return config
