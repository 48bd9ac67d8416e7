"""YOLO's segmentation labels: a text file for each image, a line for each connected part of a class."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from cdpnet.errors import DataError
from cdpnet.io.files import read_text, write_text
from cdpnet.labels.label_set import NAMES, LabelSet
from cdpnet.labels.regions import ImageLabels, from_outlines, outlines

FOLDER, DATA = "labels", "data.yaml"
_FEWEST = 7  # numbers of a line: the class and three points


def file_of(image: str) -> str:
    """The file of an image's labels, below the folder of labels."""
    return f"{FOLDER}/{Path(image).with_suffix('.txt')}"


def write(found: ImageLabels, target: LabelSet) -> None:
    """Write the file of one image; it is empty where nothing was found. Points are shares of width and height."""
    lines = []
    for region in found.regions:
        number = target.classes.index(region.label)
        for outline in outlines(found.mask(region)):
            shares = (outline / (found.width, found.height)).ravel()
            lines.append(" ".join([str(number), *(f"{share:.8f}" for share in shares)]))
    write_text("".join(f"{line}\n" for line in lines), target.out / file_of(found.image))


def finish(target: LabelSet) -> None:
    """Write the names of the classes, plain and as YOLO's description of a data set."""
    target.write_names()
    images = Path(os.path.relpath(target.images, target.out)).as_posix()
    about = {"path": ".", "train": images, "val": images, "names": dict(enumerate(target.classes))}
    write_text(yaml.safe_dump(about, sort_keys=False, allow_unicode=True), target.out / DATA)


def read(path: Path, size: tuple[int, int], image: str) -> ImageLabels:
    """The regions of a file, of an image of H, W. DataError for a line that is no outline."""
    names, regions = names_near(path), []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            shares = [float(field) for field in fields[1:]]
            label = names.get(int(fields[0]), fields[0])
        except ValueError:
            raise DataError(f"Line {number} of {path} is not a class number followed by numbers.") from None
        if len(fields) < _FEWEST or len(fields) % 2 == 0:
            raise DataError(
                f"Line {number} of {path} has {len(fields)} numbers; an outline is a class and at least three points "
                "x y, and a box does not say which pixels it means."
            )
        points = [share * size[i % 2 == 0] for i, share in enumerate(shares)]
        regions.append(from_outlines([points], size, label))
    return ImageLabels(image, *size, tuple(regions))


def names_near(path: Path) -> dict[int, str]:
    """Class names from data.yaml or classes.txt beside a file of labels or up to two folders above it; maybe none."""
    for folder in list(path.resolve().parents)[:3]:
        if (folder / DATA).is_file():
            return _from_yaml(folder / DATA)
        if (folder / NAMES).is_file():
            return dict(enumerate(line.strip() for line in read_text(folder / NAMES).splitlines()))
    return {}


def _from_yaml(path: Path) -> dict[int, str]:
    try:
        names = yaml.safe_load(read_text(path))["names"]
        return {int(k): str(v) for k, v in (names.items() if isinstance(names, dict) else enumerate(names))}
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        raise DataError(f"{path} does not list names as YOLO's description of a data set does.") from None
