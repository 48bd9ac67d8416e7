"""A folder of images with labels in COCO's format, which the commands about labels convert and compare."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from cdpnet.labels.formats import write_labels
from cdpnet.labels.label_set import LabelSet
from cdpnet.labels.regions import ImageLabels, region_from_mask
from tests.cli.running import run

SIZE = (20, 30)


def labels_of(name: str, left: int) -> ImageLabels:
    """A crack with a hole, from a column on, and a dent that covers its corner."""
    crack, dent = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    crack[4:14, left : left + 10], dent[12:18, left : left + 4] = True, True
    crack[7:9, left + 4 : left + 6] = False
    return ImageLabels(name, *SIZE, (region_from_mask(crack, "crack"), region_from_mask(dent, "dent")))


def make_folder(tmp_path: Path) -> Path:
    """Images, and their labels in COCO's format."""
    names = ("a.png", "deep/b.png")
    for name in names:
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE[::-1], "grey").save(path)
    target = LabelSet(tmp_path / "images", tmp_path / "coco", ("crack", "dent"))
    write_labels([labels_of(name, 2 + 3 * i) for i, name in enumerate(names)], target, "coco")
    return tmp_path


def convert(folder: Path, source: str, out: str, *options: object) -> subprocess.CompletedProcess[str]:
    return run("labels", "convert", source, out, "--images", "images", *options, cwd=folder)
