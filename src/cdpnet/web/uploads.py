"""Images that a browser sends: each is checked and added, or listed with the reason why it was not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import BinaryIO, TypeAlias

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from cdpnet.errors import DataError
from cdpnet.io.images import ENDINGS, open_image
from cdpnet.projects.adding import add_image, check_file_name
from cdpnet.projects.project import Project
from cdpnet.runtime.text import escape
from cdpnet.values import JSON
from cdpnet.web.limits import Limits
from cdpnet.web.request_body import BodyError

FIELD = "files"
Refused: TypeAlias = "list[JSON]"  # an object with the name of a file and the reason for each
_SHOWN = 100  # characters of the name of a file that is refused


async def read_files(request: Request, limits: Limits) -> list[UploadFile]:
    """The files of a request. BodyError for a body that is not those of a form, and for too many files."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise BodyError(422, "Files are sent as a form, as the page does it.")
    stream = request.stream()
    parser = MultiPartParser(request.headers, stream, max_files=limits.images, max_fields=1)
    try:
        form = await parser.parse()
    except BodyError:
        raise
    except MultiPartException as error:
        async for _ in stream:  # to its end, since a browser reads no answer while it sends
            pass
        if "Too many files" in error.message:
            sentence = f"At most {limits.images} images can be sent at a time; nothing was added."
            raise BodyError(413, sentence) from None
        raise BodyError(400, "The files did not arrive as a browser sends them; send them again.") from None
    files = [value for key, value in form.multi_items() if key == FIELD and isinstance(value, UploadFile)]
    if not files:
        raise BodyError(422, f"The request has no files in the field {FIELD}.")
    return files


def add_uploads(project: Project, files: Iterable[UploadFile], limits: Limits) -> Refused:
    """Add the images that a browser sends, under the names that it gives."""
    return add_files(project, ((_name(file.filename or ""), file.file) for file in files), limits)


def add_files(project: Project, files: Iterable[tuple[str, BinaryIO]], limits: Limits) -> Refused:
    """Add images by the names and contents of their files; gives those that were refused, and why."""
    refused: Refused = []
    for name, file in files:
        try:
            content = file.read(limits.megabytes * 10**6 + 1)
            if len(content) > limits.megabytes * 10**6:
                raise DataError(f"{escape(name[:_SHOWN])} is larger than {limits.megabytes} MB; scale it down first.")
            _add(project, name, content, limits)
        except DataError as error:
            refused.append({"name": escape(name[:_SHOWN]), "reason": str(error)})
    return refused


def _name(sent: str) -> str:
    """The path of a file below a folder that was dropped; only its last part where another one cannot be a folder's."""
    *folders, name = sent.replace("\\", "/").split("/")
    try:
        for folder in folders:
            check_file_name(folder)
    except DataError:
        return name
    return "/".join((*folders, name))


def _add(project: Project, name: str, content: bytes, limits: Limits) -> None:
    """Add an image by its name and the content of its file. DataError where it cannot be used."""
    check_file_name(PurePosixPath(name).name)
    if PurePosixPath(name).suffix.lower() not in ENDINGS:
        raise DataError(f"{escape(name[:_SHOWN])} is not an image by its ending; {', '.join(ENDINGS)} are read.")
    if not project.kept and len(project.document.images) >= limits.images:
        raise DataError(
            f"The page takes {limits.images} images at a time; for more, start it with --project FOLDER, or download "
            "the classes and use `cdpnet label`."
        )
    opened = open_image(content, limits.pixels, escape(name[:_SHOWN]))
    add_image(project, name, content, (opened.height, opened.width))
