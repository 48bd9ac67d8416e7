"""Masks as Label Studio's brush stores them, in run lengths of its own.

The run lengths are those of the package rle-pack of thi.ng: a stream of bits with the number of words (32 bits), bits
of a word - 1 (5), four widths of counts - 1 (4 each); then for each run a flag (1 for a repeated word, 0 for words one
by one), the number of the width (2), count - 1, and the word or words. A mask has four words, RGBA, for each pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cdpnet.io.fields import FieldError

_WIDTHS = (3, 4, 8, 16)
_CHANNELS = 4
_HEAD_BYTES, _MOST_BYTES = 8, 14  # before the runs; and of a pixel whose four words are each a run of 27 bits


def encode_mask(mask: NDArray[np.uint8]) -> list[int]:
    """A mask (H, W) as the bytes of Label Studio's run lengths."""
    flat = mask.ravel() > 0
    starts = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])
    bits = [f"{flat.size * _CHANNELS:032b}", f"{8 - 1:05b}", *(f"{width - 1:04b}" for width in _WIDTHS)]
    for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        word = f"{255 if flat[start] else 0:08b}"
        remaining = (stop - start) * _CHANNELS
        while remaining:
            count = min(remaining, 1 << _WIDTHS[-1])
            kind = next(i for i, width in enumerate(_WIDTHS) if count <= 1 << width)
            bits.append(f"1{kind:02b}{count - 1:0{_WIDTHS[kind]}b}{word}")
            remaining -= count
    stream = "".join(bits)
    stream += "0" * (-len(stream) % 8)
    return list(int(stream, 2).to_bytes(len(stream) // 8, "big"))


def decode_mask(data: Sequence[object], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask (H, W) of Label Studio's run lengths, from the alpha channel, which is the last of four values.

    FieldError where they are broken or of another size. Values are not stored, only their pixels.
    """
    if len(data) > _HEAD_BYTES + _MOST_BYTES * size[0] * size[1]:
        raise FieldError(f"rle has {len(data):,} bytes, more than an image of {size[1]} x {size[0]} pixels needs")
    values = [value for value in data if type(value) is int and 0 <= value < 256]
    if len(values) < len(data):
        raise FieldError("rle is not a list of bytes")
    stream = "".join(f"{byte:08b}" for byte in values)
    position = 0

    def read_bits(width: int) -> int:
        nonlocal position
        position += width
        if position > len(stream):
            raise FieldError("rle is cut off")
        return int(stream[position - width : position], 2)

    total, width = read_bits(32), read_bits(5) + 1
    widths = [read_bits(4) + 1 for _ in _WIDTHS]
    if total != size[0] * size[1] * _CHANNELS:
        raise FieldError(f"rle has {total} values for {size[1]} x {size[0]} pixels")
    alpha, done = np.zeros(size[0] * size[1], np.bool_), 0
    while done < total:
        repeated, count = read_bits(1), read_bits(widths[read_bits(2)]) + 1
        if done + count > total:
            raise FieldError("rle has more values than the image")
        if repeated:  # value i belongs to pixel i // 4, and is its alpha where it is the last of the four
            alpha[done // _CHANNELS : (done + count) // _CHANNELS] = read_bits(width) > 0
        else:
            for i in range(done, done + count):
                value = read_bits(width)
                if i % _CHANNELS == _CHANNELS - 1:
                    alpha[i // _CHANNELS] = value > 0
        done += count
    return alpha.reshape(size)
