"""Small data sets on disk, in the layouts that the readers know."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (104, 120)  # height and width of most images


def labels_of(seed: int, n_classes: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Rectangles of one to three classes on background, some with a border of 255."""
    chance = random.Random(seed)
    labels = np.zeros(size, np.uint8)
    for number in chance.sample(range(1, n_classes + 1), chance.randint(1, 3)):
        h, w = chance.randint(20, 70), chance.randint(20, 70)
        top, left = chance.randint(0, size[0] - h), chance.randint(0, size[1] - w)
        labels[top : top + h, left : left + w] = 255
        labels[top + 1 : top + h - 1, left + 1 : left + w - 1] = number
    return labels


def save_image(path: Path, seed: int, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, quality=90)


def save_labels(path: Path, labels: NDArray[np.uint8], *, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels)
    if palette:
        image = image.convert("P")
        image.putpalette([(37 * i + part) % 256 for i in range(256) for part in (0, 80, 160)])
    image.save(path)


def make_voc(root: Path, *, palette: bool = False, train: int = 24, val: int = 32) -> dict[str, NDArray[np.uint8]]:
    """VOC's tree with lists and masks of class numbers; the labels by identifier."""
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    names = [f"2007_{i:06d}" for i in range(train + val)]
    (lists / "train.txt").write_text("\n".join(names[:train]) + "\n")
    (lists / "val.txt").write_text("\n".join(names[train:]) + "\n")
    made = {}
    for seed, name in enumerate(names):
        size = SIZE if seed % 3 else (88, 131)
        made[name] = labels_of(seed, 20 if seed % 2 else 6, size)
        save_image(root / "JPEGImages" / f"{name}.jpg", seed, size)
        save_labels(root / "SegmentationClass" / f"{name}.png", made[name], palette=palette)
    return made


def make_folder(root: Path, *, parts: tuple[str, ...] = ("train", "test"), each: int = 16) -> None:
    """A folder of data with five classes."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "classes.txt").write_text("red thing\nblue thing\ndoor\nlamp\nroof\n")
    for number, part in enumerate(parts):
        for i in range(each):
            seed = 1000 * number + i
            save_image(root / part / "images" / f"{i:03d}.png", seed)
            save_labels(root / part / "masks" / f"{i:03d}.png", labels_of(seed, 5))


def make_coco(root: Path) -> Path:
    """One JSON of val2014 with three images of 20 x 30 pixels: overlaps, a crowd, a polygon, run lengths."""
    images = [{"id": 7 + i, "file_name": f"COCO_{i}.jpg", "height": 20, "width": 30} for i in range(3)]
    for i, image in enumerate(images):
        save_image(root / "val2014" / str(image["file_name"]), i, (20, 30))
    categories = [
        {"id": 18, "name": "dog", "supercategory": "animal"},
        {"id": 3, "name": "car", "supercategory": "vehicle"},
    ]
    annotations = [
        {"id": 1, "image_id": 7, "category_id": 18, "iscrowd": 0, "segmentation": [box(2, 2, 6, 6)]},
        {"id": 2, "image_id": 7, "category_id": 3, "iscrowd": 0, "segmentation": [box(0, 0, 10, 10)]},
        {"id": 3, "image_id": 7, "category_id": 3, "iscrowd": 1, "segmentation": runs(5, 5, 20, 15, (20, 30))},
        {"id": 4, "image_id": 8, "category_id": 18, "iscrowd": 0, "segmentation": runs(0, 0, 30, 4, (20, 30))},
    ]
    path = root / "annotations" / "instances_val2014.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"images": images, "categories": categories, "annotations": annotations}))
    return path


def box(left: int, top: int, right: int, bottom: int) -> list[int]:
    """A rectangle as a polygon."""
    return [left, top, right, top, right, bottom, left, bottom]


def runs(left: int, top: int, right: int, bottom: int, size: tuple[int, int]) -> dict[str, object]:
    """A rectangle as uncompressed run lengths, column by column."""
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = True
    flat = mask.T.flatten()
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *changes.tolist(), flat.size]).tolist()
    return {"counts": [0, *counts] if flat[0] else counts, "size": list(size)}


def make_fss(root: Path, classes: int = 25) -> None:
    """Three images of each class; a mask is light where the class is."""
    for number in range(classes):
        for i in (1, 2, 10):
            save_image(root / f"thing_{number:02d}" / f"{i}.jpg", 10 * number + i, (40, 50))
            mask = np.zeros((40, 50), np.uint8)
            mask[5:25, 10 : 12 + i] = 200
            mask[30:, :] = 100  # grey below 128 is background
            save_labels(root / f"thing_{number:02d}" / f"{i}.png", mask)
