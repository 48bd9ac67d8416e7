"""Masks as COCO's run lengths. Values of files are checked here before pycocotools, which trusts them, gets them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from cdpnet.io.fields import FieldError
from cdpnet.io.images import MAX_PIXELS
from cdpnet.io.outlines import as_outline, cut_far_parts

_FIVE_BITS, _SIGN, _MORE, _ZERO = 31, 16, 32, 48  # of a character: its number, its highest bit, another follows, '0'
_MERGED_AT_ONCE = 8
_MAX_CHARACTERS = 7  # of a count, which has at most 32 bits


class RunLengths(TypedDict):
    """A mask as pycocotools takes it; size is H, W, counts are compressed."""

    size: list[int]
    counts: bytes


def check_size(height: int, width: int) -> tuple[int, int]:
    """Height and width in pixels. FieldError where one is not positive, or the image has more than MAX_PIXELS."""
    if height < 1 or width < 1:
        raise FieldError("height and width are not at least 1")
    if height * width > MAX_PIXELS:
        raise FieldError(f"height and width are those of an image of more than {MAX_PIXELS // 10**6} million pixels")
    return height, width


def encode_mask(mask: NDArray[np.bool_]) -> RunLengths:
    """The run lengths of a mask (H, W); one that is stored by columns is not copied."""
    found: RunLengths = coco_mask.encode(np.asfortranarray(mask.view(np.uint8)))
    return found


def encode_outlines(outlines: Iterable[Sequence[object]], size: tuple[int, int]) -> RunLengths:
    """The run lengths of what closed outlines enclose, each x1, y1, x2, y2, .. in pixels, filled by COCO's rule.

    size: H, W; what lies outside is cut off. FieldError for an outline of fewer than three points, one that is not of
    finite numbers, and one that is longer than any in an image.
    """
    cut = [cut_far_parts(as_outline(outline), size).ravel().tolist() for outline in outlines]
    near = [outline for outline in cut if outline]
    return merge(coco_mask.frPyObjects(near, *size)) if near else encode_mask(np.zeros(size, np.bool_))


def encode_counts(counts: Sequence[object], size: tuple[int, int]) -> RunLengths:
    """The run lengths of uncompressed counts. FieldError where they do not add up to the pixels of ``size``, H, W."""
    if len(counts) > 2 * size[0] * size[1] + 2:
        raise FieldError("the run lengths are more than the image has pixels")
    whole = [count for count in counts if type(count) is int and count >= 0]
    if len(whole) < len(counts):
        raise FieldError("the run lengths are not whole numbers from 0 on")
    _check_sum(sum(whole), size)
    found: RunLengths = coco_mask.frPyObjects({"size": list(size), "counts": whole}, *size)
    return found


def check_compressed(counts: str, size: tuple[int, int]) -> RunLengths:
    """Compressed run lengths. FieldError where they are broken or do not add up to the pixels of ``size``, H, W."""
    if not counts.isascii() or len(counts) > 2 * size[0] * size[1] + _MAX_CHARACTERS:
        raise FieldError("the run lengths are not those of a mask of its size")
    found = _decompress(counts.encode())
    if (found < 0).any():
        raise FieldError("the run lengths are not whole numbers from 0 on")
    _check_sum(int(found.sum()), size)
    return {"size": list(size), "counts": counts.encode()}


def _decompress(counts: bytes) -> NDArray[np.int64]:
    """The counts (n,) in a compressed text.

    A character holds five bits, the lowest first, and whether another follows; the highest bit of the last is the sign.
    From the fourth on, a count is stored as its difference from the one two before.
    """
    codes = np.frombuffer(counts, np.uint8).astype(np.int64) - _ZERO
    if not codes.size or codes.min() < 0 or codes.max() >= 2 * _MORE or codes[-1] & _MORE:
        raise FieldError("the run lengths are cut off or have a wrong character")
    last = np.flatnonzero(codes & _MORE == 0)
    lengths = np.diff(last, prepend=-1)
    if lengths.max() > _MAX_CHARACTERS:
        raise FieldError("the run lengths have a number that is too large")
    first = last - lengths + 1
    places = np.arange(codes.size) - np.repeat(first, lengths)
    found = np.add.reduceat((codes & _FIVE_BITS) << (5 * places), first)
    found -= np.where(codes[last] & _SIGN, np.int64(1) << (5 * lengths), 0)
    found[1::2], found[2::2] = found[1::2].cumsum(), found[2::2].cumsum()
    return found


def _check_sum(total: int, size: tuple[int, int]) -> None:
    if total != size[0] * size[1]:
        raise FieldError(f"the run lengths do not add up to {size[1]} x {size[0]} pixels")


def merge(masks: Sequence[RunLengths]) -> RunLengths:
    """The union of at least one mask of one size; only run lengths are in memory."""
    while len(masks) > _MERGED_AT_ONCE:  # each merge goes through all that is merged before, so thousands go in steps
        masks = [merge(masks[i : i + _MERGED_AT_ONCE]) for i in range(0, len(masks), _MERGED_AT_ONCE)]
    found: RunLengths = coco_mask.merge(masks)
    return found


def decode(mask: RunLengths) -> NDArray[np.uint8]:
    """A mask (H, W), 0 or 1, of run lengths that were made or checked here; it is stored by columns.

    Not by pycocotools, where a Ctrl-C is lost: numpy first asks its masks for an array in a way that they refuse.
    """
    counts = _decompress(mask["counts"])
    values = (np.arange(counts.size) % 2).astype(np.uint8)  # runs of 0 and of 1 take turns
    return np.repeat(values, counts).reshape(mask["size"], order="F")


def area(mask: RunLengths) -> int:
    """The area of a mask in pixels."""
    return int(coco_mask.area(mask))


def bounding_box(mask: RunLengths) -> list[float]:
    """The bounding box of a mask: left, top, width, height in pixels."""
    box: list[float] = coco_mask.toBbox(mask).tolist()
    return box
