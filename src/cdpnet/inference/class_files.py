"""Learned classes: what a network knows of one, and the small files they are kept and shared in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cdpnet.errors import DataError
from cdpnet.io.files import atomic
from cdpnet.network.outputs import Prototypes
from cdpnet.runtime.provenance import version

ENDING = ".safetensors"
_KEY, _FUSION = "cdpnet_class", "fusion."


@dataclass(frozen=True, eq=False)
class ClassPrototype:
    """A class as a network knows it.

    background, foreground, text: (C,) each; text is None for a network that reads no names, and zero where it was told
    not to read this one. by_name: whether the network recognises the name in the examples. shots: images it was
    learned from. thumbnail (h, w, 3): what it looks like. model: of the network, a fingerprint and words for people.
    fusion: weights of a fusion that was adapted to it, if one was.
    """

    name: str
    background: Tensor
    foreground: Tensor
    text: Tensor | None
    by_name: bool
    shots: int
    thumbnail: NDArray[np.uint8]
    model: tuple[str, str]
    fusion: dict[str, Tensor] | None = None

    @property
    def reads_name(self) -> bool:
        """Whether the network reads the name, recognised or not."""
        return self.text is not None and bool(self.text.any())

    def as_batch(self) -> Prototypes:
        """As the network takes it: a batch of one class."""
        text = None if self.text is None else self.text[None]
        return Prototypes(self.background[None], self.foreground[None], text)


def save_class(learned: ClassPrototype, path: Path) -> None:
    """Write a class file; no image goes into it but the thumbnail. DataError for another ending."""
    if path.suffix != ENDING:
        raise DataError(f"{path} does not end in {ENDING}, as a class file does.")
    tensors = {
        "background": learned.background,
        "foreground": learned.foreground,
        "thumbnail": torch.from_numpy(np.ascontiguousarray(learned.thumbnail)),
    }
    if learned.text is not None:
        tensors["text"] = learned.text
    for key, value in (learned.fusion or {}).items():
        tensors[_FUSION + key] = value.half()
    about = {
        "name": learned.name,
        "by_name": learned.by_name,
        "shots": learned.shots,
        "model": learned.model[0],
        "model_name": learned.model[1],
        "cdpnet": version(),
    }
    with atomic(path) as temporary:
        temporary.write_bytes(save(tensors, {_KEY: json.dumps(about, ensure_ascii=False)}))


def load_class(path: Path) -> ClassPrototype:
    """Read a class file. DataError where it is missing, broken or of another kind."""
    if not path.is_file():
        raise DataError(f"There is no class file {path}; `cdpnet learn` makes one.")
    try:
        with safe_open(path, "pt") as file:
            about: dict[str, Any] = json.loads((file.metadata() or {})[_KEY])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is not a dictionary
        fusion = {key.removeprefix(_FUSION): t.float() for key, t in tensors.items() if key.startswith(_FUSION)}
        return ClassPrototype(
            about["name"],
            tensors["background"],
            tensors["foreground"],
            tensors.get("text"),
            bool(about["by_name"]),
            int(about["shots"]),
            tensors["thumbnail"].numpy(),
            (about["model"], about["model_name"]),
            fusion or None,
        )
    except (SafetensorError, KeyError, TypeError, ValueError):
        raise DataError(f"{path} is not a class file, or is cut off; `cdpnet learn` makes one.") from None


def load_classes(paths: list[Path], fingerprint: str, model: str) -> list[ClassPrototype]:
    """Read class files for a network. DataError for one of another network, and for two of one name."""
    by_name: dict[str, Path] = {}
    loaded = []
    for path in paths:
        learned = load_class(path)
        if learned.model[0] != fingerprint:
            raise DataError(
                f"{path} was learned by another model ({learned.model[1]}, {learned.model[0]}) than the one in use "
                f"({model}, {fingerprint}); pass that one as --model, or learn the class again."
            )
        if learned.name in by_name:
            raise DataError(f"{by_name[learned.name]} and {path} both hold the class {learned.name!r}; leave one out.")
        by_name[learned.name] = path
        loaded.append(learned)
    return loaded
