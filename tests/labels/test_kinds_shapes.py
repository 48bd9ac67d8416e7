"""Every kind of file that LabelMe, X-AnyLabeling, YOLO and Label Studio write is read right, or refused in plain words.

Pixel counts are worked out by hand, by the rule of the tool; where a rule is too long for that, as for LabelMe's
circle, it is the number that the tool's own code gives.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cdpnet.errors import DataError
from cdpnet.io.outlines import TOO_SHORT
from cdpnet.labels import yolo_reader
from cdpnet.labels.examples import read_examples
from cdpnet.labels.reading_notes import Note
from tests.labels.shape_files import DIAMOND, SIZE, SQUARE, labelme, line, mask_shape, shape, write

NAN = float("nan")
LABELME = {
    "polygon, borders included": (labelme(shape(SQUARE)), 200),
    "polygon of fractions, cut off towards 0": (labelme(shape([[10.9, 10.1], [29.9, 10], [29, 19.5], [10, 19]])), 200),
    "polygon over the left border": (labelme(shape([[-500, 10], [29, 10], [29, 19], [-500, 19]])), 30 * 10),
    "polygon far out": (labelme(shape([[1e8, 10], [10, 10], [10, 19], [1e8, 19]])), 50 * 10),
    "polygon around the image": (labelme(shape([[-1e5, -1e5], [1e5, -1e5], [1e5, 1e5], [-1e5, 1e5]])), 60 * 50),
    "two polygons that overlap": (labelme(shape(SQUARE), shape([[20, 10], [39, 10], [39, 19], [20, 19]])), 30 * 10),
    "shape_type null": (labelme(shape(SQUARE, None)), 200),
    "shape_type empty": (labelme(shape(SQUARE, "")), 200),
    "no shape_type": (labelme({"label": "cat", "points": SQUARE, "line_color": None}), 200),
    "no size": (labelme(shape(SQUARE), imageHeight=None, imageWidth=None), 200),
    "a group": (labelme(shape(SQUARE, group_id=7), shape([[40, 40]], "point", "eye", group_id=7)), 200),
    "label as a number": (labelme(shape(SQUARE, label=5)), 200),
    "rectangle": (labelme(shape([[10, 10], [29, 19]], "rectangle")), 200),
    "rectangle from its last corner": (labelme(shape([[29, 19], [10, 10]], "rectangle")), 200),
    "rectangle from another corner": (labelme(shape([[10, 19], [29, 10]], "rectangle")), 200),
    "rectangle over a corner": (labelme(shape([[50, 45], [1e9, 80]], "rectangle")), 10 * 5),
    "rectangle of four points": (labelme(shape(SQUARE, "rectangle")), 200),
    "rotation": (labelme(shape(DIAMOND, "rotation", direction=0.785)), 221),
    "oriented_rectangle": (labelme(shape(DIAMOND, "oriented_rectangle")), 221),
    "quadrilateral": (labelme(shape(DIAMOND, "quadrilateral")), 221),
    "circle": (labelme(shape([[30, 25], [30, 35]], "circle")), 349),
    "circle over a border": (labelme(shape([[0, 25], [10, 25]], "circle")), (349 + 21) // 2),
    "circle far out": (labelme(shape([[1e9 + 20, 25], [20, 25]], "circle")), 40 * 50),
    "mask": (labelme(mask_shape(20, 20)), 10 * 10),
    "mask as an address": (
        labelme(mask_shape(20, 20)).replace('"mask": "', '"mask": "data:image/png;base64,'),
        10 * 10,
    ),
    "mask at a negative corner": (labelme(mask_shape(-4, -3)), 6 * 7),
    "mask over the last corner": (labelme(mask_shape(55, 45)), 5 * 5),
    "mask larger than the image": (labelme(mask_shape(-5, -5, 70)), 60 * 50),
    "line beside a polygon": (labelme(shape([[0, 0], [5, 5]], "line"), shape(SQUARE)), 200),
    "two points beside a polygon": (labelme(shape(SQUARE), shape(DIAMOND[:2])), 200),
    "background beside a polygon": (labelme(shape(SQUARE), shape(DIAMOND, label="_background_")), 200),
}
LABELME_REFUSED = {
    "NaN": (labelme(shape(SQUARE), shape([[NAN, 1], [3, 3], [4, 4]])), r"a point of shape 2 \('cat'\) is not a finite"),
    "score of NaN": (labelme({**shape(SQUARE), "score": float("nan")}), r"\('cat'\): the score is not a finite number"),
    "infinite": (
        labelme(shape([[float("inf"), 1], [3, 9]], "circle")),
        r"a point of shape 1 \('cat'\) is not a finite",
    ),
    "polygon of two points": (labelme(shape(SQUARE[:2])), rf"{TOO_SHORT} \(1\)"),
    "quadrilateral of two points": (
        labelme(shape(SQUARE[:2], "quadrilateral")),
        r"shape 1 \('cat'\): a quadrilateral has at least three points, not 2",
    ),
    "rectangle of three points": (labelme(shape(SQUARE[:3], "rectangle")), "a rectangle has two or four points, not 3"),
    "circle of one point": (labelme(shape(SQUARE[:1], "circle")), "a circle has two points, not 1"),
    "point with three numbers": (
        labelme(shape([[1, 2, 3], *SQUARE])),
        r"a point of shape 1 \('cat'\) is not a pair x, y",
    ),
    "mask without content": (labelme(shape(SQUARE[:2], "mask")), r"shape 1 \('cat'\): the mask is not a text"),
    "polygon beside the image": (labelme(shape([[70, 0], [90, 0], [90, 20]])), "marks no pixel of .*a.png as 'cat'"),
    "mask beside the image": (labelme(mask_shape(-10, 5)), "marks no pixel of .*a.png as 'cat'"),
    "only lines": (
        labelme(*[shape(SQUARE, "linestrip")] * 3, shape([[5, 5]], "point")),
        r"shapes of kind linestrip mark no area \(3\); shapes of kind point mark no area \(1\)",
    ),
    "lines beside another class": (
        labelme(shape(SQUARE[:2], "line"), shape(SQUARE, label="dog")),
        r"it has dog; shapes of kind line mark no area \(1\)",
    ),
    "only background": (labelme(shape(SQUARE, label="_background_")), "no label '_background_'"),
}
FLAT, ROUND = [v for point in SQUARE for v in point], [v for point in DIAMOND for v in point]
BOX = (20, 15, 20, 10)  # centre and sides: columns 10 to 29, rows 10 to 19
YOLO = {
    "outline, border included": (line(*FLAT), 200),
    "outline of fractions, cut off": (line(10.9, 10.1, 29.9, 10, 29, 19.5, 10, 19), 200),
    "outline over the left border": (line(-20, 10, 29, 10, 29, 19, -20, 19), 30 * 10),
    "outline around the image": (line(-6, -5, 66, -5, 66, 55, -6, 55), 60 * 50),
    "outline to the last border": (line(50, 40, 60, 40, 60, 50, 50, 50), 10 * 10),
    "outline and confidence": (line(*FLAT, more=" 0.93"), 200),
    "outline with a hole, reached over a cut": (
        line(*FLAT, 10, 10, 15, 13, 15, 16, 20, 16, 20, 13, 15, 13, 10, 10),
        192,
    ),
    "oriented box": (line(*ROUND), 221),
    "oriented box and confidence": (line(*ROUND, more=" 1"), 221),
    "box": (line(*BOX), 200),
    "box and confidence": (line(*BOX, more=" 0.5"), 200),
    "box over a corner": (line(0, 0, 20, 10), 10 * 5),
    "box and outline": (line(*BOX) + line(20, 10, 39, 10, 39, 19, 20, 19), 30 * 10),
    "CRLF, tabs and an empty line": (line(*FLAT).replace(" ", "\t").replace("\n", "\r\n\r\n"), 200),
    "class number 0.0": (line(*FLAT, number="0.0"), 200),
    "class number 0.000e+00": (line(*FLAT, number="0.000000e+00"), 200),
    "two classes": (line(*FLAT) + line(*ROUND, number="1"), 200),
}
YOLO_REFUSED = {
    "pixels": (
        "0 10 10 29 10 29 19 10 19",
        "Line 1 of .*: 29 is not a share .* x by the width, 60, and y by the height, 50",
    ),
    "pixels of a box": (line(*BOX) + "0 20 15 20 10", "Line 2 of .*: 20 is not a share"),
    "infinite": ("0 inf 0.1 0.5 0.1 0.5 0.5", "Line 1 of .*: inf is not a finite number"),
    "two points": (line(1, 2, 3), "it has 4 numbers; a box has five"),
    "confidence above 1": (line(*FLAT, more=" 1.5"), "it has 10 numbers; .* a confidence of 0 to 1 .* the last is 1.5"),
    "name for a number": (line(*FLAT, number="cat"), "cat is not a finite number; a line is a class number"),
    "half a class": (line(*FLAT, number="0.5"), "0.5 is not a class number"),
    "class without a name": (line(*FLAT, number="2"), "its class is 2, and .*data.yaml has no name for it"),
    "negative box": (line(20, 15, -20, 10), "the width or height of its box is negative"),
    "empty": ("", "no label 'cat': it has no labels"),
}
NAMES = {
    "data.yaml with a list": ("data.yaml", "names: [cat, dog]"),
    "data.yaml with a mapping": ("data.yaml", "names:\n  0: cat\n  1: dog"),
    "data.yaml with texts as keys": ("data.yaml", "names: {'1': dog, '0': cat}"),
    "data.yaml with CRLF": ("data.yaml", "nc: 2\r\nnames:\r\n- cat\r\n- dog\r\n"),
    "classes.txt": ("classes.txt", "cat\r\ndog\r\n"),
    "obj.names": ("obj.names", "cat\ndog\n"),
}


def count(folder: Path, name: str, content: str | bytes, label: str = "cat") -> int:
    """The pixels of a class that a file marks."""
    image, path = write(folder, name, content)
    (example,) = read_examples(image, path, label)
    return int(np.count_nonzero(np.asarray(example.mask)))


@pytest.mark.parametrize("kind", LABELME)
def test_labelme_is_read(kind: str, tmp_path: Path) -> None:
    content, pixels = LABELME[kind]
    assert count(tmp_path, "a.json", content, "5" if "number" in kind else "cat") == pixels


@pytest.mark.parametrize("kind", LABELME_REFUSED)
def test_labelme_is_refused(kind: str, tmp_path: Path) -> None:
    content, sentence = LABELME_REFUSED[kind]
    with pytest.raises(DataError, match=sentence) as refused:
        count(tmp_path, "a.json", content, "_background_" if "background" in kind else "cat")
    assert "a.json" in str(refused.value)


def test_a_mask_lies_where_its_corner_is(tmp_path: Path) -> None:
    image, path = write(tmp_path, "a.json", labelme(mask_shape(-4, 45)))
    (example,) = read_examples(image, path, "cat")
    marked = np.argwhere(np.asarray(example.mask))
    assert (marked.min(axis=0).tolist(), marked.max(axis=0).tolist()) == ([45, 0], [49, 5])


def test_a_file_of_an_old_version_needs_its_image_only(tmp_path: Path) -> None:
    content = {"shapes": [{"label": "cat", "points": SQUARE}], "imagePath": "a.png", "lineColor": [0, 255, 0, 128]}
    assert count(tmp_path, "a.json", json.dumps(content)) == 200


@pytest.mark.parametrize("kind", YOLO)
def test_yolo_is_read(kind: str, tmp_path: Path) -> None:
    content, pixels = YOLO[kind]
    (tmp_path / "data.yaml").write_text("names: [cat, dog]")
    assert count(tmp_path, "a.txt", content) == pixels


@pytest.mark.parametrize("kind", YOLO_REFUSED)
def test_yolo_is_refused(kind: str, tmp_path: Path) -> None:
    content, sentence = YOLO_REFUSED[kind]
    (tmp_path / "data.yaml").write_text("names: [cat, dog]")
    with pytest.raises(DataError, match=sentence) as refused:
        count(tmp_path, "a.txt", content)
    assert "a.txt" in str(refused.value)


@pytest.mark.parametrize("kind", NAMES)
def test_names_of_yolo_are_found(kind: str, tmp_path: Path) -> None:
    file, content = NAMES[kind]
    (tmp_path / file).write_bytes(content.encode())
    (tmp_path / "train" / "labels").mkdir(parents=True)
    assert count(tmp_path / "train" / "labels", "a.txt", line(*FLAT, number="1"), "dog") == 200


def test_background_of_yolo_is_no_class(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("_background_\ncat\n")
    both = line(*ROUND) + line(*FLAT, number="1")
    assert count(tmp_path, "a.txt", both) == 200
    with pytest.raises(DataError, match="no label '_background_': it has cat"):
        count(tmp_path, "a.txt", both, "_background_")


def test_keypoints_of_yolo_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("kpt_shape: [2, 3]\nnames: [cat]")
    assert count(tmp_path, "a.txt", line(*BOX, more=" 0.1 0.1 2 0.9 0.9 0")) == 200
    assert count(tmp_path, "a.txt", line(*BOX, more=" 0.1 0.1 2 0.9 0.9 0 0.8")) == 200


@pytest.mark.parametrize("names", ["[cat, no]", "{0: cat, 1: null}", "[cat, ]\n- dog"])
def test_yaml_that_is_no_name_is_refused(names: str, tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text(f"names: {names}")
    with pytest.raises(DataError, match=r"data\.yaml .*(put the name in quotes|save it again)"):
        count(tmp_path, "a.txt", line(*FLAT))


def test_boxes_of_yolo_are_counted(tmp_path: Path) -> None:
    image, path = write(tmp_path, "a.txt", line(*BOX) * 2 + line(*FLAT))
    assert yolo_reader.read(path, SIZE, image.name).notes == (
        Note("boxes mark every pixel inside; outlines are exact", 2),
    )
