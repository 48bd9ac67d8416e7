"""Every kind of shape that CVAT for images 1.1 holds is read right, or refused in plain words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cdpnet.errors import DataError
from cdpnet.io.outlines import TOO_SHORT
from cdpnet.labels import cvat_reader, cvat_writer
from cdpnet.labels.examples import read_examples
from cdpnet.labels.label_set import LabelSet
from cdpnet.labels.reading_notes import Note
from cdpnet.labels.regions import ImageLabels, region_from_mask
from tests.labels.shape_files import SIZE, write

HEAD = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><labels><label><name>cat</name><color>#fff</color></label><label><name>dog &amp; co</name></label></labels>
</task></meta>"""
POLYGON = (
    '<polygon label="cat" source="manual" occluded="0" points="10.0,10.0;30,10;30,20;10,20" z_order="0"></polygon>'
)
TURNED_BOX = (
    '<box label="cat" xtl="10" ytl="10" xbr="30" ybr="20"{} z_order="1"><attribute name="a">1</attribute></box>'
)
BOX = TURNED_BOX.format("")
ELLIPSE = '<ellipse label="cat" cx="30" cy="25" rx="10" ry="5"{}/>'
MASK = '<mask label="cat" rle="{}" left="{}" top="{}" width="4" height="3"/>'
READ = {
    "polygon": (POLYGON, 200),
    "polygon far out": (POLYGON.replace("30,10;30,20", "1e9,10;1e9,20"), 50 * 10),
    "box": (BOX, 200),
    "box turned by 90 degrees about its centre": (TURNED_BOX.format(' rotation="90"'), 200),
    "ellipse": (ELLIPSE.format(""), 160),
    "ellipse turned": (ELLIPSE.format(' rotation="90.0"'), 160),
    "mask": (MASK.format("1, 2, 3, 1, 5", 7, 8), 3),
    "mask of all pixels": (MASK.format("0,12", 7, 8), 12),
    "mask over a corner": (MASK.format("0,12", -2, 48), 2 * 2),
    "two points beside a box": ('<polygon label="cat" points="1,1;2,2"/>' + BOX, 200),
    "line and points beside a box": (
        '<polyline label="cat" points="1,1;2,2"/><points label="cat" points="1,1"/>' + BOX,
        200,
    ),
}
DOCTYPE = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
REFUSED = {
    "NaN": (BOX.replace('"30"', '"nan"'), r"image a.png: xbr of box 1 \('cat'\) is not a finite number"),
    "no points": ('<polygon label="cat"/>', r"polygon 1 \('cat'\) has no points"),
    "not points": ('<polygon label="cat" points="1;2;3"/>', "its points are not pairs x,y with ; between them"),
    "runs": (MASK.format("1, 2", 0, 0), "its run lengths do not add up to 4 x 3 pixels"),
    "large mask": (MASK.format("1, 2", 0, 0).replace('"4"', '"1e9"'), "not those of a mask in its image"),
}


def xml(shapes: str, *, start: str = "", name: str = "a.png", width: object = SIZE[1]) -> str:
    return (
        f'{start or HEAD}<image id="0" name="{name}" width="{width}" height="{SIZE[0]}">{shapes}</image></annotations>'
    )


@pytest.mark.parametrize("kind", READ)
def test_a_shape_is_read(kind: str, tmp_path: Path) -> None:
    shapes, pixels = READ[kind]
    image, path = write(tmp_path, "a.xml", xml(shapes))
    file = cvat_reader.read(path)
    labels = file.images[0].read(image)
    assert file.class_names == ["cat", "dog & co"]
    assert labels.class_mask("cat").sum() == pixels
    left_out = {
        "line and points beside a box": (
            Note("shapes of kind polyline mark no area"),
            Note("shapes of kind points mark no area"),
        ),
        "two points beside a box": (Note(TOO_SHORT),),
    }
    assert labels.notes == left_out.get(kind, ())


def test_examples_are_read(tmp_path: Path) -> None:
    image, path = write(tmp_path, "a.xml", xml(BOX.replace("cat", "dog") + POLYGON, name="train/a.png"))
    (example,) = read_examples(image, path, "dog")
    assert np.count_nonzero(example.mask) == 200
    with pytest.raises(DataError, match=r"a\.xml has no label 'cow': it has dog, cat"):
        read_examples(image, path, "cow")


def test_the_label_of_an_outline_of_two_points_is_told(tmp_path: Path) -> None:
    image, path = write(tmp_path, "a.xml", xml('<polygon label="cat" points="1,1;2,2"/>'))
    with pytest.raises(DataError, match=rf"{TOO_SHORT} \(1\)"):
        read_examples(image, path, "cat")


@pytest.mark.parametrize("kind", REFUSED)
def test_a_broken_shape_is_refused(kind: str, tmp_path: Path) -> None:
    shapes, sentence = REFUSED[kind]
    image, path = write(tmp_path, "a.xml", xml(shapes))
    with pytest.raises(DataError, match=sentence) as refused:
        cvat_reader.read(path).images[0].read(image)
    assert "a.xml" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (xml(BOX, start=DOCTYPE + "<annotations><version>&c;</version>"), "a.xml has a document type declaration"),
        (xml(BOX)[:-20], r"a.xml is not complete XML \(line 4, column \d+\)"),
        ("", "is not complete XML"),
        ('<?xml version="1.0" encoding="nothing"?><annotations/>', "is not complete XML"),
        (xml("<a>" * 99 + "</a>" * 99), "is nested deeper than 32 levels"),
        ("<annotation><folder/></annotation>", "has annotation as its root"),
        ("<annotations><track id='0'/></annotations>", "has tracks of a video"),
        (xml(BOX, width="wide"), "image a.png: its height or width is not a whole number"),
        (xml(BOX, width=10**9), "image a.png: height and width are those of an image of more than 100 million"),
        (xml("<box/>"), "image a.png: box 1 has no label"),
    ],
)
def test_a_broken_file_is_refused(content: str, sentence: str, tmp_path: Path) -> None:
    _, path = write(tmp_path, "a.xml", content)
    with pytest.raises(DataError, match=sentence):
        cvat_reader.read(path)


def test_an_image_of_another_size_is_refused(tmp_path: Path) -> None:
    image, path = write(tmp_path, "a.xml", xml(BOX, width=61))
    with pytest.raises(DataError, match="is for an image of 61 x 50 pixels"):
        cvat_reader.read(path).images[0].read(image)


def test_a_shape_of_a_higher_order_comes_later(tmp_path: Path) -> None:
    image, path = write(tmp_path, "a.xml", xml(BOX + POLYGON.replace("cat", "dog")))
    assert [region.label for region in cvat_reader.read(path).images[0].read(image).regions] == ["dog", "cat"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=30, max_size=30))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, pixels: list[bool]) -> None:
    mask = np.array(pixels).reshape(5, 6)
    labels = ImageLabels("a.png", 5, 6, (region_from_mask(mask, "cat"),) if mask.any() else ())
    folder = tmp_path_factory.mktemp("images")
    Image.new("L", (6, 5)).save(folder / "a.png")
    cvat_writer.write_shared(lambda: [labels], LabelSet(folder, folder, ("cat",)))
    (found,) = cvat_reader.read(folder / cvat_writer.FILE).images
    assert found.read(folder / "a.png").regions == labels.regions
