"""Label a window of images: read them, segment them and write their labels."""

from __future__ import annotations

import errno
import math
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from PIL import Image

from cdpnet.bulk.journal import JournalRecord
from cdpnet.bulk.stamps import ImageStamp, OutputStamp
from cdpnet.errors import CdpnetError
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.inference.preprocessing import PreprocessedImage, resize_to
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.files import write_image
from cdpnet.io.images import LARGE_PIXELS, n_pixels
from cdpnet.io.label_folders import THUMBNAILS
from cdpnet.labels.formats import FORMATS, write_image_labels
from cdpnet.labels.instances import InstanceRules, split_instances
from cdpnet.labels.label_set import FormatName, LabelSet
from cdpnet.labels.overlay import overlay
from cdpnet.labels.regions import ImageLabels, region_from_mask

WINDOW_SIZE = 16  # images that are decoded and labelled together
_THUMBNAIL_SIDE = 256  # pixels of the longer side
_DRAWN_SIDE = 1024  # at which a larger image is drawn before it is made a thumbnail
_ERRORS_OF_ONE_FILE = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ENOTDIR)  # not of the disk
_WITH_LARGE = Lock()  # held while a large image is in memory at full size, so that there is only one at a time


Content = TypeVar("Content")


class Stamped(NamedTuple, Generic[Content]):
    """What was read of an image file, and the stamp of the file."""

    content: Content
    stamp: ImageStamp


@dataclass(frozen=True)
class Labeller:
    """Labels windows of images; the labels of a window depend on nothing but its images and these settings.

    threshold, min_presence: as in `Segmenter.segment`. instances: rules by which objects are told apart; None for one
    region for each class.
    """

    segmenter: Segmenter
    classes: Sequence[ClassPrototype]
    target: LabelSet
    format_name: FormatName
    threshold: float | None = None
    min_presence: float | None = None
    instances: InstanceRules | None = None

    def label(
        self,
        window: Sequence[str],
        pool: Executor,
        network_lock: AbstractContextManager[object] | None = None,
        finished: Collection[str] = (),
    ) -> list[JournalRecord]:
        """Label images, given by their paths below the folder, and write their files; one record for each image.

        pool: decodes and writes. network_lock: held while the network computes, so that several windows can be in
        progress. finished: images of the window that have their files and get no record; they are computed with the
        others, since a mask can depend on the batch in its last bit. OSError where the disk cannot be written to.
        """
        loaded = list(pool.map(self._load, window))
        with network_lock or nullcontext():
            segmentations = iter(
                self.segmenter.segment_preprocessed(
                    [one.content for one in loaded if isinstance(one, Stamped)],
                    self.classes,
                    threshold=self.threshold,
                    min_presence=self.min_presence,
                )
            )
        results = [next(segmentations) if isinstance(one, Stamped) else one for one in loaded]
        unfinished = [entry for entry in zip(window, loaded, results, strict=True) if entry[0] not in finished]
        return list(pool.map(lambda entry: self._write(*entry), unfinished))

    def output_files(self, image: str) -> tuple[str, ...]:
        """The files that are written for an image, below the folder of labels: the thumbnail is the last."""
        image_file = FORMATS[self.format_name].image_file
        return (*([] if image_file is None else [image_file(image)]), thumbnail_file(image))

    def _load(self, image: str) -> Stamped[PreprocessedImage] | str:
        """An image at working size, or the sentence that says why it cannot be read."""
        return read_stamped(self.target.images / image, self.segmenter.preprocessing.load)

    def _write(self, image: str, loaded: Stamped[PreprocessedImage] | str, result: Segmentation | str) -> JournalRecord:
        """Write the files of one image and return its record."""
        if isinstance(result, str) or isinstance(loaded, str):
            return JournalRecord(ImageLabels(image, 0, 0), error=str(result))
        with _WITH_LARGE if math.prod(result.size) > LARGE_PIXELS else nullcontext():
            return self._write_labels(image, loaded, result)

    def _write_labels(self, image: str, loaded: Stamped[PreprocessedImage], result: Segmentation) -> JournalRecord:
        drawn = replace(result)  # its mask at full size is let go before the next one is made, not with the window
        labels = make_image_labels(image, drawn)
        if self.instances is not None:
            labels = split_instances(labels, self.instances)
        try:
            self._write_thumbnail(image, loaded.content, drawn)
            del drawn
            write_image_labels(labels, self.target, self.format_name)
            outputs = tuple(OutputStamp.of(self.target.out / name) for name in self.output_files(image))
        except OSError as error:
            return record_of_name(image, error)
        return JournalRecord(labels, round(result.uncertainty, 4), stamp=loaded.stamp, outputs=outputs)

    def _write_thumbnail(self, image: str, loaded: PreprocessedImage, segmentation: Segmentation) -> None:
        """Write the small image with its labels for the contact sheet."""
        shown = resize_to(loaded.image, _DRAWN_SIDE)
        h, w = shown.shape[1:]
        mask = Image.fromarray(segmentation.mask).resize((w, h), Image.Resampling.NEAREST)
        thumbnail = overlay(shown, np.array(mask))
        thumbnail.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
        write_image(thumbnail, self.target.out / thumbnail_file(image), quality=85)


def read_stamped(path: Path, read: Callable[[Path], Content]) -> Stamped[Content] | str:
    """What ``read`` makes of an image file, or the sentence that says why the file cannot be read."""
    try:
        status = path.stat()
        with _WITH_LARGE if n_pixels(path) > LARGE_PIXELS else nullcontext():
            found = Stamped(read(path), ImageStamp.of(path))
    except OSError as error:
        return f"{path} cannot be read ({error.strerror or error}); mend or remove it."
    except CdpnetError as error:
        return str(error)
    if not found.stamp.is_state_of(status):
        return f"{path} was changed while it was read; the same command labels it."
    return found


def record_of_name(image: str, error: OSError) -> JournalRecord:
    """The record of an image whose name its files cannot have; any other error, as of a full disk, is raised."""
    if error.errno not in _ERRORS_OF_ONE_FILE:
        raise error
    reason = f"{error.filename} cannot be written ({error.strerror}); rename the image."
    return JournalRecord(ImageLabels(image, 0, 0), error=reason)


def make_image_labels(image: str, segmentation: Segmentation) -> ImageLabels:
    """The labels of a segmented image; the score of a region is one minus the uncertainty of its class."""
    numbers = range(1, len(segmentation.classes) + 1)
    masks = (np.equal(segmentation.mask, number, order="F") for number in numbers)  # one at a time, by columns as coded
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
