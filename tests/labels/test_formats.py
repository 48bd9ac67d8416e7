"""Every format opens in an independent reader, and gives the same masks again."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cdpnet.data.readers.folder import open_folder
from cdpnet.errors import DataError
from cdpnet.labels import brush
from cdpnet.labels.examples import read_examples
from cdpnet.labels.formats import FORMATS, write_labels
from cdpnet.labels.label_set import FormatName, LabelSet
from cdpnet.labels.regions import ImageLabels, region_from_mask
from tests.labels.filling import fill_by_labelme, fill_by_trainers

CLASSES = ("weld crack", "Ölkanne")
SIZE = (40, 52)


def ring(top: int, left: int, side: int) -> np.ndarray:
    """A square with a hole in its middle."""
    mask = np.zeros(SIZE, bool)
    mask[top : top + side, left : left + side] = True
    third = side // 3
    mask[top + third : top + 2 * third, left + third : left + 2 * third] = False
    return mask


MASKS = {
    "a.jpg": {"weld crack": ring(3, 4, 20), "Ölkanne": ring(10, 30, 15)},
    "deep/b.png": {"Ölkanne": ring(20, 2, 12)},
}


@pytest.fixture
def labelled(tmp_path: Path) -> tuple[list[ImageLabels], LabelSet]:
    """Two labelled images, and one in which nothing was found."""
    images = tmp_path / "images"
    (images / "deep").mkdir(parents=True)
    found = []
    for name in (*MASKS, "empty.png"):
        Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(images / name)
        regions = tuple(region_from_mask(mask, label, 0.75) for label, mask in MASKS.get(name, {}).items())
        found.append(ImageLabels(name, *SIZE, regions))
    return found, LabelSet(images, tmp_path / "out", CLASSES)


def written(name: FormatName, labelled: tuple[list[ImageLabels], LabelSet]) -> Path:
    labels, target = labelled
    write_labels(labels, target, name)
    return target.out


def test_coco_opens_in_its_reader_and_scores(labelled: tuple[list[ImageLabels], LabelSet]) -> None:
    path = written("coco", labelled) / "annotations.json"
    coco = COCO(str(path))
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == ["a.jpg", "deep/b.png", "empty.png"]
    for annotation in coco.loadAnns(coco.getAnnIds()):
        name = coco.loadImgs(annotation["image_id"])[0]["file_name"]
        label = coco.loadCats(annotation["category_id"])[0]["name"]
        mask = coco.annToMask(annotation)
        assert np.array_equal(np.asarray(mask), MASKS[name][label])
        assert annotation["iscrowd"] == 0
        assert annotation["area"] == mask.sum()
    results = [{**annotation, "score": annotation["score"]} for annotation in coco.loadAnns(coco.getAnnIds())]
    scored = COCOeval(coco, coco.loadRes(results), "segm")
    scored.evaluate()
    scored.accumulate()
    scored.summarize()
    assert scored.stats[0] == pytest.approx(1.0)


def test_labelme_opens_in_a_reader_with_its_own_rule(labelled: tuple[list[ImageLabels], LabelSet]) -> None:
    out = written("labelme", labelled)
    content = json.loads((out / "a.json").read_text())
    assert (out / content["imagePath"]).resolve() == (labelled[1].images / "a.jpg").resolve()
    assert (out / "deep" / json.loads((out / "deep" / "b.json").read_text())["imagePath"]).is_file()
    assert content["imageData"] is None
    assert (content["imageHeight"], content["imageWidth"]) == SIZE
    for label, mask in MASKS["a.jpg"].items():
        filled = np.zeros(SIZE, bool)
        for shape in content["shapes"]:
            assert shape["shape_type"] == "polygon"
            if shape["label"] == label:
                filled |= fill_by_labelme(np.array(shape["points"]), SIZE)
        assert np.array_equal(filled, mask)
    assert json.loads((out / "empty.json").read_text())["shapes"] == []


@pytest.mark.parametrize("to_pixels", [np.floor, np.round])  # as ultralytics and supervision do
def test_yolo_parses_by_its_specification(
    to_pixels: Callable[[np.ndarray], np.ndarray], labelled: tuple[list[ImageLabels], LabelSet]
) -> None:
    """A line is a class number from 0 and x y pairs as fractions; trainers fill it by OpenCV's rule."""
    out = written("yolo", labelled)
    assert (out / "classes.txt").read_text(encoding="utf-8").split("\n")[:2] == list(CLASSES)
    for name, masks in MASKS.items():
        for label, mask in masks.items():
            filled = np.zeros(SIZE, bool)
            for line in (out / "labels" / Path(name).with_suffix(".txt")).read_text().splitlines():
                number, *shares = line.split()
                if CLASSES[int(number)] == label:
                    points = np.array(shares, np.float32).reshape(-1, 2) * SIZE[::-1]
                    filled |= fill_by_trainers(to_pixels(points).astype(int), SIZE)
            assert np.array_equal(filled, mask)
    assert (out / "labels" / "empty.txt").read_text() == ""


@pytest.mark.parametrize("name", get_args(FormatName))
def test_names_that_a_format_cannot_hold_are_refused_before_anything_is_written(
    name: FormatName, tmp_path: Path
) -> None:
    target = LabelSet(tmp_path / "images", tmp_path / "out", CLASSES)
    with pytest.raises(DataError, match=r"^b\\udcff.png cannot have labels: Its name is not text in UTF-8"):
        write_labels([ImageLabels("a.png", *SIZE), ImageLabels("b\udcff.png", *SIZE)], target, name)
    assert not target.out.exists()


def test_label_studio_decodes_by_the_published_layout(labelled: tuple[list[ImageLabels], LabelSet]) -> None:
    tasks = json.loads((written("labelstudio", labelled) / "tasks.json").read_text())
    assert [task["data"]["image"].partition("?d=")[2] for task in tasks] == ["a.jpg", "deep/b.png", "empty.png"]
    for task, masks in zip(tasks, [*MASKS.values(), {}], strict=True):
        (prediction,) = task["predictions"]
        assert len(prediction["result"]) == len(masks)
        for result in prediction["result"]:
            assert (result["original_height"], result["original_width"]) == SIZE
            decoded = rle_pack(result["value"]["rle"])
            rgba = np.array(decoded, np.uint8).reshape(*SIZE, 4)
            assert np.array_equal(rgba[..., 3] > 0, masks[result["value"]["brushlabels"][0]])


def rle_pack(data: list[int]) -> list[int]:
    """A decoder of the format, bit by bit, as its authors describe it."""
    bits = iter("".join(f"{byte:08b}" for byte in data))

    def read(n: int) -> int:
        return int("".join(next(bits) for _ in range(n)), 2)

    count, width = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < count:
        repeated = read(1)
        length = read(sizes[read(2)]) + 1
        values += [read(width)] * length if repeated else [read(width) for _ in range(length)]
    return values


def test_run_lengths_of_label_studio_go_both_ways() -> None:
    rng = np.random.default_rng(0)
    for size in ((1, 1), (3, 7), (300, 400)):
        for mask in (np.zeros(size, np.uint8), np.ones(size, np.uint8), rng.integers(0, 2, size).astype(np.uint8)):
            assert np.array_equal(brush.decode_mask(brush.encode_mask(mask), size), mask > 0)
    literal = [1, *np.array([0, 0, 255, 255])]  # words one by one, which our writer does not use
    bits = f"{4:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}0{0:02b}{3:03b}" + "".join(f"{w:08b}" for w in literal[1:])
    stream = bits + "0" * (-len(bits) % 8)
    data = [int(stream[i : i + 8], 2) for i in range(0, len(stream), 8)]
    assert brush.decode_mask(data, (1, 1)).tolist() == [[True]]


def test_png_masks_are_read_as_a_data_set(labelled: tuple[list[ImageLabels], LabelSet]) -> None:
    out = written("png", labelled)
    _, target = labelled
    Path(out / "images").symlink_to(target.images)
    labels = open_folder(out).labels("train", "a")
    expected = np.where(MASKS["a.jpg"]["Ölkanne"], 2, MASKS["a.jpg"]["weld crack"])
    assert np.array_equal(labels, expected)


@pytest.mark.parametrize("name", ["png", "coco", "labelme", "yolo", "labelstudio"])
def test_examples_are_read_as_they_were_written(name: FormatName, labelled: tuple[list[ImageLabels], LabelSet]) -> None:
    out, (_, target) = written(name, labelled), labelled
    annotations = {
        "coco": out / "annotations.json",
        "labelme": out / "a.json",
        "yolo": out / "labels" / "a.txt",
        "labelstudio": out / "tasks.json",
        "png": out / "masks" / "a.png",
    }[name]
    (example,) = read_examples(target.images / "a.jpg", annotations, "weld crack")
    assert example.image == target.images / "a.jpg"
    assert np.array_equal(np.asarray(example.mask), MASKS["a.jpg"]["weld crack"])
    says = r"several classes.* are 1 .*, 2 " if name == "png" else r"no label 'dent'.*weld crack"
    with pytest.raises(DataError, match=says):
        read_examples(target.images / "a.jpg", annotations, "dent")


@pytest.mark.parametrize(("name", "marks"), [("labelme", "."), ("yolo", "labels")])
def test_folders_of_images_and_labels(
    name: FormatName, marks: str, labelled: tuple[list[ImageLabels], LabelSet]
) -> None:
    out, (_, target) = written(name, labelled), labelled
    found = read_examples(target.images, out / marks, "weld crack")
    assert [example.image.name for example in found] == ["a.jpg"]
    with pytest.raises(DataError, match="shows 'dent'"):
        read_examples(target.images, out / marks, "dent")


@pytest.mark.parametrize("name", ["coco", "labelstudio"])
def test_a_folder_and_one_file(name: FormatName, labelled: tuple[list[ImageLabels], LabelSet]) -> None:
    out, (_, target) = written(name, labelled), labelled
    file = next(out.glob("*.json"))
    found = read_examples(target.images, file, "weld crack")
    assert [example.image.name for example in found] == ["a.jpg"]
    assert np.array_equal(np.asarray(found[0].mask), MASKS["a.jpg"]["weld crack"])


def test_other_shapes_of_labelme(tmp_path: Path) -> None:
    Image.new("RGB", SIZE[::-1]).save(tmp_path / "a.png")
    patch = Image.fromarray(np.eye(4, dtype=np.uint8) * 255)
    buffer = io.BytesIO()
    patch.save(buffer, "PNG")
    shapes: list[dict[str, Any]] = [
        {"label": "box", "points": [[2, 3], [10, 8]], "shape_type": "rectangle"},
        {"label": "disc", "points": [[20, 20], [20, 25]], "shape_type": "circle"},
        {"label": "line", "points": [[0, 0], [5, 5]], "shape_type": "line"},
        {
            "label": "pasted", "points": [[30, 10], [33, 13]], "shape_type": "mask",
            "mask": base64.b64encode(buffer.getvalue()).decode(),
        },
    ]  # fmt: skip
    content = {"shapes": shapes, "imagePath": "a.png", "imageHeight": SIZE[0], "imageWidth": SIZE[1]}
    (tmp_path / "a.json").write_text(json.dumps(content))

    def mask(label: str) -> np.ndarray:
        (example,) = read_examples(tmp_path / "a.png", tmp_path / "a.json", label)
        return np.asarray(example.mask)

    assert mask("box").sum() == 9 * 6  # with its border, as LabelMe draws it
    assert mask("disc").sum() == pytest.approx(np.pi * 5.5**2, rel=0.03)
    assert np.array_equal(mask("pasted")[10:14, 30:34], np.eye(4))
    with pytest.raises(DataError, match=r"no label 'line': .*; shapes of kind line mark no area"):
        mask("line")


def test_polygons_of_label_studio_and_of_coco(tmp_path: Path) -> None:
    Image.new("RGB", (50, 40)).save(tmp_path / "a b.png")
    result = {
        "original_width": 50, "original_height": 40,
        "value": {"points": [[10, 25], [50, 25], [50, 75], [10, 75]], "polygonlabels": ["crack"]},
    }  # fmt: skip
    task = {"data": {"img": "https://example.org/upload/a%20b.png"}, "annotations": [{"result": [result]}]}
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    (example,) = read_examples(tmp_path / "a b.png", tmp_path / "tasks.json", "crack")
    assert np.array_equal(np.argwhere(np.asarray(example.mask)).min(axis=0), [10, 5])
    assert np.asarray(example.mask).sum() == 20 * 20
    coco = {
        "images": [{"id": 7, "file_name": "a b.png", "height": 40, "width": 50}],
        "categories": [{"id": 3, "name": "crack"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "segmentation": [[5, 10, 25, 10, 25, 30, 5, 30]]}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    (again,) = read_examples(tmp_path / "a b.png", tmp_path / "coco.json", "crack")
    assert np.array_equal(np.asarray(again.mask), np.asarray(example.mask))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.json", "{", "not complete JSON"),
        ("a.json", '{"shapes": 3}', "not a LabelMe file"),
        ("a.json", '[{"data": {"image": "a.png"}, "annotations": [{"result": [{}]}]}]', "no label 'crack'"),
        ("a.json", "[3]", "not a Label Studio export"),
        ("a.json", "7", "not a label file"),
        ("a.txt", "0 0.1 0.1 0.5", "a box has five, an outline a class number and at least three points"),
        ("a.txt", "crack 0.1 0.1 0.2 0.2 0.1 0.3", "crack is not a finite number"),
        ("none.png", None, "There is no file"),
    ],
)
def test_broken_label_files_are_refused(file: str, content: str | None, message: str, tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    if content is not None:
        (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=message):
        read_examples(tmp_path / "a.png", tmp_path / file, "crack")


def test_every_name_has_its_format() -> None:
    assert set(FORMATS) == set(get_args(FormatName))
