"""Label Studio's JSON: tasks with predictions that a person corrects, brush masks in its own run lengths.

The run lengths are those of the package rle-pack of thi.ng: a stream of bits with the number of words (32 bits), bits
of a word - 1 (5), four widths of counts - 1 (4 each); then for each run a flag (1 for a repeated word, 0 for words one
by one), the number of the width (2), count - 1, and the word or words. A mask has four words, RGBA, for each pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import DataError
from cdpnet.io.files import atomic
from cdpnet.labels.coco import write_list
from cdpnet.labels.label_set import LabelSet
from cdpnet.labels.regions import ImageLabels, Region, from_mask, from_outlines

FILE = "tasks.json"
_WIDTHS = (3, 4, 8, 16)
_CHANNELS = 4


def finish(everything: Callable[[], Iterable[ImageLabels]], target: LabelSet) -> None:
    """Write all tasks. Their images are asked for from local storage whose root is the folder of images."""
    with atomic(target.out / FILE) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("[\n")
        write_list(file.write, map(_task, everything()))
        file.write("]\n")


def _task(found: ImageLabels) -> dict[str, Any]:
    results = [
        {
            "id": f"region-{number}",
            "type": "brushlabels",
            "from_name": "labels",
            "to_name": "image",
            "original_width": found.width,
            "original_height": found.height,
            "image_rotation": 0,
            "score": region.score,
            "value": {"format": "rle", "rle": packed(found.mask(region)), "brushlabels": [region.label]},
        }
        for number, region in enumerate(found.regions, start=1)
    ]
    score = min((region.score for region in found.regions), default=0.0)
    return {
        "data": {"image": f"/data/local-files/?d={quote(found.image)}"},
        "predictions": [{"model_version": "cdpnet", "score": score, "result": results}],
    }


def read(content: list[Any], path: Path) -> Iterator[ImageLabels]:
    """Of every task its image's name, without folders, and its regions: annotations, or predictions if it has none.

    DataError where the file cannot be understood.
    """
    try:
        for task in content:
            done = [entry for entry in task.get("annotations") or () if not entry.get("was_cancelled")]
            results = [result for entry in done or task.get("predictions") or () for result in entry["result"]]
            regions = [region for result in results if (region := _region(result)) is not None]
            if regions:
                size = (int(results[0]["original_height"]), int(results[0]["original_width"]))
                yield ImageLabels(_image(task["data"]), *size, tuple(regions))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise DataError(f"{path} is not an export of Label Studio ({error!r} is missing or of another kind).") from None


def _region(result: dict[str, Any]) -> Region | None:
    """The region of a brush or a polygon; None for boxes, points and the like."""
    if "original_width" not in result:
        return None
    value, size = result["value"], (int(result["original_height"]), int(result["original_width"]))
    if "brushlabels" in value:
        return from_mask(unpacked(value["rle"], size), str(value["brushlabels"][0]))
    if "polygonlabels" in value:
        points = [share / 100 * size[i % 2 == 0] for point in value["points"] for i, share in enumerate(point)]
        return from_outlines([points], size, str(value["polygonlabels"][0]))
    return None


def _image(data: dict[str, Any]) -> str:
    """The file name of a task's image, from an address of local storage, an upload or the web."""
    address = urlsplit(str(data["image"] if "image" in data else next(iter(data.values()))))
    inner = parse_qs(address.query).get("d", [unquote(address.path)])[0]
    return PurePosixPath(inner).name


def packed(mask: NDArray[np.uint8]) -> list[int]:
    """A mask (H, W) in Label Studio's run lengths, as bytes."""
    flat = mask.ravel() > 0
    starts = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])
    bits = [f"{flat.size * _CHANNELS:032b}", f"{8 - 1:05b}", *(f"{width - 1:04b}" for width in _WIDTHS)]
    for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        word = f"{255 if flat[start] else 0:08b}"
        left = (stop - start) * _CHANNELS
        while left:
            count = min(left, 1 << _WIDTHS[-1])
            kind = next(i for i, width in enumerate(_WIDTHS) if count <= 1 << width)
            bits.append(f"1{kind:02b}{count - 1:0{_WIDTHS[kind]}b}{word}")
            left -= count
    stream = "".join(bits)
    stream += "0" * (-len(stream) % 8)
    return list(int(stream, 2).to_bytes(len(stream) // 8, "big"))


def unpacked(data: list[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask (H, W) of Label Studio's run lengths, by the last of its channels. ValueError where it does not fit."""
    stream = "".join(f"{byte:08b}" for byte in data)
    place = 0

    def take(width: int) -> int:
        nonlocal place
        place += width
        return int(stream[place - width : place], 2)

    total, width = take(32), take(5) + 1
    widths = [take(4) + 1 for _ in _WIDTHS]
    if total != size[0] * size[1] * _CHANNELS:
        raise ValueError(f"a mask of {total} values for {size[1]} x {size[0]} pixels")
    words, done = np.zeros(total, dtype=np.uint32), 0
    while done < total:
        repeated, count = take(1), take(widths[take(2)]) + 1
        words[done : done + count] = take(width) if repeated else [take(width) for _ in range(count)]
        done += count
    mask: NDArray[np.bool_] = words.reshape(*size, _CHANNELS)[..., -1] > 0
    return mask
