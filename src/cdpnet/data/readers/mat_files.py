"""Masks in .mat files of MATLAB, version 5, as SBD has them.

They are read here, since scipy's reader is not made for files of strangers: one changed byte can end the process.
The layout is that of "MAT-File Format", MathWorks: elements of a tag (kind, bytes) and data.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_HEADER = 128  # bytes before the first element; the last two tell the byte order
_MATRIX, _COMPRESSED = 14, 15  # kinds of elements
_STRUCT = 2  # class of a matrix
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}  # by kind
_MOST_BYTES = 2**22  # of an unpacked element; the images of SBD have 500 x 500 pixels


def read_field(content: bytes, variable: str, field: str) -> NDArray[np.int64]:
    """The matrix (H, W) in a field of a structure that a file holds.

    Raises ValueError, IndexError, KeyError, struct.error or zlib.error for a file that is broken or of another kind.
    """
    order = ">" if content[_HEADER - 2 : _HEADER] == b"MI" else "<"
    for kind, data in _elements(content[_HEADER:], order):
        if kind == _COMPRESSED:
            kind, data = next(_elements(_unpack(data), order))
        if kind != _MATRIX:
            continue
        flags, _, name, *rest = _elements(data, order)
        if name[1].decode() == variable and _array_class(flags[1], order) == _STRUCT:
            (width,) = struct.unpack(f"{order}i", rest[0][1][:4])
            names = [rest[1][1][i : i + width].split(b"\0")[0].decode() for i in range(0, len(rest[1][1]), width)]
            return _read_matrix(rest[2 + names.index(field)][1], order)
    raise KeyError(variable)


def _read_matrix(data: bytes, order: str) -> NDArray[np.int64]:
    _, shape, _, numbers = _elements(data, order)
    height, width = struct.unpack(f"{order}ii", shape[1])
    values = np.frombuffer(numbers[1], np.dtype(order + _NUMBERS[numbers[0]]))
    if min(height, width) < 1 or not np.isfinite(values).all():
        raise ValueError("not a matrix of finite numbers")
    return values.reshape((height, width), order="F").astype(np.int64)


def _array_class(flags: bytes, order: str) -> int:
    return int(struct.unpack(f"{order}I", flags[:4])[0]) & 0xFF


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Kind and data of the elements in a text of bytes. ValueError where one is longer than what is there."""
    start = 0
    while start < len(content):
        kind, size = struct.unpack_from(f"{order}II", content, start)
        data, after = start + 8, 0
        if kind >> 16:  # a short element has its size in the first word and its data in the second
            kind, size, data = kind & 0xFFFF, kind >> 16, start + 4
            after = start + 8
        if data + size > len(content) or (after and size > 4):
            raise ValueError("an element is cut off")
        yield kind, content[data : data + size]
        start = after or data + size + (-size % 8 if kind != _COMPRESSED else 0)


def _unpack(content: bytes) -> bytes:
    stream = zlib.decompressobj()
    unpacked = stream.decompress(content, _MOST_BYTES)
    if stream.unconsumed_tail:
        raise ValueError("an element is too large")
    return unpacked
