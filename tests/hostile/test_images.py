"""Files that are called images: other formats, pipes, devices and damaged ones."""

from __future__ import annotations

import base64
import errno
import io
import json
import os
import random
import struct
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image, UnidentifiedImageError, features

import cdpnet
from cdpnet.errors import DataError
from cdpnet.io.image_tensors import read_image
from cdpnet.io.images import FORMATS, Reduction, open_image, open_reduced, refuse_other_formats
from tests.hostile.refusing import Case, assert_refused

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 128 128\n%%EndComments\nshowpage\n%%EOF\n"
OTHERS = {  # the first bytes of formats that Pillow reads and this package does not
    "QOI": b"qoif" + struct.pack(">IIBB", 8, 8, 3, 0),
    "DDS": b"DDS " + struct.pack("<31I", 124, 0x1007, 8, 8, *[0] * 14, 32, 0x40, 0, 24, 255, 65280, 16711680, *[0] * 6),
    "BLP": b"BLP2" + struct.pack("<IBBBBII", 1, 1, 0, 0, 0, 8, 8),
    "ICNS": b"icns" + struct.pack(">I4sI", 24, b"icp4", 16),
    "SPIDER": struct.pack(">27f", *[1.0, 8.0, *[0.0] * 2, 1.0, *[0.0] * 7, 32.0, *[0.0] * 8, 1.0, 32.0, *[0.0] * 4]),
    "ICO": b"\0\0\1\0\1\0" + struct.pack("<4B2H2I", 8, 8, 0, 0, 1, 24, 40, 22) + bytes(40),
    "PCX": b"\x0a\5\1\x08" + struct.pack("<6H", 0, 0, 7, 7, 72, 72) + bytes(112),
    "WMF": b"\xd7\xcd\xc6\x9a\0\0" + struct.pack("<4hHIIHH", 0, 0, 99, 99, 96, 0, 0, 1, 9) + bytes(60),
    "PSD": b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 8, 8, 8, 3),
}
SEGMENT = "segment {file} --model tiny --support {good}/support.png:{good}/mask.png --out {out}"
LEARN = "learn --model tiny --name x --support {good}/support.png:{file} --out {out}/x.safetensors"
SHOWN = "learn --model tiny --name x --support {file}:{good}/mask.png --out {out}/x.safetensors"


def content(data: bytes, path: Path) -> None:
    path.write_bytes(data)


def link(target: str, path: Path) -> None:
    path.symlink_to(target)


def saved(image: Image.Image, path: Path) -> None:
    image.save(path)


def png_header(width: int, height: int, path: Path) -> None:
    """A PNG that states its size and holds no pixels."""
    parts = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b""))
    chunks = [struct.pack(">I", len(d)) + name + d + struct.pack(">I", zlib.crc32(name + d)) for name, d in parts]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def png_text(text: bytes, path: Path) -> None:
    """A PNG with a compressed text, which Pillow unpacks up to a megabyte."""
    png_header(8, 8, path)
    name, data = b"zTXt", b"a\0\0" + zlib.compress(text)
    chunk = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    path.write_bytes(path.read_bytes()[:33] + chunk + path.read_bytes()[33:])


def cut_off(path: Path) -> None:
    Image.effect_noise((128, 128), 60).save(path)
    path.write_bytes(path.read_bytes()[:-2000])


def labelme(path: Path) -> None:
    shape = {"label": "x", "points": [[0, 0], [99, 99]], "shape_type": "mask", "mask": base64.b64encode(EPS).decode()}
    values = {"shapes": [shape], "imagePath": "support.png", "imageHeight": 128, "imageWidth": 128}
    path.write_text(json.dumps(values))


QUARTER = Reduction(above=32, factor=4)
NOT_AN_IMAGE = "is not an image that can be read"
NOT_FINITE = np.full((8, 8), np.nan, np.float32)
CASES = (
    Case("eps.jpg", partial(content, EPS), SEGMENT, NOT_AN_IMAGE),
    Case("eps.png", partial(content, EPS), LEARN, NOT_AN_IMAGE),
    Case("eps.tif", partial(content, EPS), SHOWN, NOT_AN_IMAGE),
    Case("eps.json", labelme, LEARN, "shape 1 ('x'): the mask is not a PNG file in base64"),
    *(Case(f"{name}.jpg", partial(content, data), SEGMENT, NOT_AN_IMAGE) for name, data in OTHERS.items()),
    Case("empty.jpg", Path.touch, SEGMENT, NOT_AN_IMAGE),
    Case("pipe.jpg", os.mkfifo, SEGMENT, "pipe.jpg is a pipe; give the path of an image"),
    Case("pipe.png", os.mkfifo, LEARN, "pipe.png is a pipe"),
    Case("pipe.json", os.mkfifo, LEARN, "pipe.json is a pipe; give the path of a text file"),
    Case("pipe.txt", os.mkfifo, LEARN, "pipe.txt is a pipe"),
    Case("zero.jpg", partial(link, "/dev/zero"), SEGMENT, "zero.jpg is a device"),
    Case("loop.jpg", partial(link, "loop.jpg"), SEGMENT, "loop.jpg cannot be read (Too many levels of symbolic"),
    Case(
        f"{'n' * 244}.png", partial(saved, Image.new("L", (8, 8))), SEGMENT, "has a name too long for its results; 243"
    ),
    Case("folder.jpg", Path.mkdir, SEGMENT, "folder.jpg holds no image"),
    Case(
        "large.png",
        partial(png_header, 11_000, 11_000),
        SEGMENT,
        "has 11000 x 11000 pixels; at most 100 million are read",
    ),
    Case("huge.png", partial(png_header, 10**6, 10**6), SEGMENT, "has more pixels than any image that is read"),
    Case("text.png", partial(png_text, b"x" * 10**8), SEGMENT, "text.png cannot be decoded (it is damaged)"),
    Case("cut.png", cut_off, SEGMENT, "cut.png cannot be decoded"),
    Case("lab.tif", partial(saved, Image.new("LAB", (8, 8))), SEGMENT, "lab.tif has colours of the space Lab"),
    Case("deep.tif", partial(saved, Image.new("I", (8, 8), 70_000)), SEGMENT, "holds the numbers 70000 to 70000"),
    Case(
        "minus.tif",
        partial(saved, Image.fromarray(np.array([[-3, 0.5]], np.float32))),
        SEGMENT,
        "minus.tif holds the numbers -3 to 0.5; an image of floating-point numbers has 0 to 1, or 0 to 255.",
    ),
    Case("nan.tif", partial(saved, Image.fromarray(NOT_FINITE)), SEGMENT, "nan.tif holds numbers that are not finite"),
)


@pytest.fixture(autouse=True)
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that exists once Pillow has started what it takes for Ghostscript."""
    program, started = tmp_path / "gs", tmp_path / "started"
    program.write_text(f"#!/bin/sh\ntouch {started}\n")
    program.chmod(0o755)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", str(program))
    return started


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_no_image_is_refused(case: Case, tmp_path: Path, icon_files: Path, ghostscript: Path) -> None:
    assert_refused(case, tmp_path, icon_files)
    assert not ghostscript.exists()


def test_an_image_that_may_not_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, _: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    path = tmp_path / "a.png"
    Image.new("L", (8, 8)).save(path)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=f"^{path} cannot be read \\(Permission denied\\); mend or remove it.$"):
        read_image(path)


def test_images_are_opened_in_one_place() -> None:
    root = Path(cdpnet.__file__).parent
    opening = [path.relative_to(root) for path in root.rglob("*.py") if "Image.open(" in path.read_text()]
    assert opening == [Path("io/images.py")]


def test_no_library_of_the_web_server_opens_other_formats(monkeypatch: pytest.MonkeyPatch, ghostscript: Path) -> None:
    Image.init()
    monkeypatch.setattr(Image, "ID", list(Image.OPEN))
    assert Image.open(io.BytesIO(EPS)).format == "EPS"
    refuse_other_formats()
    for data in (EPS, *OTHERS.values()):
        with pytest.raises(UnidentifiedImageError):
            Image.open(io.BytesIO(data))
    assert not ghostscript.exists()


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read(name: str, tmp_path: Path) -> None:
    if name not in Image.registered_extensions().values() or (name == "AVIF" and not features.check("avif")):
        pytest.skip("not installed")
    first, second = (Image.new("RGB", (40, 30), colour) for colour in ("red", "blue"))
    more = {"save_all": True, "append_images": [second]} if name == "GIF" else {}
    first.save(tmp_path / "image.jpg", name, **more)
    image = read_image(tmp_path / "image.jpg")
    assert image.shape == (3, 30, 40)
    assert image[0].float().mean() > 245
    assert image[1:].float().mean() < 10


def test_numbers_that_are_not_finite_are_refused_in_arrays_too() -> None:
    for source in (NOT_FINITE, torch.full((3, 8, 8), float("inf"))):
        with pytest.raises(DataError, match="not finite"):
            read_image(source)


@pytest.mark.parametrize("largest", [1, 255])
def test_floating_point_numbers_are_fractions_or_of_8_bits(largest: int, tmp_path: Path) -> None:
    grey = np.array([[0, 51], [204, 255]], np.uint8)
    Image.fromarray((grey / np.float32(255) * largest).astype(np.float32)).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").tolist() == [grey.tolist()] * 3


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_image_is_read_or_refused(name: str) -> None:
    """A few bytes of a small picture are changed, or its end is cut off."""
    if name not in Image.registered_extensions().values():
        pytest.skip("not installed")
    buffer, rng = io.BytesIO(), random.Random(0)
    Image.effect_mandelbrot((64, 48), (-2, -1, 1, 1), 30).convert("RGB").save(buffer, name)
    for _ in range(100):
        data = bytearray(buffer.getvalue())
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data) if rng.random() < 0.5 else min(64, len(data)))] = rng.randrange(256)
        damaged = bytes(data[: rng.choice((len(data), rng.randrange(len(data))))])
        for read in (
            lambda content: open_image(content).convert("RGB"),
            lambda content: open_reduced(content, QUARTER),
        ):
            try:
                read(damaged)
            except DataError as error:
                assert "\n" not in str(error)
