"""Zip files for download, written to files without a name, which are gone once they are closed."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from cdpnet.errors import DataError
from cdpnet.io.scratch import scratch_folder
from cdpnet.labels.formats import FORMATS
from cdpnet.labels.instances import InstanceRules
from cdpnet.labels.label_set import FormatName, LabelSet
from cdpnet.projects.editing import class_file, example_file
from cdpnet.projects.labels import write_project_labels
from cdpnet.projects.project import Project

_MAX_NAME_BYTES = 150  # of a class name in a file name, which may have 255
_CHUNK = 2**16  # bytes


def make_labels(project: Project, format_name: FormatName, instances: InstanceRules | None = None) -> BinaryIO:
    """The labels of all images, without the images; `instances` as for `write_project_labels`. DataError for none."""
    with scratch_folder() as out:
        # Where users of the format keep images.
        images = out if format_name == "labelme" else out / (FORMATS[format_name].images_folder or "images")
        write_project_labels(project, lambda names: LabelSet(images, out, names), format_name, instances)
        return _zip(out)


def make_classes(project: Project) -> BinaryIO:
    """The class files and the examples. DataError where no class has been learned."""
    with scratch_folder() as out, project.lock:
        document = project.document
        learned = [one for one in document.classes.values() if one.pooled]
        if not learned:
            raise DataError("No class has been learned yet; mark an object and use it as an example.")
        (out / "examples").mkdir()
        for one in learned:
            name = f"{one.number:02d} {file_name(one.name)}"
            shutil.copyfile(project.folder / class_file(one.id), out / f"{name}.safetensors")
            for number, example_id in enumerate(one.pooled, start=1):
                stem = out / "examples" / f"{name} {number}"
                image = project.image_path(project.image(project.example(example_id).image))
                if image.exists():
                    shutil.copyfile(image, stem.with_name(stem.name + image.suffix))
                shutil.copyfile(project.folder / example_file(example_id), stem.with_name(stem.name + "_mask.png"))
        return _zip(out)


def read_chunks(file: BinaryIO) -> Iterator[bytes]:
    """The content of a file in parts; closes it at the end."""
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk


def file_name(name: str) -> str:
    """A class name as part of a file name."""
    safe = re.sub(r"[^\w -]", "_", name).encode()[:_MAX_NAME_BYTES].decode(errors="ignore")
    return safe.strip() or "_"


def _zip(folder: Path) -> BinaryIO:
    file: BinaryIO = TemporaryFile()  # noqa: SIM115 - it is given away
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder))
    file.seek(0)
    return file
