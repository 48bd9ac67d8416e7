"""Where labels go: the order of classes, images beside their labels, images for validation, Label Studio's names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdpnet.errors import DataError
from cdpnet.labels.formats import write_labels
from cdpnet.labels.image_copies import check_places, place_images
from cdpnet.labels.label_set import Control, LabelSet, keep_order
from cdpnet.labels.labelstudio_config import read_control
from cdpnet.labels.regions import ImageLabels
from cdpnet.labels.split import split_images
from cdpnet.labels.yolo import image_file


def test_classes_keep_their_numbers(tmp_path: Path) -> None:
    assert keep_order(tmp_path, ("dent", "crack")) == ("dent", "crack")
    LabelSet(tmp_path, tmp_path, ("dent", "crack")).write_names()
    assert keep_order(tmp_path, ("crack", "bolt")) == ("dent", "crack", "bolt")


@pytest.mark.parametrize("copy", [False, True])
def test_images_are_linked_or_copied_once(copy: bool, tmp_path: Path) -> None:
    images, out = tmp_path / "photos", tmp_path / "out"
    (images / "deep").mkdir(parents=True)
    (images / "deep" / "a.png").write_bytes(b"one")
    target = LabelSet(images, out, (), copy_images=copy)
    for content in (b"one", b"another"):  # the image was replaced
        (images / "deep" / "a.png").write_bytes(content)
        place_images(["deep/a.png"], target, "images")
        place = out / "images" / "deep" / "a.png"
        assert place.is_symlink() != copy
        assert place.read_bytes() == content
    check_places(["deep/a.png"], target, "images", overwrite=False)


def test_images_in_their_place_stay(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"one")
    target = LabelSet(tmp_path / "images", tmp_path, ())
    check_places(["a.png"], target, "images", overwrite=False)
    place_images(["a.png"], target, "images")
    assert not (tmp_path / "images" / "a.png").is_symlink()
    assert (tmp_path / "images" / "a.png").read_bytes() == b"one"


def test_other_files_in_the_place_of_an_image_are_refused(tmp_path: Path) -> None:
    images, out = tmp_path / "photos", tmp_path / "out"
    (out / "images").mkdir(parents=True)
    images.mkdir()
    (images / "a.png").write_bytes(b"one")
    (out / "images" / "a.png").write_bytes(b"another")
    with pytest.raises(DataError, match="exists already and is not"):
        check_places(["a.png"], LabelSet(images, out, ()), "images", overwrite=False)
    check_places(["a.png"], LabelSet(images, out, ()), "images", overwrite=True)
    with pytest.raises(DataError, match="give --out a folder of its own"):
        check_places(["a.png"], LabelSet(images, images, ()), "images", overwrite=True)


@pytest.mark.parametrize(
    ("image", "file"),
    [
        ("a.jpg", "labels/a.txt"),
        ("deep/a.b.png", "labels/deep/a.b.txt"),
        ("images/a.jpg", "images/labels/a.txt"),  # trainers replace the last folder `images` in a path
    ],
)
def test_label_files_lie_where_trainers_look(image: str, file: str) -> None:
    assert image_file(image) == file


def test_images_for_validation() -> None:
    names = [f"{i}.jpg" for i in range(200)]
    train, val = split_images(names)
    assert sorted(train + val) == sorted(names)
    assert 20 < len(val) < 60
    assert set(val) <= set(split_images([*names, "new.jpg"])[1])  # an image stays where it is
    assert split_images(["a.jpg", "b.jpg"])[0] != split_images(["a.jpg", "b.jpg"])[1]
    assert split_images(["a.jpg"]) == (["a.jpg"], ["a.jpg"])  # trainers take no empty list
    assert split_images([]) == ([], [])
    assert split_images(["x/val/a.jpg", "x/train/b.jpg", "c.jpg"]) == (["x/train/b.jpg", "c.jpg"], ["x/val/a.jpg"])


CONFIG = """<View><Header value="Cracks"/><Image name="photo" value="$picture"/>
<RectangleLabels name="box" toName="photo"/>
<BrushLabels name="tag" toName="photo"><Label value="crack"/></BrushLabels>{more}</View>"""
SECOND = '<BrushLabels name="other" toName="photo"/>'


def config(folder: Path, text: str) -> Path:
    path = folder / "config.xml"
    path.write_text(text)
    return path


def test_names_of_a_labelling_configuration(tmp_path: Path) -> None:
    assert read_control(config(tmp_path, CONFIG.format(more=""))) == Control("tag", "photo", "picture")
    assert read_control(config(tmp_path, CONFIG.format(more=SECOND)), "other") == Control("other", "photo", "picture")


@pytest.mark.parametrize(
    ("text", "from_name", "message"),
    [
        (CONFIG.format(more=SECOND), "", "several controls BrushLabels, tag, other; choose one with --from-name"),
        (CONFIG.format(more=""), "none", "no control BrushLabels named 'none'"),
        ('<View><PolygonLabels name="a" toName="b"/></View>', "", "no control BrushLabels, to which masks belong"),
        ('<View><BrushLabels name="a"/></View>', "", "a BrushLabels without toName"),
        ('<View><BrushLabels name="a" toName="b"/></View>', "", "no Image named 'b'"),
        ("<View>", "", "not complete XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><View/>', "", "document type declaration"),
    ],
)
def test_other_configurations_are_refused(text: str, from_name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_control(config(tmp_path, text), from_name)


def test_predictions_have_the_names_of_the_project(tmp_path: Path) -> None:
    target = LabelSet(tmp_path, tmp_path, (), control=Control("tag", "photo", "picture"), model_version="cdpnet 12ab")
    write_labels([ImageLabels("a.png", 5, 6)], target, "labelstudio")
    (task,) = json.loads((tmp_path / "tasks.json").read_text())
    assert list(task["data"]) == ["picture"]
    assert task["predictions"][0]["model_version"] == "cdpnet 12ab"
