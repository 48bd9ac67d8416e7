"""Label Studio's JSON: one file of tasks with predictions that a person corrects, masks in its own run lengths.

The run lengths are those of the package rle-pack of thi.ng: a stream of bits with the number of words (32 bits), bits
of a word - 1 (5), four widths of counts - 1 (4 each); then for each run a flag (1 for a repeated word, 0 for words one
by one), the number of the width (2), count - 1, and the word or words. A mask has four words, RGBA, for each pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict
from urllib.parse import parse_qs, quote, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.io.files import atomic
from cdpnet.labels.coco import write_items
from cdpnet.labels.label_set import LabelFormat, LabelSet
from cdpnet.labels.regions import ImageLabels, Region, region_from_mask, region_from_outlines

FILE = "tasks.json"
_WIDTHS = (3, 4, 8, 16)
_CHANNELS = 4


class _BrushValue(TypedDict):
    """A mask as encoded run lengths, and its label."""

    format: str
    rle: list[int]
    brushlabels: list[str]


class _BrushResult(TypedDict):
    """One region of a prediction; sizes are in pixels."""

    id: str
    type: str
    from_name: str
    to_name: str
    original_width: int
    original_height: int
    image_rotation: int
    score: float
    value: _BrushValue


class _Prediction(TypedDict):
    """The regions that a model found in an image; score is the lowest of theirs."""

    model_version: str
    score: float
    result: list[_BrushResult]


class _Task(TypedDict):
    """An image with its predictions."""

    data: dict[str, str]
    predictions: list[_Prediction]


def write_shared(read_all: Callable[[], Iterable[ImageLabels]], target: LabelSet) -> None:
    """Write all tasks; images are addressed in a local storage whose root is the folder of images."""
    with atomic(target.out / FILE) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("[\n")
        write_items(file.write, map(_task, read_all()))
        file.write("]\n")


FORMAT = LabelFormat("Label Studio", shared_files=(FILE,), write_shared=write_shared)


def _task(labels: ImageLabels) -> _Task:
    results = [_result(number, labels, region) for number, region in enumerate(labels.regions, start=1)]
    score = min((region.score for region in labels.regions), default=0.0)
    return {
        "data": {"image": f"/data/local-files/?d={quote(labels.image)}"},
        "predictions": [{"model_version": "cdpnet", "score": score, "result": results}],
    }


def _result(number: int, labels: ImageLabels, region: Region) -> _BrushResult:
    return {
        "id": f"region-{number}",
        "type": "brushlabels",
        "from_name": "labels",
        "to_name": "image",
        "original_width": labels.width,
        "original_height": labels.height,
        "image_rotation": 0,
        "score": region.score,
        "value": {"format": "rle", "rle": encode_mask(labels.mask(region)), "brushlabels": [region.label]},
    }


def read(content: list[Any], path: Path) -> Iterator[ImageLabels]:
    """The image name, without folders, and the regions of every task that has regions.

    Regions come from annotations, or from predictions where a task has no annotation. DataError where the content is
    not Label Studio's.
    """
    try:
        for task in content:
            annotations = [entry for entry in task.get("annotations") or () if not entry.get("was_cancelled")]
            entries = annotations or task.get("predictions") or ()
            results = [result for entry in entries for result in entry["result"]]
            regions = [region for result in results if (region := _read_result(result)) is not None]
            if regions:
                size = (int(results[0]["original_height"]), int(results[0]["original_width"]))
                yield ImageLabels(_image_name(task["data"]), *size, tuple(regions))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise DataError(f"{path} is not a Label Studio export ({error!r} is missing or has another type).") from None


def _read_result(result: dict[str, Any]) -> Region | None:
    """The region of a brush mask or a polygon; None for other kinds, such as boxes and points."""
    if "original_width" not in result:
        return None
    value, size = result["value"], (int(result["original_height"]), int(result["original_width"]))
    if "brushlabels" in value:
        return region_from_mask(decode_mask(value["rle"], size), str(value["brushlabels"][0]))
    if "polygonlabels" in value:
        points = [percent / 100 * size[i % 2 == 0] for point in value["points"] for i, percent in enumerate(point)]
        return region_from_outlines([points], size, str(value["polygonlabels"][0]))
    return None


def _image_name(data: dict[str, Any]) -> str:
    """The file name of a task's image, from an address of local storage, an upload or the web."""
    address = urlsplit(str(data["image"] if "image" in data else next(iter(data.values()))))
    path = parse_qs(address.query).get("d", [unquote(address.path)])[0]
    return PurePosixPath(path).name


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


def decode_mask(data: list[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask (H, W) of Label Studio's run lengths, from the alpha channel. ValueError for another size."""
    stream = "".join(f"{byte:08b}" for byte in data)
    position = 0

    def read_bits(width: int) -> int:
        nonlocal position
        position += width
        return int(stream[position - width : position], 2)

    total, width = read_bits(32), read_bits(5) + 1
    widths = [read_bits(4) + 1 for _ in _WIDTHS]
    if total != size[0] * size[1] * _CHANNELS:
        raise ValueError(f"a mask of {total} values for {size[1]} x {size[0]} pixels")
    words, done = np.zeros(total, dtype=np.uint32), 0
    while done < total:
        repeated, count = read_bits(1), read_bits(widths[read_bits(2)]) + 1
        words[done : done + count] = read_bits(width) if repeated else [read_bits(width) for _ in range(count)]
        done += count
    mask: NDArray[np.bool_] = words.reshape(*size, _CHANNELS)[..., -1] > 0
    return mask
