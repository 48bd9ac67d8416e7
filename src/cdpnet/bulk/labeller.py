"""Label a window of images: read them, segment them and write their labels."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cdpnet.bulk.journal import JournalRecord
from cdpnet.errors import DataError
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.preprocessing import PreprocessedImage
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.files import atomic
from cdpnet.labels.formats import write_image_labels
from cdpnet.labels.label_set import FormatName, LabelSet
from cdpnet.labels.overlay import overlay
from cdpnet.labels.regions import ImageLabels, region_from_mask

WINDOW_SIZE = 16  # images that are decoded and labelled together
THUMBNAILS = "sheet"  # folder of the small images on the contact sheet
_THUMBNAIL_SIDE = 256  # pixels of the longer side


@dataclass(frozen=True)
class Labeller:
    """Labels windows of images; the labels of a window depend on nothing but its images and these settings.

    threshold, min_presence: as in `Segmenter.segment`.
    """

    segmenter: Segmenter
    classes: Sequence[ClassPrototype]
    target: LabelSet
    format_name: FormatName
    threshold: float | None = None
    min_presence: float | None = None

    def label(
        self, window: Sequence[str], pool: Executor, network_lock: AbstractContextManager[object] | None = None
    ) -> list[JournalRecord]:
        """Label images, given by their paths below the folder, and write their files; one record for each image.

        pool: decodes and writes. network_lock: held while the network computes, so that several windows can be in
        progress. DataError where the disk cannot be written to.
        """
        loaded = list(pool.map(self._load, window))
        with network_lock or nullcontext():
            segmentations = iter(
                self.segmenter.segment_preprocessed(
                    [image for image in loaded if isinstance(image, PreprocessedImage)],
                    self.classes,
                    threshold=self.threshold,
                    min_presence=self.min_presence,
                )
            )
        results = [next(segmentations) if isinstance(image, PreprocessedImage) else image for image in loaded]
        return list(pool.map(self._write, window, loaded, results))

    def _load(self, image: str) -> PreprocessedImage | str:
        """An image at working size, or the sentence that says why it cannot be read."""
        try:
            return self.segmenter.preprocessing.load(self.target.images / image)
        except DataError as error:
            return str(error)

    def _write(self, image: str, loaded: PreprocessedImage | str, result: Segmentation | str) -> JournalRecord:
        """Write the files of one image and return its record."""
        if isinstance(result, str) or isinstance(loaded, str):
            return JournalRecord(ImageLabels(image, 0, 0), error=str(result))
        record = JournalRecord(make_image_labels(image, result), round(result.uncertainty, 4))
        try:
            write_image_labels(record.labels, self.target, self.format_name)
            self._write_thumbnail(image, loaded, result)
        except OSError as error:
            raise DataError(disk_error(self.target.out, error)) from None
        return record

    def _write_thumbnail(self, image: str, loaded: PreprocessedImage, segmentation: Segmentation) -> None:
        """Write the small image with its labels for the contact sheet."""
        h, w = loaded.image.shape[1:]
        mask = Image.fromarray(segmentation.mask).resize((w, h), Image.Resampling.NEAREST)
        thumbnail = overlay(loaded.image, np.array(mask))
        thumbnail.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
        with atomic(self.target.out / thumbnail_file(image)) as temporary:
            thumbnail.save(temporary, quality=85)


def make_image_labels(image: str, segmentation: Segmentation) -> ImageLabels:
    """The labels of a segmented image; the score of a region is one minus the uncertainty of its class."""
    masks = (segmentation.mask == number for number in range(1, len(segmentation.classes) + 1))  # one at a time
    regions = [
        region_from_mask(mask, name, round(1 - uncertainty, 4))
        for mask, name, uncertainty in zip(masks, segmentation.classes, segmentation.uncertainties, strict=True)
        if mask.any()
    ]
    return ImageLabels(image, *segmentation.size, tuple(regions))


def thumbnail_file(image: str) -> str:
    """The path of an image's thumbnail, below the folder of labels."""
    return f"{THUMBNAILS}/{Path(image).with_suffix('.jpg').as_posix()}"


def disk_error(out: Path, error: OSError) -> str:
    """The error message for a folder that cannot be written to."""
    return (
        f"{out} cannot be written to ({error.strerror or error}); finished images are kept, and the same command "
        "resumes the job."
    )
