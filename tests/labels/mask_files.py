"""Masks, folders and COCO files as people bring them: how each is made, and the pixels that it marks or its refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from cdpnet.labels.reading_options import DEFAULT, ReadingOptions

H, W = 40, 60
NUMBERS = np.zeros((H, W), np.uint8)
NUMBERS[5:15, 5:25] = 1  # 200 pixels
NUMBERS[20:35, 30:50] = 2  # 300 pixels
ONE, TWO, BOTH = 200, 300, 500
REST = H * W - BOTH
Colours = dict[int, tuple[int, ...]]


@dataclass(frozen=True)
class Kind:
    """Files that ``make`` writes to a folder. pixels: of the class, by the name of each image; says: the refusal.

    images, marks: the two halves of the support, below the folder. notes: what is said beside.
    """

    name: str
    make: Callable[[Path], object]
    pixels: dict[str, int] = field(default_factory=dict)
    says: str = ""
    images: str = "images/a.png"
    marks: str = "masks/a.png"
    label: str = "cat"
    options: ReadingOptions = DEFAULT
    notes: tuple[str, ...] = ()


def picture(path: Path, size: tuple[int, int] = (H, W), orientation: int = 1) -> None:
    """A photograph of noise, its size H, W as it is stored."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(path.name)).integers(0, 256, (*size, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise).save(path, exif=exif)


def save(image: Image.Image | np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path)


def mask(image: Image.Image | np.ndarray) -> Callable[[Path], None]:
    """An image and one mask of it."""

    def make(folder: Path) -> None:
        picture(folder / "images" / "a.png")
        save(image, folder / "masks" / "a.png")

    return make


def coloured(colours: Colours, numbers: np.ndarray = NUMBERS) -> Image.Image:
    values = np.zeros((*numbers.shape, len(colours[0])), np.uint8)
    for number, colour in colours.items():
        values[numbers == number] = colour
    return Image.fromarray(values)


def palette(numbers: np.ndarray, colours: Colours) -> Image.Image:
    image = Image.fromarray(numbers.astype(np.uint8)).convert("P")
    flat = [0] * 768
    for number, colour in colours.items():
        flat[3 * number : 3 * number + 3] = colour
    image.putpalette(flat)
    return image


def files(**of: object) -> Callable[[Path], None]:
    """Files by path, with ``__`` for ``/`` and ``_dot_`` for the dot: a size is a picture, an array a mask."""

    def make(folder: Path) -> None:
        for name, content in of.items():
            path = folder / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, np.ndarray):
                save(content, path)
            elif isinstance(content, bytes):
                path.write_bytes(content)
            elif isinstance(content, dict):
                path.write_text(json.dumps(content))
            else:
                picture(path)

    return make


PICTURE = "a picture"
SPECK = np.zeros((H, W), np.uint8)
SPECK[1:5, 1:5] = 1  # 16 pixels
WHITE = (NUMBERS > 0).astype(np.uint8) * 255
LABELME = {
    "shapes": [{"label": "cat", "points": [[0, 0], [10, 10]], "shape_type": "rectangle"}],
    "imagePath": "a.png", "imageHeight": H, "imageWidth": W,
}  # fmt: skip


def soft(radius: float) -> Image.Image:
    return Image.fromarray(WHITE).filter(ImageFilter.GaussianBlur(radius))


RED_GREEN: Colours = {0: (0, 0, 0), 1: (255, 0, 0), 2: (0, 255, 0)}
CLEAR: Colours = {0: (0, 0, 0, 0), 1: (255, 0, 0, 255), 2: (0, 0, 255, 255)}
GAPS: Colours = {0: (0, 0, 0), 3: (200, 0, 0), 9: (0, 0, 200), 255: (224, 224, 192)}
GAPPED = np.array([0, 3, 9])[NUMBERS]
AROUND = np.where(np.pad(NUMBERS[1:-1, 1:-1], 1, constant_values=9) == 9, 255, NUMBERS)  # 196 pixels of border
VOC: Colours = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0)}


def chosen(**options: object) -> ReadingOptions:
    return ReadingOptions(**options)  # type: ignore[arg-type]


MASKS = (
    Kind("grey-0-255", mask(WHITE), {"a.png": BOTH}),
    Kind("grey-0-1", mask((NUMBERS > 0).astype(np.uint8)), {"a.png": BOTH}),
    Kind("grey-0-2", mask((NUMBERS == 2).astype(np.uint8) * 2), {"a.png": TWO}),
    Kind("grey-0-2-255", mask(np.where(AROUND == 1, 0, AROUND).astype(np.uint8)), {"a.png": TWO}),
    Kind("grey-0-90", mask((NUMBERS > 0).astype(np.uint8) * 90), {"a.png": BOTH}),
    Kind("grey-0-1-2", mask(NUMBERS), says=r"several classes.* are 2 \(12.5 %\), 1 \(8.3 %\); .*--index 1"),
    Kind("grey-index", mask(NUMBERS), {"a.png": TWO}, options=chosen(index=2)),
    Kind("grey-background", mask(NUMBERS), {"a.png": REST}, options=chosen(index=0)),
    Kind("grey-0-100-200", mask(NUMBERS * 100), says=r"several classes.* 200 .*, 100 "),
    Kind("grey-small-class", mask(NUMBERS // 2 * 120 + SPECK * 9), says=r"several classes.* 120 .*, 9 "),
    Kind("grey-no-such-index", mask(NUMBERS), says="no pixel of the number 7; its numbers .* are 0 .*, 2 .*, 1 ",
         options=chosen(index=7)),
    Kind("deep-0-1-2", mask(NUMBERS.astype(np.uint16)), says=r"several classes.* are 2 .*, 1 "),
    Kind("deep-index", mask(NUMBERS.astype(np.uint16)), {"a.png": ONE}, options=chosen(index=1)),
    Kind("deep-300-600", mask(NUMBERS.astype(np.uint16) * 300), says=r"several classes.* are 600 .*, 300 "),
    Kind("deep-0-300", mask((NUMBERS == 2).astype(np.uint16) * 300), {"a.png": TWO}),
    Kind("deep-white", mask((NUMBERS > 0).astype(np.uint16) * 65535), {"a.png": BOTH}),
    Kind("palette-gaps", mask(palette(GAPPED, GAPS)), says=r"several classes.* are 9 .*, 3 .*--index 3"),
    Kind("palette-index", mask(palette(GAPPED, GAPS)), {"a.png": TWO}, options=chosen(index=9)),
    Kind("palette-colour", mask(palette(GAPPED, GAPS)), {"a.png": ONE}, options=chosen(colour=(200, 0, 0))),
    Kind("palette-one", mask(palette(np.where(GAPPED == 9, 9, 0), GAPS)), {"a.png": TWO}),
    Kind("palette-ignored", mask(palette(np.where(AROUND == 1, 0, AROUND), VOC | {255: (9, 9, 9)})), {"a.png": TWO}),
    Kind("rgb-classes", mask(coloured(RED_GREEN)), says=r"several colours.*#00ff00 \(12.5 %\), #ff0000 \(8"),
    Kind("rgb-colour", mask(coloured(RED_GREEN)), {"a.png": ONE}, options=chosen(colour=(255, 0, 0))),
    Kind("rgb-no-such-colour", mask(coloured(RED_GREEN)), says="no pixel of the colour #ffff00; its colours",
         options=chosen(colour=(255, 255, 0))),
    Kind("rgb-index", mask(coloured(RED_GREEN)), says="holds colours and no numbers; give --colour",
         options=chosen(index=1)),
    Kind("rgb-dark", mask(coloured({0: (0, 0, 0), 1: (0, 0, 0), 2: (40, 0, 0)})), {"a.png": TWO}),
    Kind("rgb-on-white", mask(coloured({0: (255,) * 3, 1: (255,) * 3, 2: (255, 0, 0)})), says="several colours"),
    Kind("rgb-grey-numbers", mask(coloured({i: (i,) * 3 for i in range(3)})), {"a.png": TWO}, options=chosen(index=2)),
    Kind("rgba-classes", mask(coloured(CLEAR)), says=r"several colours.*#0000ff \(12.5 %\), #ff0000 "),
    Kind("rgba-colour", mask(coloured(CLEAR)), {"a.png": TWO}, options=chosen(colour=(0, 0, 255))),
    Kind("rgba-one", mask(coloured({**CLEAR, 2: (255, 0, 0, 255)})), {"a.png": BOTH}),
    Kind("rgba-half-clear", mask(coloured({0: (0, 0, 0, 0), 1: (9, 9, 9, 90), 2: (9, 9, 9, 90)})), {"a.png": BOTH}),
    Kind("rgba-black-and-red", mask(coloured({**CLEAR, 2: (0, 0, 0, 255)})), says=r"several col.*#000000 \(12.5 %\)"),
    Kind("one-bit", mask(Image.fromarray(WHITE).convert("1")), {"a.png": BOTH}),
    Kind("one-bit-inverted", mask(Image.fromarray(255 - WHITE).convert("1")), {"a.png": BOTH}, options=chosen(index=0)),
    Kind("one-bit-palette", mask(palette(NUMBERS == 0, {0: (255,) * 3})), {"a.png": REST}, options=chosen(index=1)),
    Kind("soft", mask(soft(0.4)), {"a.png": BOTH}),
    Kind("photograph", mask(np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)),
         says="looks like a photograph, not a mask"),
    Kind("grey-photograph", mask(np.add.outer(np.arange(H), 2 * np.arange(W)).astype(np.uint8)),
         says="looks like a photograph, not a mask"),
)  # fmt: skip

FOLDERS = (
    Kind("both-png", files(images__a_dot_png=PICTURE, images__b_dot_png=PICTURE, masks__a_dot_png=WHITE,
         masks__b_dot_png=NUMBERS // 2), {"a.png": BOTH, "b.png": TWO}, images="images", marks="masks"),
    Kind("json-beside", files(images__a_dot_png=PICTURE, masks__a_dot_png=WHITE, masks__a_dot_json=LABELME,
         masks__a_dot_txt=b"0 0.1 0.1 0.2 0.2 0.3 0.1", masks__info_dot_json={}), {"a.png": BOTH}, images="images",
         marks="masks"),
    Kind("json-of-no-kind", files(images__a_dot_png=PICTURE, images__b_dot_png=PICTURE, masks__via_dot_json={"a": {}}),
         images="images", marks="masks", says="is JSON of no kind that is read: COCO, LabelMe"),
    Kind("one-folder", files(both__a_dot_png=PICTURE, both__a_dot_json=LABELME), {"a.png": 121}, images="both",
         marks="both"),
    Kind("other-ending", files(images__a_dot_jpg=PICTURE, masks__a_dot_bmp=WHITE), {"a.jpg": BOTH}, images="images",
         marks="masks"),
    Kind("upper-case", files(images__A_dot_JPG=PICTURE, masks__a_dot_png=WHITE), {"A.JPG": BOTH}, images="images",
         marks="masks"),
    Kind("a-copy-is-no-mask", files(images__a_dot_png=PICTURE, masks__a_dot_png=PICTURE, masks__a_dot_json=LABELME),
         {"a.png": 121}, images="images", marks="masks"),
    Kind("relative-paths", files(images__x__a_dot_png=PICTURE, images__y__a_dot_png=PICTURE, masks__x__a_dot_png=WHITE,
         masks__y__a_dot_png=NUMBERS // 2), {"x/a.png": BOTH, "y/a.png": TWO}, images="images", marks="masks"),
    Kind("one-mask-of-two", files(images__x__a_dot_png=PICTURE, images__y__a_dot_png=PICTURE, masks__a_dot_png=WHITE),
         says=r"masks/a.png may mark .*images/x/a.png or .*images/y/a.png", images="images", marks="masks"),
    Kind("two-masks-of-one", files(images__a_dot_png=PICTURE, masks__x__a_dot_png=WHITE, masks__y__a_dot_png=WHITE),
         says=r"images/a.png may be marked by .*masks/x/a.png or .*masks/y/a.png", images="images", marks="masks"),
    Kind("one-of-two-folders", files(images__x__a_dot_png=PICTURE, images__y__a_dot_png=PICTURE,
         masks__x__a_dot_png=WHITE), {"x/a.png": BOTH}, images="images", marks="masks", notes=("has the name of",)),
    Kind("masks-below-images", files(images__a_dot_png=PICTURE, images__masks__a_dot_png=WHITE), {"a.png": BOTH},
         images="images", marks="images/masks"),
    Kind("broken-and-empty", files(images__a_dot_png=PICTURE, images__b_dot_png=PICTURE, images__c_dot_png=PICTURE,
         images__d_dot_png=PICTURE, masks__a_dot_png=WHITE, masks__b_dot_png=b"no image", masks__c_dot_png=0 * WHITE),
         {"a.png": BOTH}, images="images", marks="masks",
         notes=("left out: .*masks/b.png is not an image", "'cat' is not marked in .*images/c.png; it is left out",
                "has the name of .*images/d.png; it is left out")),
    Kind("clash", files(images__a_dot_jpg=PICTURE, images__a_dot_png=PICTURE, images__b_dot_png=PICTURE,
         masks__a_dot_png=WHITE, masks__b_dot_png=WHITE), {"a.jpg": BOTH, "b.png": BOTH}, images="images",
         marks="masks", notes=("a.png and a.jpg have one stem",)),
    Kind("pattern", files(images__a_dot_png=PICTURE, images__b_dot_jpg=PICTURE, masks__a_dot_png=WHITE,
         masks__b_dot_png=WHITE), {"b.jpg": BOTH}, images="images/*.jpg", marks="masks/*.png"),
    Kind("named-numbers", files(images__a_dot_png=PICTURE, masks__a_dot_png=NUMBERS, classes_dot_txt=b"dog\r\ncat\r\n"),
         {"a.png": TWO}, images="images", marks="masks"),
    Kind("two-files", files(images__a_dot_png=PICTURE, masks__a_dot_png=WHITE, masks__a_dot_bmp=WHITE),
         says="may be marked by .*a.bmp or .*a.png; keep one of them", images="images", marks="masks"),
)  # fmt: skip
