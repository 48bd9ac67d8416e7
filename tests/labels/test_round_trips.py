"""What is written in a format is read again to the pixel, whatever the masks are."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from cdpnet.errors import DataError
from cdpnet.labels.formats import FORMATS, write_labels
from cdpnet.labels.instances import InstanceRules, split_instances
from cdpnet.labels.label_set import FormatName, LabelSet
from cdpnet.labels.reading import READERS, read_labels, recognise
from cdpnet.labels.regions import ImageLabels, region_from_mask

CLASSES = ("weld crack", "Ölkanne")
NUMBERS = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=16), elements=st.integers(0, 2))
FOLDERS = count()


def labels_of(numbers: np.ndarray, image: str) -> ImageLabels:
    regions = [region_from_mask(numbers == i, name) for i, name in enumerate(CLASSES, start=1) if (numbers == i).any()]
    return ImageLabels(image, numbers.shape[0], numbers.shape[1], tuple(regions))


def save(folder: Path, name: str, size: tuple[int, int]) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1]).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("round")


@pytest.mark.parametrize("name", READERS)
def test_no_pixel_is_lost(name: FormatName, folder: Path) -> None:
    @settings(max_examples=8, deadline=None)
    @given(NUMBERS)
    def check(numbers: np.ndarray) -> None:
        numbers[0, 0] = 1  # no format says of every image without a region that it has none
        place = folder / str(next(FOLDERS))
        save(place / "images", "deep/a.png", numbers.shape)
        write_labels([labels_of(numbers, "deep/a.png")], LabelSet(place / "images", place / "out", CLASSES), name)
        assert recognise(place / "out") == name
        found = read_labels(place / "out", place / "images")
        assert not found.failed
        assert np.array_equal(found.labels["deep/a.png"].class_numbers(CLASSES), numbers)

    check()


@pytest.mark.parametrize("name", [name for name in READERS if name not in ("png", "voc")])
def test_objects_stay_apart(name: FormatName, tmp_path: Path) -> None:
    numbers = np.zeros((30, 40), np.uint8)
    numbers[2:9, 3:12] = numbers[20:28, 5:30] = 1
    numbers[4:6, 5:7] = 0
    numbers[12:18, 20:22] = numbers[13, 38] = 2
    save(tmp_path / "images", "a.png", numbers.shape)
    objects = split_instances(labels_of(numbers, "a.png"), InstanceRules(min_area=1))
    write_labels([objects], LabelSet(tmp_path / "images", tmp_path / "out", CLASSES), name)
    found = read_labels(tmp_path / "out", tmp_path / "images").labels["a.png"]
    assert [(one.label, one.counts) for one in found.regions] == [(one.label, one.counts) for one in objects.regions]


def test_every_format_is_read() -> None:
    assert set(READERS) == set(FORMATS)


@pytest.mark.parametrize("name", [name for name in READERS if name != "labelstudio"])
def test_an_image_without_objects_stays_one(name: FormatName, tmp_path: Path) -> None:
    save(tmp_path / "images", "a.png", (5, 6))
    write_labels([ImageLabels("a.png", 5, 6)], LabelSet(tmp_path / "images", tmp_path / "out", CLASSES), name)
    assert read_labels(tmp_path / "out", tmp_path / "images", name).labels["a.png"] == ImageLabels("a.png", 5, 6)


def test_one_broken_file_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / "images", name, (5, 6))
    target = LabelSet(tmp_path / "images", tmp_path / "out", CLASSES)
    write_labels([ImageLabels("a.png", 5, 6), ImageLabels("b.png", 5, 6)], target, "labelme")
    (tmp_path / "out" / "b.json").write_text("{")
    found = read_labels(tmp_path / "out", tmp_path / "images")
    assert list(found.labels) == ["a.png"]
    assert "not complete JSON" in found.failed["b.png"]


def test_files_are_found_by_name_where_it_is_the_only_one(tmp_path: Path) -> None:
    for name in ("one/a.png", "one/b.png", "two/b.png"):
        save(tmp_path / "images", name, (5, 6))
    target = LabelSet(tmp_path / "images", tmp_path / "out", CLASSES)
    write_labels([ImageLabels("a.png", 5, 6), ImageLabels("b.png", 5, 6)], target, "labelme")
    assert list(read_labels(tmp_path / "out", tmp_path / "images").labels) == ["one/a.png"]


def test_colours_of_a_label_map_are_classes(tmp_path: Path) -> None:
    """As CVAT exports Pascal VOC: masks in RGB, in colours that the user chose."""
    colours = np.zeros((4, 6, 3), np.uint8)
    colours[1, 1:4], colours[2, 2], colours[3] = (250, 50, 83), (50, 183, 250), (224, 224, 192)
    save(tmp_path / "images", "a.jpg", (4, 6))
    masks = tmp_path / "out" / "SegmentationClass"
    masks.mkdir(parents=True)
    Image.fromarray(colours).save(masks / "a.png")
    lines = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nscratch:50,183,250::\ncrack:250,50,83::\n"
    (tmp_path / "out" / "labelmap.txt").write_text(lines)
    found = read_labels(tmp_path / "out", tmp_path / "images")
    assert found.classes == ("scratch", "crack")
    labels = found.labels["a.jpg"]
    assert {region.label: labels.area(region) for region in labels.regions} == {"scratch": 1, "crack": 3}
    (tmp_path / "out" / "labelmap.txt").write_text("crack:250,50,83::\n")
    failed = read_labels(tmp_path / "out", tmp_path / "images").failed["a.jpg"]
    assert "has the colour 50,183,250, which labelmap.txt does not name" in failed
    (tmp_path / "out" / "labelmap.txt").write_text("crack\n")
    with pytest.raises(DataError, match=r"Line 1 of .* is not of the form name:red,green,blue"):
        read_labels(tmp_path / "out", tmp_path / "images")


def test_numbers_without_a_name_are_their_own(tmp_path: Path) -> None:
    save(tmp_path / "images", "a.jpg", (4, 6))
    numbers = np.array([[0, 1, 3, 255, 0, 0]] * 4, np.uint8)
    (tmp_path / "masks").mkdir()
    Image.fromarray(numbers).save(tmp_path / "masks" / "a.png")
    (tmp_path / "classes.txt").write_text("crack\n")
    found = read_labels(tmp_path / "masks", tmp_path / "images", "png")
    assert found.classes == ("crack", "3")


@pytest.mark.parametrize(("file", "content"), [("a.json", "3"), ("a.json", '{"a": 1}'), ("a.md", ""), ("x/a.md", "")])
def test_an_unknown_format_is_refused(file: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    with pytest.raises(DataError, match="name it with --from"):
        recognise(path.parent if path.parent != tmp_path else path)
    with pytest.raises(DataError, match="There is nothing at"):
        recognise(tmp_path / "none")


@pytest.mark.parametrize("name", ["labelme", "coco", "png"])
def test_labels_of_an_image_as_it_is_stored_are_turned_with_it(name: FormatName, tmp_path: Path) -> None:
    """Tools that ignore the EXIF tag label the image as it is stored; it is shown turned to the right."""
    numbers = np.zeros((4, 6), np.uint8)
    numbers[0, :5], numbers[1, 0] = 1, 2
    save(tmp_path / "images", "a.png", (4, 6))
    write_labels([labels_of(numbers, "a.png")], LabelSet(tmp_path / "images", tmp_path / "out", CLASSES), name)
    tag = Image.Exif()
    tag[0x0112] = 6
    Image.new("RGB", (6, 4)).save(tmp_path / "images" / "a.png", exif=tag)
    found = read_labels(tmp_path / "out", tmp_path / "images").labels["a.png"]
    assert found.size == (6, 4)
    assert np.array_equal(found.class_numbers(CLASSES), np.rot90(numbers, -1))


def test_names_of_yolo_reach_deep_folders(tmp_path: Path) -> None:
    image = "a/b/c/d.png"
    numbers = np.full((3, 4), 2, np.uint8)
    save(tmp_path / "images", image, (3, 4))
    write_labels([labels_of(numbers, image)], LabelSet(tmp_path / "images", tmp_path / "out", CLASSES), "yolo")
    for source in (tmp_path / "out", tmp_path / "out" / "labels"):
        assert read_labels(source, tmp_path / "images").labels[image].class_names == (CLASSES[1],)


def test_unusual_names_of_classes(tmp_path: Path) -> None:
    names = ("a:b", "# c", "background", "1,2,3", "Cat", "cat")
    save(tmp_path / "images", "a.png", (2, 4))
    regions = [region_from_mask(np.arange(8).reshape(2, 4) == i, name) for i, name in enumerate(names)]
    labels = ImageLabels("a.png", 2, 4, tuple(regions))
    for name in READERS:
        write_labels([labels], LabelSet(tmp_path / "images", tmp_path / name, names), name)
        found = read_labels(tmp_path / name, tmp_path / "images")
        assert set(found.labels["a.png"].class_names) == set(names), name


@pytest.mark.parametrize(("label", "message"), [("", "without a name"), ("a\nb", "holds a control character")])
def test_names_that_no_class_can_have(label: str, message: str, tmp_path: Path) -> None:
    save(tmp_path / "images", "a.png", (5, 6))
    labels = ImageLabels("a.png", 5, 6, (region_from_mask(np.ones((5, 6), bool), label),))
    write_labels([labels], LabelSet(tmp_path / "images", tmp_path / "out", ()), "labelme")
    assert message in read_labels(tmp_path / "out", tmp_path / "images").failed["a.png"]
