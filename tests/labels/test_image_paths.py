"""Names of images in label files, as tools and people of other machines write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdpnet.io.fields import FieldError
from cdpnet.labels.image_paths import match_images

FOLDER = Path("/data/images")
FILES = [
    "train/a.jpg",
    "val/a.jpg",
    "b c.jpg",
    "d%20e.jpg",
    "Ölkanne (2).png",
    "sub/IMG_7.JPG",
    "photo #1.jpg",
    "f.png",
    "h\\i.png",
]
IMAGES = [FOLDER / name for name in FILES]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("f.png", "f.png"),
        ("./f.png", "f.png"),
        ("/home/ann/set/images/f.png", "f.png"),
        ("..\\pictures\\f.png", "f.png"),
        ("C:\\Users\\Ann\\images\\train\\a.jpg", "train/a.jpg"),
        ("D:/set/val/a.jpg", "val/a.jpg"),
        ("val%5Ca.jpg", "val/a.jpg"),
        ("b%20c.jpg", "b c.jpg"),
        ("d%20e.jpg", "d%20e.jpg"),
        ("/data/upload/1/ab12cd34-f.png", "f.png"),
        ("/data/upload/3/0badcafe-b_c.jpg", "b c.jpg"),
        ("/data/upload/3/0badcafe-%C3%96lkanne_2.png", "Ölkanne (2).png"),
        ("file:///home/ann/val/a.jpg", "val/a.jpg"),
        ("file:///C:/set/b%20c.jpg", "b c.jpg"),
        ("/data/local-files/?d=set/train/a.jpg", "train/a.jpg"),
        ("/data/local-files/?d=set%5Ctrain%5Ca.jpg", "train/a.jpg"),
        ("http://localhost:8080/data/local-files/?d=b%20c.jpg", "b c.jpg"),
        ("https://example.org/bucket/f.png?X-Signature=9&Expires=1", "f.png"),
        ("s3://bucket/val/a.jpg", "val/a.jpg"),
        ("sub/img_7.jpg", "sub/IMG_7.JPG"),
        ("O\u0308lkanne (2).png", "Ölkanne (2).png"),
        ("photo #1.jpg", "photo #1.jpg"),
        ("h\\i.png", "h\\i.png"),
        ("/data/local-files/?d=h%5Ci.png", "h\\i.png"),
        ("g.png", None),
        ("afpng", None),
        ("", None),
    ],
)
def test_a_name_is_matched_by_its_longest_tail(name: str, file: str | None) -> None:
    expected = {} if file is None else {name: FOLDER / file}
    assert match_images([name], IMAGES, FOLDER) == expected


@pytest.mark.parametrize("name", ["/data/local-files/?d={}", "http://localhost:8080/data/local-files/?d={}"])
def test_the_folder_of_a_local_storage_counts(name: str) -> None:
    images = [FOLDER / "a.jpg", FOLDER / "deep" / "a.jpg"]
    names = [name.format("a.jpg"), name.format("deep/a.jpg")]
    assert match_images(names, images, FOLDER) == dict(zip(names, images, strict=True))
    assert match_images([name.format("images/a.jpg")], images, FOLDER) == {name.format("images/a.jpg"): images[0]}


def test_a_name_that_fits_two_files_is_refused() -> None:
    with pytest.raises(FieldError, match=r"x/a.jpg may be /data/images/train/a.jpg or /data/images/val/a.jpg"):
        match_images(["x/a.jpg"], IMAGES, FOLDER)


def test_a_path_below_the_folder_is_that_file() -> None:
    images = [FOLDER / "a.jpg", FOLDER / "deep" / "a.jpg", FOLDER / "deep" / "images" / "a.jpg"]
    assert match_images(["a.jpg"], images, FOLDER) == {"a.jpg": images[0]}


def test_two_names_of_one_file() -> None:
    """The one with the longer tail is meant; equal ones are refused, and one name in two spellings is one name."""
    image = [FOLDER / "val" / "a.jpg"]
    assert match_images(["train/a.jpg", "val/a.jpg"], image, FOLDER) == {"val/a.jpg": image[0]}
    with pytest.raises(FieldError, match=r"x/a.jpg or y/a.jpg may all be /data/images/val/a.jpg"):
        match_images(["x/a.jpg", "y/a.jpg"], image, FOLDER)
    spelt = ["val/a.jpg", "val\\a.jpg", "./val/a.jpg"]
    assert match_images(spelt, image, FOLDER) == dict.fromkeys(spelt, image[0])


def test_a_name_that_is_no_address_is_refused() -> None:
    with pytest.raises(FieldError, match="is not an address"):
        match_images(["http://[bad"], IMAGES, FOLDER)
