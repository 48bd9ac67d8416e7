"""The images of tasks: each is found in a folder, in the project or in Label Studio, and becomes one of the project."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from cdpnet.backend.host import LabelStudioHost
from cdpnet.backend.records import Records
from cdpnet.errors import DataError
from cdpnet.io.fields import FieldError
from cdpnet.io.files import regular_file
from cdpnet.io.images import ENDINGS, open_image, scan_images
from cdpnet.labels.image_paths import key, match_images, readings
from cdpnet.projects import folder as files
from cdpnet.projects.adding import add_image, check_file_name
from cdpnet.projects.document import ProjectImage
from cdpnet.projects.project import Project
from cdpnet.web.limits import Limits


class TaskImages:
    """Finds the images of tasks by their addresses, and remembers them; several threads can use it.

    folder: of images on this machine. host: of Label Studio, from which the others are fetched.
    """

    def __init__(
        self, project: Project, records: Records, folder: Path | None, host: LabelStudioHost | None, limits: Limits
    ) -> None:
        self.project, self.records = project, records
        self.folder, self.host, self.limits = folder, host, limits
        self._scanned: Sequence[Path] = ()

    def remember(self, records: Records) -> None:
        """Replace the records and write them; the caller holds the lock of the project."""
        records.save(self.project.folder)
        self.records = records

    def find(self, address: str, others: Collection[str] = ()) -> ProjectImage:
        """The image of a task, which is added to the project if need be. others: addresses in the same request.

        DataError where it is not there, cannot be read, may be several, or lies on another host.
        """
        with self.project.lock:
            if (known := self._known(address)) is not None:
                return known
            found = self._in_project(address, others)
        if found is None:
            name, content = self._content(address, others)
            opened = open_image(content, self.limits.pixels, name)
            with self.project.lock:  # another thread may have added it meanwhile
                found = self._known(address) or self._named(name)
                if found is None:
                    found = self.project.image(add_image(self.project, name, content, (opened.height, opened.width)))
        with self.project.lock:
            self.remember(self.records.with_image(address, found.file))
        return found

    def _known(self, address: str) -> ProjectImage | None:
        file = self.records.images.get(address)
        return None if file is None else self._named(file)

    def _named(self, file: str) -> ProjectImage | None:
        return next((image for image in self.project.document.images.values() if image.file == file), None)

    def _in_project(self, address: str, others: Collection[str]) -> ProjectImage | None:
        """An image that was in the project before any task had it, where there is no folder of images."""
        if self.folder is not None:
            return None
        root, taken = self.project.folder / files.IMAGES, set(self.records.images.values())
        free = [root / image.file for image in self.project.document.images.values() if image.file not in taken]
        path = self._match(address, others, free, root)
        return None if path is None else self._named(path.relative_to(root).as_posix())

    def _content(self, address: str, others: Collection[str]) -> tuple[str, bytes]:
        """The name of an image below the folder of the project, and its content."""
        if self.folder is not None and (path := self._in_folder(address, others, self.folder)) is not None:
            name = _checked(path.relative_to(self.folder).parts)
            return name, regular_file(path, "an image", self.limits.megabytes * 10**6).read_bytes()
        where = self.folder or self.project.folder / files.IMAGES
        host_path = None if self.host is None else self.host.path_of(address)
        if self.host is None or host_path is None:
            if urlsplit(address).netloc:
                raise DataError(
                    f"{address} is on a host that --url does not name, and no file in {where} has its name."
                )
            raise DataError(f"No file in {where} is {address}; give --images, or --url to fetch it from Label Studio.")
        name = _checked(_parts_of(host_path))
        return name, self.host.fetch(host_path, self.limits.megabytes * 10**6)

    def _in_folder(self, address: str, others: Collection[str], folder: Path) -> Path | None:
        found = self._match(address, others, self._scanned, folder)
        if found is None or not found.exists():  # the folder is looked at anew
            self._scanned = scan_images(folder, deep=True).images
            found = self._match(address, others, self._scanned, folder)
        return found

    def _match(self, address: str, others: Collection[str], images: Sequence[Path], folder: Path) -> Path | None:
        """The file that an address means, so that no other address of one file name means it rather."""
        names = _names(address)
        rivals = [one for one in (*self.records.images, *others) if one != address and names & _names(one)]
        try:
            return match_images([address, *rivals], images, folder).get(address)
        except FieldError as error:
            if self.host is not None and self.host.path_of(address) is not None:
                return None  # it is fetched
            raise DataError(f"The image of a task is not found: {error}.") from None


def _names(address: str) -> set[str]:
    """What the last part of an address may be called; none for what is no address."""
    try:
        return {key(parts[-1]) for parts in readings(address)}
    except FieldError:
        return set()


def _parts_of(path: str) -> tuple[str, ...]:
    """The parts of a path in Label Studio, below the folder of all images: of a local file or an upload."""
    address = urlsplit(path)
    local = parse_qs(address.query).get("d")
    text = local[0] if local else unquote(address.path).removeprefix("/data/")
    return tuple(part for part in text.replace("\\", "/").split("/") if part)


def _checked(parts: Sequence[str]) -> str:
    """The path of an image below the folder of images. DataError where one of its parts cannot be a name."""
    for part in parts:
        check_file_name(part)
    name = PurePosixPath(*parts).as_posix()
    if not name.lower().endswith(ENDINGS):
        raise DataError(f"{name} is not an image by its ending; {', '.join(ENDINGS)} are read.")
    return name
