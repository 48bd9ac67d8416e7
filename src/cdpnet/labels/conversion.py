"""Write labels that were read from one format in another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from cdpnet.errors import DataError
from cdpnet.io.files import real_path, refuse_to_replace
from cdpnet.io.locks import locked
from cdpnet.labels.formats import FORMATS, check_classes, unfit_name, write_labels
from cdpnet.labels.image_copies import check_places
from cdpnet.labels.instances import InstanceRules, split_instances
from cdpnet.labels.label_places import check_folders, find_clashes
from cdpnet.labels.label_set import FormatName, LabelFormat, LabelSet
from cdpnet.labels.labelled_folder import LabelledFolder
from cdpnet.runtime.text import escape


def convert(
    found: LabelledFolder,
    source: Path,
    target: LabelSet,
    format_name: FormatName,
    instances: InstanceRules | None = None,
    *,
    overwrite: bool,
) -> None:
    """Write the labels of a folder of images in a format.

    source: what they were read from, which no label may replace. instances: rules by which objects are told apart; None
    for the regions as they were read. overwrite: replace files that exist. Images whose names do not fit the format are
    left out. DataError where two images would share a label file, where a file would be replaced, where the format
    cannot hold the classes, or the name of no image; nothing is written then.
    """
    check_classes(target.classes, format_name)
    found.leave_out(_unfit_names(list(found.labels), format_name))
    _check_outputs(found, source, target, format_name, overwrite=overwrite)
    labels = list(found.labels.values())
    if instances is not None:
        labels = [split_instances(one, instances) for one in labels]
    try:
        with locked(target.out):
            write_labels(labels, target, format_name)
    except OSError as error:
        raise DataError(f"{target.out} cannot be written to ({error.strerror or error}).") from None


def _unfit_names(images: Sequence[str], format_name: FormatName) -> dict[str, str]:
    """Images whose names do not fit a format, or whose label files each other, with the reason. DataError for all."""
    chosen = FORMATS[format_name]
    unfit = {image: reason for image in images if (reason := unfit_name(image, format_name))}
    unfit |= find_clashes(images, partial(_label_files, chosen), chosen.shared_files)
    for image, reason in unfit.items() if len(unfit) == len(images) else ():
        raise DataError(f"{escape(image)}: {reason}")
    return unfit


def _label_files(chosen: LabelFormat, image: str) -> list[str]:
    """The label file of an image, below the folder of labels, if the format has one for each."""
    return [] if chosen.image_file is None else [chosen.image_file(image)]


def _check_outputs(
    found: LabelledFolder, source: Path, target: LabelSet, format_name: FormatName, *, overwrite: bool
) -> None:
    chosen = FORMATS[format_name]
    images = list(found.labels)
    check_folders(target.out, images, partial(_label_files, chosen), chosen.shared_files)
    if chosen.images_folder:
        check_folders(target.out, images, lambda image: [f"{chosen.images_folder}/{image}"])
        check_places(found.labels, target, chosen.images_folder, overwrite=overwrite)
    read = {real_path(path) for path in (source.rglob("*") if source.is_dir() else (source,))}
    read |= {real_path(target.images / image) for image in found.labels}
    writers: dict[str, str] = dict.fromkeys(chosen.shared_files, "")
    for image in images:
        for file in _label_files(chosen, image):
            if file in writers:
                raise DataError(f"{writers[file]} and {image} would share the label file {file}; rename one of them.")
            writers[file] = image
    for file in writers:
        refuse_to_replace(target.out / file, read=read, overwrite=overwrite)
