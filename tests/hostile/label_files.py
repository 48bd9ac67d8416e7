"""Label files that once ended the process, took its memory, or gave a traceback; each with the sentence it gets now."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

SIZE = (50, 60)  # height and width of the image
NAN, INF = float("nan"), float("inf")
TRIANGLE = [[5, 5], [30, 5], [30, 30]]
FLAT = [5, 5, 30, 5, 30, 30]


@dataclass(frozen=True)
class Case:
    """A label file of the image a.png, the sentence that refuses it, and data.yaml beside it, if any."""

    name: str
    content: str
    says: str
    ending: str = ".json"
    data_yaml: str = ""

    def write(self, folder: Path) -> Path:
        """Write the files of the case to a folder of its own; the path of the label file."""
        folder.mkdir(parents=True)
        Image.new("RGB", SIZE[::-1], "grey").save(folder / "a.png")
        path = folder / f"a{self.ending}"
        path.write_text(self.content, encoding="utf-8")
        if self.data_yaml:
            (folder / "data.yaml").write_text(self.data_yaml, encoding="utf-8")
        return path

    def command(self, folder: Path) -> list[str]:
        """The command that reads it."""
        support = f"{folder / 'a.png'}:{self.write(folder)}"
        out = str(folder / "cat.safetensors")
        return ["learn", "--model", "tiny", "--name", "cat", "--support", support, "--out", out]


@dataclass(frozen=True)
class Outcome:
    """What a case did. megabytes: peak resident memory above that of a good file. seconds: of the processor."""

    name: str
    code: int
    says: str
    megabytes: float
    seconds: float


def coco(segmentation: object, size: tuple[object, object] = SIZE, name: str = "cat", **more: object) -> str:
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": segmentation, **more}
    image = {"id": 1, "file_name": "a.png", "height": size[0], "width": size[1]}
    categories = [{"id": 1, "name": name}]
    return json.dumps({"images": [image], "categories": categories, "annotations": [annotation]})


def runs(counts: object, size: object = SIZE) -> dict[str, object]:
    return {"size": size, "counts": counts}


def labelme(points: object, size: tuple[object, object] = SIZE, label: object = "cat", **more: object) -> str:
    shape = {"label": label, "points": points, "shape_type": "polygon", **more}
    content = {"shapes": [shape], "imagePath": "a.png", "imageHeight": size[0], "imageWidth": size[1]}
    return json.dumps(content)


def tasks(value: object, size: tuple[object, object] = SIZE, data: object = None) -> str:
    result = {"original_height": size[0], "original_width": size[1], "value": value}
    return json.dumps([{"data": data or {"image": "a.png"}, "annotations": [{"result": [result]}]}])


def brush(total: int, runs_of: str = "") -> dict[str, object]:
    """A brush of Label Studio that states ``total`` values; runs_of: the bits after its head."""
    bits = f"{total:032b}{7:05b}" + "".join(f"{width - 1:04b}" for width in (3, 4, 8, 16)) + runs_of
    bits += "0" * (-len(bits) % 8)
    return {"rle": list(int(bits, 2).to_bytes(len(bits) // 8, "big")), "brushlabels": ["cat"]}


def png(side: int) -> str:
    """A square PNG in base64; a large one has few bytes."""
    buffer = io.BytesIO()
    Image.new("1", (side, side)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def yolo(name: str, line: str, says: str, data_yaml: str = "") -> Case:
    return Case(name, line + "\n", says, ".txt", data_yaml)


LINE = "0 0.1 0.1 0.5 0.1 0.5 0.5"
BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)
ZIGZAG = [v for i in range(20_000) for v in (0 if i % 2 else 9e4, i % 50)]
DEEP = "[" * 100_000 + "]" * 100_000

DEADLY = (  # each ended the process or took gigabytes
    Case("coco-size-1e6", coco([FLAT], (10**6, 10**6)), "an image of more than 100 million pixels"),
    Case("coco-size-60000", coco([FLAT], (60_000, 60_000)), "an image of more than 100 million pixels"),
    Case("coco-size-of-another-image", coco([FLAT], (10_000, 10_000)), "is for an image of 10000 x 10000 pixels"),
    Case("coco-nan", coco([[NAN, *FLAT[1:]]]), "has a point that is not finite"),
    Case("coco-inf", coco([[INF, *FLAT[1:]]]), "has a point that is not finite"),
    Case("coco-zigzag", coco([ZIGZAG]), "an outline is longer than 2,097,152 pixels"),
    Case("coco-counts-bomb", coco(runs([0, 10**9])), "do not add up to 60 x 50 pixels"),
    Case("coco-compressed-bomb", coco(runs("o" * 2000)), "cut off or have a wrong character"),
    Case("coco-runs-of-another-size", coco(runs([0, 3_600_000_000], [60_000, 60_000])), "its size is not that of the"),
    Case("coco-deep", '{"images":[],"categories":[],"annotations":' + DEEP + "}", "is nested too deep"),
    Case("labelme-size-1e6", labelme(TRIANGLE, (10**6, 10**6)), "an image of more than 100 million pixels"),
    Case("labelme-size-60000", labelme(TRIANGLE, (60_000, 60_000)), "an image of more than 100 million pixels"),
    Case("labelme-nan", labelme([[NAN, 5], *TRIANGLE]), "is not a finite number"),
    Case("labelme-mask-bomb", labelme([[0, 0], [9, 9]], shape_type="mask", mask=png(12_000)), "far larger than the i"),
    Case("tasks-size-1e9", tasks(brush(0), (10**9, 10**9)), "an image of more than 100 million pixels"),
    Case("tasks-size-8000", tasks(brush(8000 * 8000 * 4), (8000, 8000)), "is for an image of 8000 x 8000 pixels"),
    Case("tasks-long-brush", tasks({"rle": [0] * 10**6, "brushlabels": ["cat"]}), "has 1,000,000 bytes, more"),
    Case("labelme-shapes", json.dumps({"shapes": [{}] * 20_001}), "shapes has 20,001 entries, and at most 20,000 are"),
    Case("tasks-nan", tasks({"points": [[NAN, 1], [2, 3], [4, 5]], "polygonlabels": ["cat"]}), "not a finite number"),
    yolo("yolo-nan", "0 nan 0.1 0.5 0.1 0.5 0.5", "nan is not a finite number"),
    yolo("yolo-inf", "0 inf 0.1 0.5 0.1 0.5 0.5", "inf is not a finite number"),
    yolo("yolo-1e8", "0 1e8 0.1 0.5 0.1 0.5 0.5", "1e+08 is not a share of the image"),
    yolo("yolo-lines", "\n".join([LINE] * 20_001), "has 20,001 lines, and at most 20,000 objects"),
    yolo("yolo-numbers", "0 " + "0.5 " * 1_100_000, "cannot be a file of YOLO's labels, which has 4,194,304 at most"),
    yolo("yaml-bomb", LINE, "has a YAML alias, *a0", BOMB + "names: [*a8]\n"),
    yolo("yaml-key-twice", LINE, "has the key 0 twice, in lines 2 and 3", "names:\n  0: cat\n  0: dog\n"),
    yolo("yaml-of-itself", LINE, "has a YAML alias, *a", "names: &a [*a]\n"),
    yolo("yaml-deep", LINE, "is nested deeper than 32 levels", f"names: {'[' * 99}{']' * 99}\n"),
    yolo("yaml-very-deep", LINE, "data.yaml is n", f"names: {DEEP}\n"),  # libyaml has a bound of its own
)
CLIPPED = (  # far outside the image: each took gigabytes; read now, without what lies outside
    Case("coco-1e8", coco([[1e8, *FLAT[1:]]]), ""),
    Case("labelme-1e8", labelme([[1e8, 5], *TRIANGLE]), ""),
    Case("labelme-1e300", labelme([[1e300, 5], *TRIANGLE]), ""),
    Case("labelme-circle", labelme([[1e9 + 20, 25], [20, 25]], shape_type="circle"), ""),
    Case("tasks-1e8", tasks({"points": [[1e8, 10], [10, 10], [10, 50], [1e8, 50]], "polygonlabels": ["cat"]}), ""),
)
REFUSED = (  # each gave a traceback, or Python's words
    Case("coco-5000-digits", coco([FLAT]).replace("50", "1" * 5000, 1), "a number of thousands of digits"),
    Case("coco-4000-digits", coco([[*FLAT, 1, 10**4000]]), "a value that is not a number"),
    Case("coco-height-inf", coco([FLAT], (INF, 60)), "the height of an image is not a whole number"),
    Case("coco-height-text", coco([FLAT], ("tall", 60)), "the height of an image is not a whole number"),
    Case("coco-counts-negative", coco(runs([0, -5, 3005])), "the run lengths are not whole numbers from 0 on"),
    Case("coco-counts-null", coco(runs(None)), "counts is not a text"),
    Case("coco-counts-letters", coco(runs("é\ud800")), "the run lengths are not those of a mask"),
    Case("coco-segmentation-number", coco(7), "the segmentation is not an object with keys"),
    Case("coco-segmentation-texts", coco(["abc"]), "an outline is not a list"),
    Case("coco-odd", coco([[1, 2, 3, 4, 5]]), "an outline has 5 numbers; a point has two, x and y"),
    Case("coco-id-list", coco([FLAT], category_id=[1]), "category_id is neither a whole number nor a text"),
    Case("coco-name-escape", coco([FLAT], name="\x1b[31mred"), r"holds a control character: \x1b[31mred"),
    Case("coco-name-line", coco([FLAT], name="a\nb"), r"holds a control character: a\nb"),
    Case("coco-name-surrogate", coco([FLAT], name="\ud800"), r"holds a control character: \ud800"),
    Case("labelme-height-negative", labelme(TRIANGLE, (-5, 60)), "height and width are not at least 1"),
    Case("labelme-height-inf", labelme(TRIANGLE, (INF, 60)), "imageHeight is not a whole number"),
    Case("labelme-height-null", labelme(TRIANGLE, (None, 60)), "imageHeight is not a whole number"),
    Case("labelme-other-size", labelme(TRIANGLE, (51, 60)), "is for an image of 60 x 51 pixels"),
    Case("labelme-label-object", labelme(TRIANGLE, label={"a": 1}), "the label of shape 1 is not a text"),
    Case("labelme-point-text", labelme(["ab", "cd", "ef"]), "a point of shape 1 ('cat') is not a list"),
    Case("labelme-circle-1", labelme([[5, 5]], shape_type="circle"), "shape 1 ('cat'): a circle has two points, not 1"),
    Case(
        "labelme-mask-null",
        labelme([[0, 0], [5, 5]], shape_type="mask", mask=None),
        "shape 1 ('cat'): the mask is not a text",
    ),
    Case("labelme-mask-cut", labelme([[0, 0], [5, 5]], shape_type="mask", mask=png(9)[:40]), "is not a PNG file in"),
    Case("labelme-label-escape", labelme(TRIANGLE, label="\x1b]0;x\x07"), r"it has \x1b]0;x\x07;"),
    Case("tasks-value-null", tasks(None), "value is not an object with keys"),
    Case("tasks-labels-empty", tasks({"points": TRIANGLE, "polygonlabels": []}), "has no label 'cat'"),
    Case("tasks-brush-cut", tasks(brush(50 * 60 * 4)), "rle is cut off"),
    Case("tasks-brush-long", tasks(brush(50 * 60 * 4, "111" + "1" * 24)), "rle has more values than the image"),
    Case("tasks-brush-bytes", tasks({"rle": [10**30] * 9, "brushlabels": ["cat"]}), "rle is not a list of bytes"),
    Case("tasks-address", tasks(brush(9), data={"image": "http://[bad"}), "the address of an image is not an address"),
    Case("tasks-no-address", tasks(brush(9), data={"a": 7}), "the address of an image is not a text"),
    yolo("yolo-digits", "1" * 5000 + LINE[1:], "Line 1 of"),
    yolo("yaml-key", LINE, "has no list of class names", "names: {.inf: a}\n"),
    yolo("yaml-list-of-lists", LINE, "has no list of class names", "names: [[a]]\n"),
    yolo("yaml-date", LINE, "is not a YAML file that can be read", "names: [2020-99-99]\n"),
    yolo("yaml-long-name", LINE, "has no list of class names", f"names: [{':'.join(['59'] * 4000)}]\n"),
)
