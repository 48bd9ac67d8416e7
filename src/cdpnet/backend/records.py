"""What a project remembers of Label Studio: the images of its tasks, and what its annotations have become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from cdpnet.errors import DataError
from cdpnet.io.documents import read_json
from cdpnet.io.files import write_json
from cdpnet.values import decode

FILE = "label_studio.json"
FORMAT = 1


@dataclass(frozen=True)
class TaughtAnnotation:
    """What an annotation has become. image: id; examples: ids; revision: of the image right after it."""

    image: str
    examples: tuple[str, ...]
    revision: int


@dataclass(frozen=True)
class Records:
    """config: the labelling configuration of the last setup. images: files of the project by the addresses of tasks.

    annotations: by their numbers, as text.
    """

    config: str = ""
    images: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, TaughtAnnotation] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write the file; readers see all of it or none."""
        write_json({"format": FORMAT, **asdict(self)}, folder / FILE)

    def with_image(self, address: str, file: str) -> Records:
        """With one more address."""
        return replace(self, images={**self.images, address: file})

    def with_annotation(self, number: int, taught: TaughtAnnotation) -> Records:
        """With one more annotation, which takes the place of others of its image."""
        others = {key: one for key, one in self.annotations.items() if one.image != taught.image}
        return replace(self, annotations={**others, str(number): taught})

    def without_annotation(self, number: int) -> Records:
        """Without an annotation."""
        return replace(self, annotations={key: one for key, one in self.annotations.items() if key != str(number)})


def load_records(folder: Path) -> Records:
    """Read the file of a folder; empty records where there is none. DataError for a broken or newer one."""
    path = folder / FILE
    if not path.exists():
        return Records()
    values = read_json(path)
    stated = values.get("format") if isinstance(values, dict) else None
    if isinstance(stated, int) and stated > FORMAT:
        raise DataError(
            f"{path} has the format {stated} of a newer version of cdpnet, and this one reads {FORMAT}; install it."
        )
    try:
        if stated != FORMAT or not isinstance(values, dict):
            raise ValueError("no format")
        images, annotations = values["images"], values["annotations"]
        if not isinstance(values["config"], str) or not all(isinstance(file, str) for file in images.values()):
            raise ValueError("a name that is no text")
        taught = {key: decode(TaughtAnnotation, one) for key, one in annotations.items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DataError(f"{path} is damaged; put a copy of it in its place, or remove it.") from None
    return Records(values["config"], images, taught)
