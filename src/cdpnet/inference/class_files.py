"""Learned classes, and the small files that store them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor

from cdpnet.errors import DataError
from cdpnet.inference.class_examples import ClassExample
from cdpnet.io.files import TENSORS_ENDING, require_class_file, write_bytes
from cdpnet.io.tensors import open_tensors
from cdpnet.network.outputs import Prototypes
from cdpnet.runtime.provenance import version
from cdpnet.runtime.text import check_class_name
from cdpnet.values import decode

_KEY, _FUSION, _EXAMPLES = "cdpnet_class", "fusion.", "examples."
_PICTURE = re.compile(r"([0-9a-f]{64})?")  # SHA-256
_MOST_SHOTS = 2**31
_FLOATS = (torch.float16, torch.float32, torch.float64)  # those that numpy has
_MOST_SIDE = 1024  # pixels of the thumbnail, which has some 100
_MOST_BYTES = 2**27  # a class file has some 100 KB, and an adapted fusion some MB


@dataclass(frozen=True, eq=False)
class ClassPrototype:
    """A class as a network has learned it.

    background, foreground, text: prototypes (C,) each; text is None for a network that reads no names, and zero where
    this name was not read. by_name: whether the network recognises the name in the examples. shots: number of examples,
    0 for a class of which only the name is known. thumbnail: (h, w, 4), a small version of the first example with its
    mask, 0 or 255, as the fourth channel; (h, w, 3) without an example, and in files that were written before. model:
    the network's fingerprint and its description. fusion: weights of the fusion that was adapted to the class, None for
    the network's own. parts: prototypes (2, n, C) of its parts, see `part_prototypes`, or None. examples: what the
    class keeps of each example; empty for a class that version 0.2 has learned. min_presence: the probability of
    presence, 0..1, below which the class is absent, from images without it; None for the network's own.
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
    parts: Tensor | None = None
    examples: tuple[ClassExample, ...] = ()
    min_presence: float | None = None

    @property
    def stored_examples(self) -> tuple[ClassExample, ...]:
        """The examples; all of them as one where the class does not keep them apart."""
        if self.examples or not self.shots:
            return self.examples
        return (ClassExample(self.background, self.foreground, self.parts, None, self.shots),)

    @property
    def reads_name(self) -> bool:
        """Whether the network reads the name, recognised or not."""
        return self.text is not None and bool(self.text.any())

    def to_prototypes(self) -> Prototypes:
        """The prototypes as a batch of one class."""
        stored = self.background, self.foreground, self.text, self.parts
        return Prototypes(*(None if part is None else part[None] for part in stored))  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Metadata:
    """The fields of a class file that are not tensors, stored as JSON.

    model: fingerprint of the network. model_name: its description. cdpnet: version that wrote the file. example_shots,
    similarities, pictures: of K examples, see `ClassExample`; empty in a file of version 0.2. min_presence: as in
    `ClassPrototype`.
    """

    name: str
    by_name: bool
    shots: int
    model: str
    model_name: str
    cdpnet: str
    example_shots: tuple[int, ...] = ()
    similarities: tuple[float | None, ...] = ()
    pictures: tuple[str, ...] = ()
    min_presence: float | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> _Metadata:
        """TypeError, ValueError or RecursionError where the text is not metadata of a class file."""
        found = decode(cls, {"cdpnet": "", **json.loads(text)})
        if not 0 <= found.shots < _MOST_SHOTS or not found.name.strip():
            raise ValueError("shots or name")
        if found.min_presence is not None and not 0 <= found.min_presence <= 1:
            raise ValueError("min_presence")
        found._check_examples()
        return found

    def _check_examples(self) -> None:
        """ValueError where what is said about the examples does not agree."""
        shots, similarities = self.example_shots, self.similarities
        if not len(shots) == len(similarities) == len(self.pictures):
            raise ValueError("number of examples")
        if shots and (min(shots) < 1 or sum(shots) != self.shots):
            raise ValueError("shots of the examples")
        if not all(value is None or isfinite(value) for value in similarities):
            raise ValueError("similarities")
        if not all(_PICTURE.fullmatch(picture) for picture in self.pictures):
            raise ValueError("pictures")


def save_class(learned: ClassPrototype, path: str | Path) -> None:
    """Write a class file; of the example images it holds the thumbnail only. DataError for another ending."""
    path = Path(path)
    if path.suffix.lower() != TENSORS_ENDING:
        raise DataError(f"{path} does not end in {TENSORS_ENDING}, as a class file does.")
    examples = learned.stored_examples
    tensors = {
        "background": learned.background,
        "foreground": learned.foreground,
        "thumbnail": torch.from_numpy(np.ascontiguousarray(learned.thumbnail)),
    }
    if learned.text is not None:
        tensors["text"] = learned.text
    if learned.parts is not None:
        tensors["parts"] = learned.parts.contiguous()
    if examples:
        tensors[_EXAMPLES + "background"] = torch.stack([example.background for example in examples])
        tensors[_EXAMPLES + "foreground"] = torch.stack([example.foreground for example in examples])
    for key, value in (learned.fusion or {}).items():
        tensors[_FUSION + key] = value.half()
    metadata = _Metadata(
        learned.name,
        learned.by_name,
        learned.shots,
        *learned.model,
        version(),
        tuple(example.shots for example in examples),
        tuple(example.similarity for example in examples),
        tuple(example.picture for example in examples),
        learned.min_presence,
    )
    write_bytes(save(tensors, {_KEY: metadata.to_json()}), path)


def load_class(path: str | Path) -> ClassPrototype:
    """Read a class file. DataError where it is missing, broken or of another kind."""
    path = Path(path)
    require_class_file(path)
    try:
        with open_tensors(path, "a class file", _MOST_BYTES) as file:
            metadata = _Metadata.from_json((file.metadata() or {})[_KEY])
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118 - it is no dictionary
        _check_tensors(tensors, path, len(metadata.example_shots))
        fusion = {key.removeprefix(_FUSION): t.float() for key, t in tensors.items() if key.startswith(_FUSION)}
        return ClassPrototype(
            check_class_name(metadata.name, f"The name of the class in {path}"),
            tensors["background"],
            tensors["foreground"],
            tensors.get("text"),
            metadata.by_name,
            metadata.shots,
            tensors["thumbnail"].numpy(),
            (metadata.model, metadata.model_name),
            fusion or None,
            tensors.get("parts"),
            _read_examples(tensors, metadata),
            metadata.min_presence,
        )
    except (SafetensorError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise DataError(f"{path} is not a class file, or is cut off; `cdpnet learn` makes one.") from None


def _read_examples(tensors: Mapping[str, Tensor], metadata: _Metadata) -> tuple[ClassExample, ...]:
    """The examples of a class file, none for one of version 0.2. ValueError where its parts are not those of shots."""
    shots, parts = metadata.example_shots, tensors.get("parts")
    if not shots:
        return ()
    of_each: Sequence[Tensor | None] = [None] * len(shots)
    if parts is not None:
        if parts.shape[1] % metadata.shots:
            raise ValueError("parts")
        each = parts.shape[1] // metadata.shots
        of_each = torch.split(parts, [each * count for count in shots], dim=1)
    about = zip(shots, metadata.similarities, metadata.pictures, strict=True)
    return tuple(
        ClassExample(background, foreground, part, similarity, count, picture)
        for background, foreground, part, (count, similarity, picture) in zip(
            tensors[_EXAMPLES + "background"], tensors[_EXAMPLES + "foreground"], of_each, about, strict=True
        )
    )


def _check_tensors(tensors: Mapping[str, Tensor], path: Path, examples: int) -> None:
    """DataError names the first tensor of a class file that no class has. KeyError where one is missing.

    examples: their number K.
    """
    channels = tensors["foreground"].shape[:1]
    for name, value in tensors.items():
        if name == "thumbnail":
            sides = value.ndim == 3 and all(1 <= side <= _MOST_SIDE for side in value.shape[:2])
            fits = value.dtype == torch.uint8 and sides and value.shape[2] in (3, 4)
            wanted = f"an image (h, w, 4) in 8 bits of at most {_MOST_SIDE} x {_MOST_SIDE} pixels"
        elif name.startswith(_FUSION):
            fits, wanted = value.dtype in _FLOATS, "finite floating-point numbers"
        elif name == "parts":
            shape = value.ndim == 3 and value.shape[0] == 2 and value.shape[1] > 0 and value.shape[2:] == channels
            fits, wanted = value.dtype in _FLOATS and shape, f"two lists of {channels.numel()} finite numbers each"
        elif name.startswith(_EXAMPLES):
            fits = value.dtype in _FLOATS and value.shape == (examples, *channels)
            wanted = f"{examples} lists of {channels.numel()} finite numbers each"
        else:
            fits, wanted = value.dtype in _FLOATS and value.shape == channels, f"{channels.numel()} finite numbers"
        if not fits or not value.float().isfinite().all():
            raise DataError(f"{path} cannot be used: its tensor {name!r} is not {wanted}; learn the class again.")


def load_classes(paths: Sequence[str | Path], fingerprint: str, model: str) -> list[ClassPrototype]:
    """Read class files for a network with this fingerprint and description.

    DataError for a class of another network, and for two classes of one name.
    """
    path_of: dict[str, str | Path] = {}
    classes = []
    for path in paths:
        learned = load_class(path)
        if learned.model[0] != fingerprint:
            raise DataError(
                f"{path} was learned by another model ({learned.model[1]}, {learned.model[0]}) than the one in use "
                f"({model}, {fingerprint}); pass that one as --model, or learn the class again."
            )
        if learned.name in path_of:
            raise DataError(f"{path_of[learned.name]} and {path} both hold the class {learned.name!r}; leave one out.")
        path_of[learned.name] = path
        classes.append(learned)
    return classes
