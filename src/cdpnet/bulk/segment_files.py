"""Many images through a `Segmenter`, masks and overlays onto the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cdpnet.errors import DataError
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.files import atomic, refuse_a_file, refuse_to_replace
from cdpnet.io.images import read_image
from cdpnet.labels.overlay import overlay
from cdpnet.labels.png import write_mask


@dataclass(frozen=True)
class Output:
    """Where the results of one image go."""

    image: Path
    mask: Path
    overlay: Path


def plan_outputs(images: Sequence[Path], out: Path, *, inputs: Sequence[Path] = (), overwrite: bool) -> list[Output]:
    """Names of all results, before anything is written.

    inputs: other files that are read, which no result may replace. DataError for an image that cannot be read, for two
    images that would write to one file, and for a file that exists unless ``overwrite``.
    """
    read = {path.resolve() for path in (*images, *inputs)}
    refuse_a_file(out)
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
    """Segment each image and write its mask and overlay; ``progress`` hears the share of the image that was marked.

    threshold, min_presence: as in `Segmenter.segment`.
    DataError where the folder cannot be written.
    """
    for output in outputs:
        image = read_image(output.image)
        mask = segmenter.segment(image, learned, threshold=threshold, min_presence=min_presence).mask
        try:
            write_mask(output.mask, mask)
            with atomic(output.overlay) as path:
                overlay(image, mask).save(path)
        except OSError as error:
            raise DataError(f"{output.mask.parent} cannot be written to ({error.strerror or error}).") from None
        progress(output, float((mask > 0).mean()))
