"""Images for training and images for validation, where a format tells them apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import PurePosixPath

from cdpnet.runtime.text import encode

_FOLDERS = ("val", "valid", "validation")  # which hold images for validation, as data sets are published
_SHARE = 0.2  # of the images, for validation: our choice


def split_images(images: Sequence[str]) -> tuple[list[str], list[str]]:
    """The images for training and those for validation, both in the order of ``images``; paths with ``/``.

    Images in a folder ``val`` are for validation; if there are none, a fifth of the images is, chosen by their paths:
    an image stays where it is when others are added. Trainers take no empty list, so a single image is in both.
    """
    chosen = {image for image in images if not set(_FOLDERS).isdisjoint(PurePosixPath(image).parent.parts)}
    if not chosen:
        chosen = {image for image in images if _place(image) < _SHARE} or set(sorted(images, key=_place)[:1])
    train = [image for image in images if image not in chosen]
    return train or list(images), [image for image in images if image in chosen]


def _place(image: str) -> float:
    """A number in 0..1 that depends on nothing but the path."""
    return int.from_bytes(hashlib.sha256(encode(image)).digest()[:4]) / 2**32
