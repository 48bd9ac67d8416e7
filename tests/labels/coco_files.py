"""COCO files with double ids and names, crowds, foreign paths, and regions that leave the image."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.labels.mask_files import H, Kind, W, chosen, picture

NAN, INF = float("nan"), float("inf")
Entry = dict[str, object]
CAT: Entry = {"id": 1, "name": "cat"}
A: Entry = {"id": 1, "file_name": "a.png", "height": H, "width": W}
CROWD = {"counts": [0, 5 * H, (W - 5) * H], "size": [H, W]}  # the five columns on the left


def box(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    return [[left, top, right, top, right, bottom, left, bottom]]


def of(segmentation: object, **more: object) -> Entry:
    return {"id": 1, "image_id": 1, "category_id": 1, "segmentation": segmentation, **more}


SQUARE = of(box(10, 10, 20, 20))  # 100 pixels
SHORT = r"outlines of fewer than three points enclose nothing \(1\); they are left out"
OTHER = of(box(30, 10, 50, 20), id=2)  # 200 pixels


def coco(
    annotations: Sequence[Entry],
    images: Sequence[Entry] = (A,),
    categories: Sequence[Entry] = (CAT,),
    encoding: str = "utf-8",
    pictures: Sequence[str] = ("a.png",),
) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for name in pictures:
            picture(folder / "images" / name)
        content = {"images": images, "categories": categories, "annotations": annotations}
        (folder / "coco.json").write_bytes(json.dumps(content, indent=1).replace("\n", "\r\n").encode(encoding))

    return make


def kind(
    name: str, make: Callable[[Path], None], pixels: int | dict[str, int] = 0, says: str = "", **more: object
) -> Kind:
    found = pixels if isinstance(pixels, dict) else {"a.png": pixels}
    return Kind(name, make, found, says, **{"images": "images", "marks": "coco.json", **more})  # type: ignore[arg-type]


def named(name: str) -> list[Entry]:
    return [{**A, "file_name": name}]


COCO = (
    kind("coco-plain", coco([SQUARE, OTHER]), 300),
    kind("coco-short-outline", coco([of([*box(10, 10, 20, 20), [1, 2, 3, 4]])]), 100, notes=[SHORT]),
    kind("coco-short-object", coco([SQUARE, of([[1, 2]], id=2)]), 100, notes=[SHORT]),
    kind("coco-no-area", coco([SQUARE, of([[5, 5, 5, 5, 5, 5]], id=2)]), 100),
    kind("coco-bom", coco([SQUARE], encoding="utf-8-sig"), 100),
    kind("coco-utf-16", coco([SQUARE], encoding="utf-16"), 100),
    kind("coco-utf-16-be", coco([SQUARE], encoding="utf-16-be"), 100),
    kind("coco-one-name-twice", coco([SQUARE, OTHER | {"category_id": 5}], categories=(CAT, CAT | {"id": 5})), 300,
         notes=("category 'cat' has the ids 1 and 5; it is read as one",)),
    kind("coco-one-name-two-kinds", coco([SQUARE], categories=(CAT | {"supercategory": "pet"}, {
         "id": 5, "name": "cat", "supercategory": "vehicle"})), says="ids 1 and 5 are both called 'cat'"),
    kind("coco-one-category-id-twice", coco([SQUARE], categories=(CAT, CAT | {"name": "dog"})),
         says="two categories have the id 1, 'cat' and 'dog'"),
    kind("coco-no-name", coco([SQUARE], categories=(CAT, CAT | {"id": 3, "name": " "})),
         says="the category with the id 3 has no name; name it"),
    kind("coco-one-file-twice", coco([SQUARE, OTHER | {"image_id": 2}], [A, A | {"id": 2}]), 300,
         notes=("lists images twice, with the ids 2",)),
    kind("coco-one-file-two-sizes", coco([SQUARE], [A, A | {"id": 2, "height": 41}]),
         says="ids 1 and 2 are both a.png, of 60 x 40 and 60 x 41 pixels"),
    kind("coco-one-image-id-twice", coco([SQUARE], [A, A]), 100, notes=("lists images twice, with the ids 1",)),
    kind("coco-one-image-id-two-files", coco([SQUARE], [A, A | {"file_name": "b.png"}]),
         says="two images have the id 1, a.png and b.png"),
    kind("coco-one-annotation-id-twice", coco([SQUARE, OTHER | {"id": 1}]), 300, notes=("have one id, 1; all",)),
    kind("coco-unlisted-image", coco([SQUARE, OTHER | {"image_id": 7}]), 100,
         notes=(r"annotations \(1\) of images that it does not list, with the ids 7",)),
    kind("coco-all-unlisted", coco([SQUARE | {"image_id": 7}]), says="lists none of the images .* with the ids 7"),
    kind("coco-unlisted-category", coco([SQUARE | {"category_id": 9}]), says="annotation 1 is of category 9 in"),
    kind("coco-only-crowds", coco([of(CROWD, iscrowd=1)]), says=r"shows 'cat' only as crowd regions \(1\); --crowd"),
    kind("coco-crowd-chosen", coco([of(CROWD, iscrowd=1)]), 200, options=chosen(crowd=True)),
    kind("coco-crowd-beside", coco([of(CROWD, iscrowd=1, id=3), SQUARE]), 100),
    kind("coco-crowd-beside-chosen", coco([of(CROWD, iscrowd=1, id=3), SQUARE]), 300, options=chosen(crowd=True)),
    kind("coco-outside", coco([of(box(-20, -5, 10, 10))]), 100),
    kind("coco-far-outside", coco([of(box(-1e9, 10, 1e9, 20))]), 600),
    kind("coco-nan", coco([of([[NAN, 5, 30, 5, 30, 30]])]), says="of annotation 1 .* point that is not finite"),
    kind("coco-inf", coco([of([[5, 5, INF, 5, 30, 30]])]), says="of annotation 1 .* point that is not finite"),
    kind("coco-other-size", coco([SQUARE], [A | {"height": 50}]), says="for an image of 60 x 50 pixels and .*a.png"),
    kind("coco-backslashes", coco([SQUARE], named("C:\\set\\images\\a.png")), 100),
    kind("coco-percent", coco([SQUARE], named("set%5Ca%20b.png"), pictures=("a b.png",)), {"a b.png": 100}),
    kind("coco-upload", coco([SQUARE], named("/data/upload/1/ab12cd34-a.png")), 100),
    kind("coco-file-address", coco([SQUARE], named("file:///home/ann/a.png")), 100),
    kind("coco-local-files", coco([SQUARE], named("/data/local-files/?d=set/a.png")), 100),
    kind("coco-two-folders", coco([SQUARE], named("val/a.png"), pictures=("val/a.png", "train/a.png")),
         {"val/a.png": 100}),
    kind("coco-ambiguous", coco([SQUARE], named("x/a.png"), pictures=("val/a.png", "train/a.png")),
         says=r"x/a.png may be .*train/a.png or .*val/a.png"),
    kind("coco-no-such-label", coco([SQUARE]), says="has no label 'dog': it has cat; give --label", label="dog"),
    kind("coco-other-images", coco([SQUARE], named("b.png")), says="shows 'cat' in no image of .*images"),
)  # fmt: skip
