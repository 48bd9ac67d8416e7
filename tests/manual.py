"""The code blocks of the manual and of README.md, and made-up files of the names that they use."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.cli.running import run
from tests.data.trees import make_folder
from tests.projects.making import draw_images, teach

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"^```(\{?[\w-]*\}?)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LARGE, _SMALL = (288, 352), (72, 96)  # height and width: of images that are clicked on, and of the others


@dataclass(frozen=True)
class Block:
    """A code block: its page below the repository, its language as the fence names it, the line where it begins."""

    page: str
    language: str
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """The pages of the manual and README.md, below the repository."""
    found = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))]
    return ["README.md", *found]


def blocks(page: str) -> list[Block]:
    """The code blocks of a page, in order; those of Sphinx itself, such as ``{toctree}``, are none."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(page, found[1], text[: found.start()].count("\n") + 1, found[2])
        for found in _BLOCK.finditer(text)
        if not found[1].startswith("{")
    ]


def shell_lines(block: Block) -> list[list[str]]:
    """The words of each line of a shell block, without comments; a line that ends in a backslash goes on."""
    joined = block.text.replace("\\\n", " ").splitlines()
    return [words for line in joined if (words := shlex.split(line, comments=True))]


def expand(words: list[str], folder: Path) -> list[str]:
    """Words with the patterns that a shell would fill in from the files of a folder."""
    found: list[str] = []
    for word in words:
        files = sorted(folder.glob(word)) if "*" in word and not word.startswith("/") else []
        found += [path.relative_to(folder).as_posix() for path in files] or [word]
    return found


def make_files(folder: Path) -> None:
    """Files of every name that the manual uses; each image shows a bright disc, the class of its mask."""
    for number, name in enumerate(("a", "b", "c", "d", "photo", "other", "worst")):
        mask = _picture(folder / f"{name}.jpg", number, _LARGE)
        if name in "abc":
            _save_mask(folder / f"{name}.png", mask)
    for name in ("mask", "b-corrected", "corrected"):
        _save_mask(folder / f"{name}.png", mask)
    _labelme(folder / "b.json", "b.jpg", _LARGE)
    for images in ("photos", "new", "more", "FOLDER", "images"):
        _many(folder / images)
    _labels(folder)
    for number, name in enumerate(("masks", "truth/masks", "labels/masks")):
        for image in "efg":
            _save_mask(folder / name / f"{image}.png", _disc(_SMALL), 255 if number == 0 else 1)
    for name in ("truth", "labels"):
        (folder / name / "classes.txt").write_text("crack\n")
    make_folder(folder / "own", parts=("train", "test"), each=12)
    (folder / "config.xml").write_text(
        '<View><Image name="image" value="$image"/><BrushLabels name="labels" toName="image"><Label value="crack"/>'
        "</BrushLabels></View>"
    )
    for name in ("crack", "fox", "dog", "snowflake"):
        done = run("learn", "--name", name, "--support", "a.jpg:a.png", "--out", f"{name}.safetensors", cwd=folder)
        assert done.returncode == 0, done.stderr


def make_project(folder: Path) -> None:
    """A project of the page in a folder, with one class that one image shows."""
    from cdpnet.projects.folder import held
    from cdpnet.projects.project import Project

    shutil.rmtree(folder)
    draw_images(folder / "images")
    with held(folder):
        teach(Project(folder))


def _many(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate("efg"):
        _picture(folder / f"{name}.jpg", number, _SMALL)


def _labels(folder: Path) -> None:
    """A COCO file and a folder of LabelMe files, about the images in ``photos``."""
    height, width = _SMALL
    box = [width // 4, height // 4, width // 2, height // 2]
    corners = [box[0], box[1], box[0] + box[2], box[1], box[0] + box[2], box[1] + box[3], box[0], box[1] + box[3]]
    images = [{"id": i, "file_name": f"{name}.jpg", "height": height, "width": width} for i, name in enumerate("efg")]
    annotations = [
        {"id": i, "image_id": i, "category_id": 1, "segmentation": [corners], "bbox": box, "area": 9, "iscrowd": 0}
        for i in range(3)
    ]
    values = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "Crack"}]}
    (folder / "annotations.json").write_text(json.dumps(values))
    (folder / "labelme").mkdir()
    for name in "efg":
        _labelme(folder / "labelme" / f"{name}.json", f"{name}.jpg", _SMALL)


def _labelme(path: Path, image: str, size: tuple[int, int]) -> None:
    (height, width), points = size, [[20, 20], [60, 20], [60, 50]]
    shapes = [{"label": name, "points": points, "shape_type": "polygon"} for name in ("crack", "weld crack", "dog")]
    values = {"version": "5.0", "imagePath": image, "imageHeight": height, "imageWidth": width, "shapes": shapes}
    path.write_text(json.dumps(values))


def _picture(path: Path, seed: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    pixels = np.random.default_rng(seed).integers(40, 120, (*size, 3), np.uint8)
    mask = _disc(size)
    pixels[mask] = (240, 220, 200)
    Image.fromarray(pixels).save(path)
    return mask


def _disc(size: tuple[int, int]) -> NDArray[np.bool_]:
    height, width = size
    y, x = np.mgrid[:height, :width]
    return np.asarray((y - height / 2) ** 2 + (x - width / 2) ** 2 < (height / 4) ** 2)


def _save_mask(path: Path, mask: NDArray[np.bool_], value: int = 255) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * value).save(path)
