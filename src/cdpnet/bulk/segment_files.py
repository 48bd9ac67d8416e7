"""Segment image files and write their masks and overlays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cdpnet.errors import DataError
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.files import check_out_folder, real_path, refuse_to_replace, write_image
from cdpnet.io.images import read_image
from cdpnet.labels.overlay import overlay
from cdpnet.labels.png import write_mask


@dataclass(frozen=True)
class Output:
    """An image file and the files of its results."""

    image: Path
    mask: Path
    overlay: Path


def plan_outputs(images: Sequence[Path], out: Path, *, inputs: Sequence[Path] = (), overwrite: bool) -> list[Output]:
    """The files of all results, checked before anything is written.

    inputs: other files that are read, which no result may replace. DataError for an image that cannot be read, for two
    images whose results would have one name, and for a file that exists unless ``overwrite``.
    """
    read = {real_path(path) for path in (*images, *inputs)}
    check_out_folder(out)
    taken: dict[str, Path] = {}
    outputs = []
    for image in images:
        read_image(image)
        if image.stem in taken:
            raise DataError(f"{taken[image.stem]} and {image} have one stem, so one mask would overwrite the other.")
        taken[image.stem] = image
        output = Output(image, out / f"{image.stem}_mask.png", out / f"{image.stem}_overlay.png")
        for path in (output.mask, output.overlay):
            refuse_to_replace(path, read=read, overwrite=overwrite)
        outputs.append(output)
    return outputs


def segment_images(
    segmenter: Segmenter,
    learned: ClassPrototype,
    outputs: Sequence[Output],
    progress: Callable[[Output, float], None],
    *,
    threshold: float | None = None,
    min_presence: float | None = None,
) -> None:
    """Segment each image and write its mask and overlay.

    progress: called after each image with the fraction of its pixels that belong to the class. threshold,
    min_presence: as in `Segmenter.segment`. DataError where the folder cannot be written to.
    """
    for output in outputs:
        image = read_image(output.image)
        mask = segmenter.segment(image, learned, threshold=threshold, min_presence=min_presence).mask
        try:
            write_mask(output.mask, mask)
            write_image(overlay(image, mask), output.overlay)
        except OSError as error:
            raise DataError(f"{output.mask.parent} cannot be written to ({error.strerror or error}).") from None
        progress(output, float((mask > 0).mean()))
