"""Read all labels of a folder of images, in any format: what `cdpnet labels` converts and compares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cdpnet.errors import DataError
from cdpnet.io.documents import read_json
from cdpnet.io.images import scan_images
from cdpnet.labels import (
    coco,
    cvat_writer,
    file_readers,
    labelstudio,
    labelstudio_reader,
    png_folder,
    shared_readers,
    voc,
    yolo,
)
from cdpnet.labels.label_set import BACKGROUND, FormatName
from cdpnet.labels.labelled_folder import ImageFolder, LabelledFolder
from cdpnet.labels.reading_options import DEFAULT, ReadingOptions
from cdpnet.labels.yolo_names import DATA_FILE

READERS: dict[FormatName, Callable[[Path, ImageFolder], LabelledFolder]] = {
    "png": file_readers.read_png,
    "coco": shared_readers.read_coco,
    "labelme": file_readers.read_labelme,
    "yolo": file_readers.read_yolo,
    "labelstudio": shared_readers.read_label_studio,
    "cvat": shared_readers.read_cvat,
    "voc": file_readers.read_voc,
}
_SHARED_FILES: dict[FormatName, str] = {
    "coco": coco.FILE,
    "labelstudio": labelstudio.FILE,
    "cvat": cvat_writer.FILE,
}


def read_labels(
    source: Path, images: Path, format_name: FormatName | None = None, options: ReadingOptions = DEFAULT
) -> LabelledFolder:
    """All labels in a file or a folder, as regions; objects stay apart where the format keeps them apart.

    images: the folder of the images, whose subfolders are included. format_name: by default recognised. options: how
    crowds of COCO and annotations of Label Studio are read. DataError where the format cannot be recognised, a file
    about all images is broken, or no image has labels.
    """
    source, recognised = _only_file(source) or (source, None)
    format_name = format_name or recognised or recognise(source)
    around_images = source in (images, *images.parents)
    scanned = scan_images(images, deep=True, without=() if around_images else (source,))
    folder = ImageFolder(images, tuple(scanned.images), options)
    found = READERS[format_name](source, folder)
    found.failed |= {folder.name(image): reason for image, reason in scanned.unusable.items()}
    if not found.labels and not found.failed:
        raise DataError(f"{source} has labels for no image in {images}; give --images the folder of their images.")
    listed = [name for name in found.classes if name != BACKGROUND]  # which tools list and do not mark
    found.classes = tuple(dict.fromkeys([*listed, *found.shown_classes]))
    return found


def recognise(source: Path) -> FormatName:
    """The format of a label file or of a folder of labels. DataError where it is none that is read."""
    if not source.exists():
        raise DataError(f"There is nothing at {source}; give a label file, or a folder of labels.")
    found = _recognise_folder(source) if source.is_dir() else _recognise_file(source)
    if found is None:
        raise DataError(f"{source} holds labels of no format that is recognised; name it with --from.")
    return found


def _only_file(folder: Path) -> tuple[Path, FormatName] | None:
    """The file about all images, and its format, in a folder that has one JSON or XML file, as Roboflow and CVAT do."""
    files = [path for path in folder.iterdir() if path.suffix.lower() in (".json", ".xml")] if folder.is_dir() else []
    try:
        found = _recognise_file(files[0]) if len(files) == 1 else None
    except DataError:  # which concerns one image, or is told by the reader of its format
        return None
    return (files[0], found) if found in _SHARED_FILES else None


def _recognise_file(path: Path) -> FormatName | None:
    by_ending: dict[str, FormatName] = {".xml": "cvat", ".txt": "yolo", ".png": "png"}
    if path.suffix.lower() != ".json":
        return by_ending.get(path.suffix.lower())
    content = read_json(path)
    if labelstudio_reader.find_tasks(content) is not None:
        return "labelstudio"
    if isinstance(content, dict):
        return "labelme" if "shapes" in content else "coco" if "annotations" in content else None
    return None


def _recognise_folder(folder: Path) -> FormatName | None:
    """By the files and folders that a format has, those about all images first."""
    for name, file in _SHARED_FILES.items():
        if (folder / file).is_file():
            return name
    if voc.FOLDER in (folder.name, *(path.name for path in folder.iterdir())):
        return "voc"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if any((folder / png_folder.FOLDER).rglob("*.png")):
        if any(_is_labelme(file) for file in [file for file in files if file.suffix.lower() == ".json"][:1]):
            raise DataError(f"{folder} has masks and files of LabelMe; say which are meant by --from png or labelme.")
        return "png"
    if (folder / DATA_FILE).is_file() or any(_is_of_yolo(file, folder) for file in files):
        return "yolo"
    endings = {file.suffix.lower() for file in files}
    return "labelme" if ".json" in endings else "png" if ".png" in endings else None


def _is_labelme(file: Path) -> bool:
    try:
        return _recognise_file(file) == "labelme"
    except DataError:  # of JSON that is not complete
        return False


def _is_of_yolo(file: Path, folder: Path) -> bool:
    """Whether a file is a text in a folder ``labels``, which is the given folder, the one above or one below."""
    around = (*folder.resolve().parts[-2:], *file.relative_to(folder).parts[:-1])
    return file.suffix.lower() == ".txt" and yolo.LABELS in around
