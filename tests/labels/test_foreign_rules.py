"""Files as the tools that own the formats read them; the rules are stated here and share nothing with the package."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO
from scipy import ndimage

from cdpnet.labels.formats import write_labels
from cdpnet.labels.label_set import FormatName, LabelSet
from cdpnet.labels.regions import ImageLabels, region_from_mask
from tests.labels.filling import fill_by_labelme, fill_by_trainers

CLASSES = ("weld crack", "Ölkanne")
SIZE = (45, 60)


def blobs(seed: int) -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(seed).random(SIZE), 3) > 0.5


def thin() -> np.ndarray:
    """Lines of one pixel, a diagonal, single pixels, two parts that touch at a corner, and one that fills a corner."""
    mask = np.zeros(SIZE, bool)
    mask[5, 3:55] = mask[10:40, 30] = mask[44, 57] = mask[20, 20] = mask[21, 21] = True
    steps = np.arange(18)
    mask[25 + steps, 5 + steps] = mask[40 - steps, 35 + steps] = True
    mask[:3, 57:] = True
    return mask


def holes() -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[3:42, 5:55] = True
    mask[10, 10] = mask[20:30, 20:40] = mask[12:40:7, 42:54:5] = False
    mask[24, 30] = True  # an island in a hole
    return mask


MASKS = {"blobs.png": blobs(0), "more.png": blobs(1), "thin.png": thin(), "deep/holes.png": holes()}
MASKS["noise.png"] = np.random.default_rng(2).random(SIZE) < 0.6
MASKS["all.png"] = np.ones(SIZE, bool)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    (folder / "deep").mkdir()
    for name in MASKS:
        Image.new("RGB", SIZE[::-1]).save(folder / name)
    return folder


def write(name: FormatName, images: Path, out: Path, *, copy: bool = False) -> Path:
    labels = [ImageLabels(image, *SIZE, (region_from_mask(mask, CLASSES[1], 0.5),)) for image, mask in MASKS.items()]
    write_labels(labels, LabelSet(images, out, CLASSES, copy_images=copy), name)
    return out


def outlines_of_yolo(path: Path) -> list[np.ndarray]:
    """The points (n, 2) of each line as trainers have them: fractions as 32-bit numbers, times width and height."""
    lines = [line.split() for line in path.read_text().splitlines()]
    assert {number for number, *_ in lines} == {"1"}
    assert all(0 <= float(share) <= 1 for _, *shares in lines for share in shares)
    return [np.array(shares, np.float32).reshape(-1, 2) * SIZE[::-1] for _, *shares in lines]


def test_labelme(images: Path, tmp_path: Path) -> None:
    out = write("labelme", images, tmp_path)
    for image, mask in MASKS.items():
        shapes = json.loads((out / image).with_suffix(".json").read_text())["shapes"]
        assert all(shape["shape_type"] == "polygon" and len(shape["points"]) >= 3 for shape in shapes)
        filled = [fill_by_labelme(np.array(shape["points"]), SIZE) for shape in shapes]
        assert np.array_equal(np.any(filled, axis=0), mask), image


@pytest.mark.parametrize("to_pixels", [np.trunc, np.round])  # ultralytics, supervision
def test_yolo(to_pixels: Callable[[np.ndarray], np.ndarray], images: Path, tmp_path: Path) -> None:
    out = write("yolo", images, tmp_path)
    for image, mask in MASKS.items():
        outlines = outlines_of_yolo((out / "labels" / image).with_suffix(".txt"))
        filled = [fill_by_trainers(to_pixels(points).astype(int), SIZE) for points in outlines]
        assert np.array_equal(np.any(filled, axis=0), mask), image


def test_yolo_in_opencv(images: Path, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    out = write("yolo", images, tmp_path)
    for image, mask in MASKS.items():
        filled = np.zeros(SIZE, np.uint8)
        for points in outlines_of_yolo((out / "labels" / image).with_suffix(".txt")):
            cv2.fillPoly(filled, [points.astype(np.int32)], 1)
        assert np.array_equal(filled, mask), image


def test_yolo_where_trainers_add_points(images: Path, tmp_path: Path) -> None:
    """Ultralytics interpolates outlines to 1,000 points and cuts off what lies between pixels."""
    out = write("yolo", images, tmp_path)
    for image, mask in MASKS.items():
        filled = np.zeros(SIZE, bool)
        for points in outlines_of_yolo((out / "labels" / image).with_suffix(".txt")):
            closed = np.concatenate([points, points[:1]])
            at = np.union1d(np.linspace(0, len(points), 1000), np.arange(len(closed)))
            added = [np.interp(at, np.arange(len(closed)), closed[:, axis]) for axis in (0, 1)]
            pixels = np.trunc(np.stack(added, axis=1).astype(np.float32)).astype(int)
            filled |= fill_by_trainers(pixels, SIZE)
        assert (filled & mask).sum() / (filled | mask).sum() > 0.99, image


@pytest.mark.parametrize("copy", [False, True])
def test_trainers_find_images_and_labels_of_yolo(copy: bool, images: Path, tmp_path: Path) -> None:
    """A list names images from its own folder on; `images` in their paths becomes `labels`."""
    out = write("yolo", images, tmp_path / "out", copy=copy)
    content = yaml.safe_load((out / "data.yaml").read_text(encoding="utf-8"))
    assert content["names"] == dict(enumerate(CLASSES))
    assert "path" not in content  # so it is the folder of the file, from wherever the trainer is started
    lists = {key: (out / content[key]).read_text().splitlines() for key in ("train", "val")}
    assert sorted(lists["train"] + lists["val"]) == sorted(f"./images/{name}" for name in MASKS)
    assert lists["train"]
    assert lists["val"]
    for line in (*lists["train"], *lists["val"]):
        path = out / line.removeprefix("./")
        assert path.is_symlink() != copy
        assert Image.open(path).size == SIZE[::-1]
        head, _, tail = str(path).rpartition("/images/")
        assert Path(f"{head}/labels/{tail}").with_suffix(".txt").is_file()


def test_coco(images: Path, tmp_path: Path) -> None:
    coco = COCO(str(write("coco", images, tmp_path) / "annotations.json"))
    for annotation in coco.loadAnns(coco.getAnnIds()):
        name = coco.loadImgs(annotation["image_id"])[0]["file_name"]
        assert np.array_equal(np.asarray(coco.annToMask(annotation)), MASKS[name])
        assert (annotation["category_id"], annotation["score"]) == (2, 0.5)


def test_cvat(images: Path, tmp_path: Path) -> None:
    """A mask is a box, with the lengths of unmarked and marked runs in turn along its rows."""
    root = ET.parse(write("cvat", images, tmp_path) / "annotations.xml").getroot()
    assert root.findtext("version") == "1.1"
    assert [label.findtext("name") for label in root.iter("label")] == list(CLASSES)
    assert [image.get("name") for image in root.iter("image")] == list(MASKS)
    for image in root.iter("image"):
        (mask,) = image
        assert mask.tag == "mask"
        assert mask.get("label") == CLASSES[1]
        left, top, width, height = (int(mask.get(key, "")) for key in ("left", "top", "width", "height"))
        pixels: list[bool] = []
        for i, length in enumerate(mask.get("rle", "").split(", ")):
            pixels += [i % 2 == 1] * int(length)
        found = np.zeros(SIZE, bool)
        found[top : top + height, left : left + width] = np.array(pixels).reshape(height, width)
        assert np.array_equal(found, MASKS[image.get("name", "")])


def test_pascal_voc(images: Path, tmp_path: Path) -> None:
    out = write("voc", images, tmp_path)
    for name, expected in MASKS.items():
        mask = Image.open((out / "SegmentationClass" / name).with_suffix(".png"))
        assert mask.mode == "P"
        assert np.array_equal(np.array(mask), 2 * expected)
        assert (out / "JPEGImages" / name).is_file()
    palette = np.array(mask.getpalette()).reshape(-1, 3)
    published = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 7: (128, 128, 128), 8: (64, 0, 0), 15: (192, 128, 128)}
    for number, colour in {**published, 20: (0, 64, 128), 255: (224, 224, 192)}.items():
        assert tuple(palette[number]) == colour
    lists = {
        name: (out / "ImageSets" / "Segmentation" / f"{name}.txt").read_text().split()
        for name in ("train", "val", "trainval")
    }
    assert lists["trainval"] == [str(Path(name).with_suffix("")) for name in MASKS]
    assert sorted(lists["train"] + lists["val"]) == sorted(lists["trainval"])
    assert (out / "labelmap.txt").read_text(encoding="utf-8").splitlines()[1:] == [
        "background:0,0,0::",
        "weld crack:128,0,0::",
        "Ölkanne:0,128,0::",
    ]


@pytest.mark.parametrize("width", [7, 640, 4000, 30000])
def test_every_column_of_a_wide_image_is_found_again(width: int, tmp_path: Path) -> None:
    columns = np.unique(np.random.default_rng(0).integers(0, width, 200))
    columns = columns[np.diff(columns, prepend=-9) > 1]  # parts of one pixel each
    mask = np.zeros((1, width), bool)
    mask[0, columns] = True
    labels = ImageLabels("a.png", 1, width, (region_from_mask(mask, CLASSES[1]),))
    (tmp_path / "a.png").touch()
    write_labels([labels], LabelSet(tmp_path, tmp_path / "out", CLASSES), "yolo")
    lines = (tmp_path / "out" / "labels" / "a.txt").read_text().splitlines()
    shares = np.array([line.split()[1] for line in lines], np.float32)
    for to_pixels in (np.trunc, np.round):
        assert sorted(to_pixels(shares * np.float32(width)).tolist()) == columns.tolist()
