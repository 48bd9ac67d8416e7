"""Read CVAT for images 1.1: one XML file with polygons, boxes, ellipses and masks of many images."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.io import run_lengths
from cdpnet.io.fields import FieldError
from cdpnet.io.outlines import MIN_POINTS, TOO_SHORT
from cdpnet.io.xml_documents import read_xml
from cdpnet.labels.label_set import check_image_size
from cdpnet.labels.rasterise import fill_ellipse, paste_mask
from cdpnet.labels.reading_notes import Note
from cdpnet.labels.regions import MOST_SHAPES, ImageLabels, Region, region_from_outlines

Size = tuple[int, int]
_MASK_MARGIN = 4  # times the pixels of its image that a mask may have


@dataclass(frozen=True)
class CvatShape:
    """A shape that is not decoded yet. kind: its element; number: from 1 in its image."""

    kind: str
    number: int
    attributes: dict[str, str]

    @property
    def label(self) -> str:
        """The class."""
        return self.text("label")

    @property
    def order(self) -> float:
        """Shapes of a higher order lie above others."""
        return self.value("z_order") if "z_order" in self.attributes else 0.0

    def text(self, key: str) -> str:
        """An attribute. FieldError where it is missing."""
        if key not in self.attributes:
            raise FieldError(f"{self._name} has no {key}")
        return self.attributes[key]

    def value(self, key: str) -> float:
        """An attribute as a finite number. FieldError where it is none."""
        return self.number_in(self.text(key), key)

    def number_in(self, text: str, key: str) -> float:
        """A part of an attribute as a finite number."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise FieldError(f"{key} of {self._name} is not a finite number")
        return value

    @property
    def _name(self) -> str:
        label = self.attributes.get("label")
        return f"{self.kind} {self.number}" + (f" ({label!r})" if label is not None else "")

    def decode(self, size: Size) -> Region:
        """The region of an image of ``size``, H, W. FieldError, which names the shape, where it is broken."""
        try:
            return _DECODERS[self.kind](self, size)
        except FieldError as error:
            named = str(error) if self._name in str(error) else f"{self._name}: {error}"
            raise FieldError(named) from None


@dataclass
class CvatImage:
    """An image of a file.

    image: its name, as the file has it; sides in pixels. shapes: those that mark an area; left_out: why others do not.
    """

    path: Path
    image: str
    size: Size
    shapes: list[CvatShape] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The labels of the shapes, each once."""
        return tuple(dict.fromkeys(shape.label for shape in self.shapes))

    @property
    def notes(self) -> tuple[Note, ...]:
        """How many shapes of which kind are left out."""
        return tuple(Note(sentence, n) for sentence, n in self.left_out.items())

    def read_mask(self, image: Path, label: str) -> NDArray[np.uint8]:
        """All shapes with a label as one mask (H, W), 0 or 1; see `read`."""
        return self.read(image, label).class_mask(label)

    def read(self, image: Path, only: str = "") -> ImageLabels:
        """The regions, the lowest first; notes count shapes without area.

        image: the file of the image. only: the one label to read. DataError where a shape is broken or the image has
        another size.
        """
        check_image_size(image, self.size, self.path)
        try:
            ordered = sorted(self.shapes, key=lambda shape: shape.order)
            regions = [shape.decode(self.size) for shape in ordered if not only or shape.label == only]
        except FieldError as error:
            raise DataError(f"{self.path}, image {self.image}: {error}; export it again from its tool.") from None
        return ImageLabels(image.name, *self.size, tuple(regions), self.notes)


@dataclass
class CvatFile:
    """The content of a file. class_names: of the task's labels, in their order."""

    class_names: list[str] = field(default_factory=list)
    images: list[CvatImage] = field(default_factory=list)


def read(path: Path) -> CvatFile:
    """The images of a file, with shapes that are not decoded yet. DataError where it is no file of CVAT for images."""
    found = CvatFile()
    for tags, attributes, text in read_xml(path):
        if tags[0] != "annotations":
            raise DataError(f"{path} has {tags[0]} as its root, not annotations as CVAT for images 1.1 has.")
        if tags == ("annotations", "track") and attributes is not None:
            raise DataError(f"{path} has tracks of a video; export the task as CVAT for images 1.1.")
        if tags[-3:] == ("labels", "label", "name") and text:
            found.class_names.append(text)
        elif tags == ("annotations", "image") and attributes is not None:
            found.images.append(_read_image(attributes, path))
        elif tags[:2] == ("annotations", "image") and len(tags) == 3 and attributes is not None:
            _add_shape(found.images[-1], tags[2], attributes)
    return found


def _read_image(attributes: dict[str, str], path: Path) -> CvatImage:
    name = attributes.get("name", "")
    try:
        height, width = (int(attributes.get(key, "")) for key in ("height", "width"))
        return CvatImage(path, name, run_lengths.check_size(height, width))
    except ValueError:
        raise DataError(f"{path}, image {name}: its height or width is not a whole number of pixels.") from None
    except FieldError as error:
        raise DataError(f"{path}, image {name}: {error}.") from None


def _add_shape(image: CvatImage, kind: str, attributes: dict[str, str]) -> None:
    if kind == "polygon" and attributes.get("points", ";;").count(";") < MIN_POINTS - 1:
        image.left_out[TOO_SHORT] += 1
    elif kind in _DECODERS:
        shape = CvatShape(kind, len(image.shapes) + 1, attributes)
        if shape.number > MOST_SHAPES:
            raise DataError(f"{image.path}, image {image.image}: it has more than {MOST_SHAPES:,} shapes.")
        if "label" not in attributes:
            raise DataError(f"{image.path}, image {image.image}: {kind} {shape.number} has no label.")
        image.shapes.append(shape)
    else:
        image.left_out[f"shapes of kind {kind} mark no area"] += 1


def _read_polygon(shape: CvatShape, size: Size) -> Region:
    pairs = [pair.split(",") for pair in shape.text("points").split(";")]
    if any(len(pair) != 2 for pair in pairs):
        raise FieldError("its points are not pairs x,y with ; between them")
    outline = [shape.number_in(part, "a point") for pair in pairs for part in pair]
    return region_from_outlines([outline], size, shape.label)


def _read_box(shape: CvatShape, size: Size) -> Region:
    """A box is turned clockwise about its centre."""
    first = np.array([shape.value("xtl"), shape.value("ytl")])
    last = np.array([shape.value("xbr"), shape.value("ybr")])
    (w, h), angle = (last - first) / 2, math.radians(_rotation(shape))
    along, down = w * np.array([math.cos(angle), math.sin(angle)]), h * np.array([-math.sin(angle), math.cos(angle)])
    corners = (first + last) / 2 + np.array([-along - down, along - down, along + down, down - along])
    return region_from_outlines([corners.ravel().tolist()], size, shape.label)


def _read_ellipse(shape: CvatShape, size: Size) -> Region:
    x, y, radius_x, radius_y = (shape.value(key) for key in ("cx", "cy", "rx", "ry"))
    return fill_ellipse((x, y), (radius_x, radius_y), _rotation(shape), size).region(size, shape.label)


def _read_mask(shape: CvatShape, size: Size) -> Region:
    """Run lengths along the rows of a box, unmarked and marked in turn, the first unmarked."""
    left, top, width, height = (shape.value(key) for key in ("left", "top", "width", "height"))
    n_pixels = width * height
    if min(width, height) < 1 or width % 1 or height % 1 or n_pixels > _MASK_MARGIN * size[0] * size[1]:
        raise FieldError("its width and height are not those of a mask in its image")
    counts = np.array([shape.number_in(part, "rle") for part in shape.text("rle").split(",")])
    if counts.min() < 0 or (counts % 1).any() or counts.sum() != n_pixels:
        raise FieldError(f"its run lengths do not add up to {width:g} x {height:g} pixels")
    marked = np.repeat(np.arange(len(counts)) % 2 == 1, counts.astype(np.int64)).reshape(int(height), int(width))
    return paste_mask(marked, (left, top), size).region(size, shape.label)


def _rotation(shape: CvatShape) -> float:
    return shape.value("rotation") if "rotation" in shape.attributes else 0.0


_DECODERS: dict[str, Callable[[CvatShape, Size], Region]] = {
    "polygon": _read_polygon,
    "box": _read_box,
    "ellipse": _read_ellipse,
    "mask": _read_mask,
}
