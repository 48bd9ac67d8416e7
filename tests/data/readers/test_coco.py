"""COCO's reader against files made by hand, whole and broken."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cdpnet.data.protocols.index import build_index
from cdpnet.data.readers.coco import open_coco
from cdpnet.errors import DataError
from tests.data.trees import make_coco


def test_coco_overlaps_crowds_polygons_and_runs(tmp_path: Path) -> None:
    """The dog is the smaller and lies on the car, though it comes first; the crowd shows where no object lies."""
    make_coco(tmp_path)
    data = open_coco(tmp_path)
    assert data.class_names == ("car", "dog")
    assert data.categories == ("vehicle", "animal")
    names = data.identifiers("val")
    assert names == ("val2014/COCO_0.jpg", "val2014/COCO_1.jpg", "val2014/COCO_2.jpg")
    expected = np.zeros((20, 30), int)
    expected[5:15, 5:20] = -1
    expected[0:10, 0:10] = 1
    expected[2:6, 2:6] = 2
    assert np.array_equal(data.labels("val", names[0]), expected)
    assert (data.labels("val", names[1])[:4] == 2).all()
    assert not data.labels("val", names[2]).any()
    assert build_index(data, "val").areas.tolist() == [[84, 16], [0, 120], [0, 0]]
    with pytest.raises(DataError, match="no annotations for train"):
        data.identifiers("train")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[: len(text) // 2], "is not complete JSON"),
        (lambda text: text.replace('"annotations"', '"notes"'), "not a COCO file of instances"),
        (lambda text: text.replace('"height": 20, ', "", 1), "not a COCO file of instances"),
        (lambda text: text.replace('"name": "dog"', '"name": ""'), "the category with the id [0-9]+ has no name"),
        (lambda text: text.replace('"category_id": 3', '"category_id": 4'), "does not list both|not list both"),
    ],
)
def test_broken_coco_files(tmp_path: Path, change: object, says: str) -> None:
    path = make_coco(tmp_path)
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    with pytest.raises(DataError, match=says):
        open_coco(tmp_path).identifiers("val")


def test_the_year_with_both_parts_is_taken(tmp_path: Path) -> None:
    path = make_coco(tmp_path)
    for name in ("instances_val2017.json", "instances_train2017.json"):
        (path.parent / name).write_bytes(path.read_bytes())
    assert open_coco(tmp_path).edition == "instances_train2017.json, instances_val2017.json"
    (path.parent / "instances_train2014.json").write_bytes(path.read_bytes())
    assert open_coco(tmp_path).edition == "instances_train2014.json, instances_val2014.json"
    path.write_text(path.read_text().replace('"vehicle"', '""'))
    assert open_coco(tmp_path).categories is None


def test_an_object_that_cannot_be_drawn(tmp_path: Path) -> None:
    path = make_coco(tmp_path)
    content = json.loads(path.read_text())
    content["annotations"][3]["segmentation"] = {"counts": [1, 2], "size": [5, 5]}
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="the region of annotation 4 cannot be drawn"):
        build_index(open_coco(tmp_path), "val")
    assert len(build_index(open_coco(tmp_path), "val", skip_broken=True).identifiers) == 2


def test_training_and_validation_have_the_same_categories(tmp_path: Path) -> None:
    """Classes are numbered within a file, so a category that one lacks would make another class novel there."""
    path = make_coco(tmp_path)
    training = path.with_name("instances_train2014.json")
    training.write_text(path.read_text().replace('"dog"', '"bus"'))
    with pytest.raises(DataError, match="category 2 is 'bus' in the first and 'dog' in the second"):
        open_coco(tmp_path).identifiers("train")
    assert open_coco(tmp_path).class_names == ("car", "dog")
    content = json.loads(path.read_text())
    content["categories"].append({"id": 90, "name": "cat", "supercategory": "animal"})
    training.write_text(json.dumps(content))
    with pytest.raises(DataError, match="category 3 is 'cat' in the first and missing in the second"):
        open_coco(tmp_path).identifiers("train")
    content["categories"] = [{**category, "id": 2 * category["id"]} for category in content["categories"][:2]]
    content["annotations"] = []
    training.write_text(json.dumps(content))  # other ids in the same order are the same classes
    assert len(open_coco(tmp_path).identifiers("train")) == 3


def test_an_image_whose_name_no_path_can_hold_is_missing(tmp_path: Path) -> None:
    path = make_coco(tmp_path)
    path.write_text(path.read_text().replace("COCO_1.jpg", "COCO\\u00001.jpg"))
    index = build_index(open_coco(tmp_path), "val", skip_broken=True)
    assert (len(index.identifiers), len(index.broken)) == (2, 1)
    assert index.broken[0].startswith("There is no file ")
