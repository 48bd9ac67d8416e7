"""Images that an EXIF tag turns, with masks and label files made before or after."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.labels.mask_files import Kind, chosen, picture, save

STORED = (30, 50)  # H, W of the image as it is stored
_SAID = "fit both before and after"


def exif(
    mask_size: tuple[int, int], orientation: int = 6, stored: tuple[int, int] = STORED, form: str = "mask"
) -> Callable[[Path], None]:
    """A mask of a strip along the left half of the top row, with the image that it belongs to."""

    def make(folder: Path) -> None:
        picture(folder / "images" / "a.jpg", stored, orientation)
        strip = np.zeros(mask_size, np.uint8)
        strip[:10, : mask_size[1] // 2] = 255
        if form == "mask":
            save(strip, folder / "masks" / "a.png")
            return
        height, width = mask_size
        box = [0, 0, width // 2, 0, width // 2, 10, 0, 10]
        content = {
            "images": [{"id": 1, "file_name": "a.jpg", "height": height, "width": width}],
            "categories": [{"id": 1, "name": "cat"}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [box]}],
        }
        (folder / "masks").mkdir()
        (folder / "masks" / "a.json").write_text(json.dumps(content))

    return make


def kind(name: str, make: Callable[[Path], None], pixels: int, **more: object) -> Kind:
    return Kind(name, make, {"a.jpg": pixels}, images="images/a.jpg", **more)  # type: ignore[arg-type]


EXIF = (
    kind("exif-before", exif(STORED), 250),
    kind("exif-after", exif(STORED[::-1]), 150),
    kind("exif-coco-before", exif(STORED, form="coco"), 250, marks="masks/a.json"),
    kind("exif-coco-after", exif(STORED[::-1], form="coco"), 150, marks="masks/a.json"),
    kind("exif-square", exif((40, 40), 6, (40, 40)), 200, notes=(_SAID,)),
    kind("exif-square-raw", exif((40, 40), 6, (40, 40)), 200, options=chosen(exif="raw")),
    kind("exif-half-turn", exif(STORED, 3), 250, notes=(_SAID,)),
    kind("exif-half-turn-raw", exif(STORED, 3), 250, options=chosen(exif="raw")),
    Kind("exif-other-size", exif((31, 50)), says="50 x 31 pixels and its image 30 x 50", images="images/a.jpg"),
)
