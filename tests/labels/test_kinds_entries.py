"""Labels that come in several entries, or in none: put together, left out or refused, with their pixels."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cdpnet.encoders.weights import read_state
from cdpnet.errors import DataError
from cdpnet.labels.examples import read_examples
from cdpnet.labels.reading import read_labels
from tests.cli.running import run

WIDTH, HEIGHT = 40, 30
SQUARE, SMALL = (10, 5, 20, 10), (2, 20, 10, 8)  # left, top, width, height: 200 and 80 pixels


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "images" / "a.jpg"
    path.parent.mkdir()
    Image.new("RGB", (WIDTH, HEIGHT), "gray").save(path)
    return path


def marked(image: Path, labels: Path) -> int:
    """The pixels of the one example."""
    (example,) = read_examples(image, labels, "cat")
    return int((example.mask == 1).sum())


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def outline(left: int, top: int, width: int, height: int) -> list[int]:
    return [left, top, left + width, top, left + width, top + height, left, top + height]


def coco(*annotations: tuple[str, int, Any], files: tuple[str, ...] = ("a.jpg",)) -> dict[str, Any]:
    """A COCO file of annotations: category, number of the file, segmentation."""
    names = sorted({name for name, _, _ in annotations})
    return {
        "images": [{"id": i, "file_name": file, "width": WIDTH, "height": HEIGHT} for i, file in enumerate(files)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, start=1)],
        "annotations": [
            {"id": i, "image_id": file, "category_id": names.index(name) + 1, "iscrowd": 0, "segmentation": shape}
            for i, (name, file, shape) in enumerate(annotations)
        ],
    }


def task(left: int, top: int, width: int, height: int) -> dict[str, Any]:
    value = {
        "x": 100 * left / WIDTH,
        "y": 100 * top / HEIGHT,
        "width": 100 * width / WIDTH,
        "height": 100 * height / HEIGHT,
        "rotation": 0,
        "rectanglelabels": ["cat"],
    }
    result = {"type": "rectanglelabels", "original_width": WIDTH, "original_height": HEIGHT, "value": value}
    return {"data": {"image": "a.jpg"}, "annotations": [{"result": [result]}]}


def test_black_is_the_ground_of_a_palette_whatever_its_number(image: Path, tmp_path: Path) -> None:
    """Tools that choose the palette of a colour mask may give the object the number 0."""
    red = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    red[5:15, 10:30, 0] = 255
    for order in ((1, 0), (0, 1)):
        palette = Image.fromarray(
            (red[..., 0] == 255).astype(np.uint8) if order == (0, 1) else (red[..., 0] == 0) * np.uint8(1)
        )
        palette = palette.convert("P")
        colours = [(0, 0, 0), (255, 0, 0)]
        palette.putpalette([value for number in order for value in colours[number]])
        palette.save(tmp_path / "m.png")
        assert marked(image, tmp_path / "m.png") == 200


def test_entries_of_one_image_are_read_together(image: Path, tmp_path: Path) -> None:
    labels = write(tmp_path / "tasks.json", [task(*SQUARE), task(*SMALL)])
    assert marked(image, labels) == 280
    found = read_labels(labels, image.parent).labels["a.jpg"]
    assert int(found.class_mask("cat").sum()) == 280
    labels = write(
        tmp_path / "coco.json",
        coco(("cat", 0, [outline(*SQUARE)]), ("cat", 1, [outline(*SMALL)]), files=("a.jpg", "./a.jpg")),
    )
    assert marked(image, labels) == 280


def test_an_object_on_top_of_another_takes_no_pixel_of_its_class(image: Path, tmp_path: Path) -> None:
    file = coco(("cat", 0, [outline(*SQUARE)]), ("dog", 0, [outline(12, 6, 5, 5)]))
    assert marked(image, write(tmp_path / "coco.json", file)) == 200


def test_a_region_outside_is_left_out(image: Path, tmp_path: Path) -> None:
    shapes = [
        {"label": "cat", "shape_type": "polygon", "points": [[100, 100], [120, 100], [120, 120]]},
        {"label": "cat", "shape_type": "rectangle", "points": [[10, 5], [29, 14]]},
    ]
    content = {"imagePath": "a.jpg", "imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": shapes}
    labels = write(tmp_path / "a.json", content)
    command = ("labels", "convert", labels, tmp_path / "out", "--images", image.parent, "--format", "cvat")
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert "regions that mark no pixel of their image are left out (1)" in done.stderr
    (found,) = read_labels(tmp_path / "out", image.parent).labels.values()
    assert [int(found.area(region)) for region in found.regions] == [200]


def test_a_label_file_of_two_images_is_refused(image: Path, tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / "two" / name).mkdir(parents=True)
        (tmp_path / "two" / name / "a.jpg").write_bytes(image.read_bytes())
    content = {"imagePath": "a.jpg", "imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": []}
    labels = write(tmp_path / "a.json", content)
    done = run("labels", "convert", labels, tmp_path / "out", "--images", tmp_path / "two", "--format", "coco")
    assert done.returncode == 2
    assert "a.json may mark" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("segmentation", "says"), [(None, "it has no segmentation, at most a box"), ([], "no image")])
def test_a_box_is_no_mask(segmentation: object, says: str, image: Path, tmp_path: Path) -> None:
    labels = write(tmp_path / "coco.json", coco(("cat", 0, segmentation)))
    with pytest.raises(DataError, match=says):
        read_examples(image, labels, "cat")


@pytest.mark.parametrize("name", ["_annotations.coco.json", "instances_default.json"])
def test_a_folder_with_one_coco_file_is_read(name: str, image: Path, tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    write(tmp_path / "labels" / name, coco(("cat", 0, [outline(*SQUARE)])))
    (found,) = read_labels(tmp_path / "labels", image.parent).labels.values()
    assert int(found.class_mask("cat").sum()) == 200


def test_numpy_scalars_of_every_kind_are_no_obstacle(tmp_path: Path) -> None:
    scalars = [np.dtype(kind).type(1) for kind in "?bhilqBHILQefdFD"]
    buffer = io.BytesIO()
    torch.save({"model": {"weight": torch.ones(2)}, "about": scalars}, buffer)
    (tmp_path / "w.pt").write_bytes(buffer.getvalue())
    assert torch.equal(read_state(tmp_path / "w.pt")["weight"], torch.ones(2))


def test_an_image_of_another_size_is_left_out_and_the_others_are_examples(
    image: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    Image.new("RGB", (WIDTH + 1, HEIGHT), "gray").save(image.with_name("b.jpg"))
    shapes = [outline(*SQUARE)]
    labels = write(tmp_path / "coco.json", coco(("cat", 0, shapes), ("cat", 1, shapes), files=("a.jpg", "b.jpg")))
    (example,) = read_examples(image.parent, labels, "cat")
    assert (example.image, int((example.mask == 1).sum())) == (image, 200)
    (said,) = [str(one.message) for one in recwarn if "left out" in str(one.message)]
    assert said.startswith("An example is left out: ")
    assert f"is for an image of 40 x 30 pixels and {image.with_name('b.jpg')} has 41 x 30" in said
    with pytest.raises(DataError, match="is for an image of 40 x 30 pixels"):
        read_examples(image.with_name("b.jpg"), labels, "cat")
