"""Folders of `label` at addresses: it works on copies of them in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING, Any

from cdpnet.errors import CdpnetError, ConfigError
from cdpnet.io.addresses import is_address

if TYPE_CHECKING:
    from cdpnet.io.addresses import RemoteFolder

_SECONDS_BETWEEN = 60.0  # in which a job that is killed loses its labels


class Copies:
    """What of a job is a copy of a folder at an address; of a job without addresses, nothing."""

    def __init__(self, images: RemoteFolder | None = None, out: RemoteFolder | None = None) -> None:
        self._folders = [folder for folder in (images, out) if folder]
        self._out = out
        self._sent = float("-inf")
        self.images_address = images.address if images else ""

    def shown(self, text: object) -> str:
        """A path, or a message with paths, with addresses in place of copies."""
        shown = str(text)
        for folder in self._folders:
            shown = shown.replace(str(folder.copy), folder.address)
        return shown

    def send(self) -> None:
        """Send what is new in the folder of labels, the journal last. DataError where that fails."""
        from cdpnet.bulk.journal import FILE

        if self._out:
            self._out.send(last=FILE)
            self._sent = monotonic()

    def with_sending(self, show: Callable[[int, int, int], object]) -> Callable[[int, int, int], None]:
        """Progress of a job that is shown, and sent now and then; the first time before an image is labelled.

        So a folder that cannot be written to is known at once, and one with labels always has a journal.
        """

        def progress(done: int, total: int, failed: int) -> None:
            show(done, total, failed)
            if monotonic() - self._sent >= _SECONDS_BETWEEN:
                self.send()

        return progress


@contextmanager
def copied(chosen: Any) -> Iterator[Copies]:
    """Put copies in place of FOLDER and --out where they are addresses; labels are sent, also after an error.

    ConfigError for options that do not go with addresses, DataError where one cannot be read or written to.
    """
    if not (is_address(chosen.folder) or is_address(chosen.out)):
        yield Copies()
        return
    if chosen.format == "labelme" or chosen.engine == "ray":
        option = "--format labelme" if chosen.format == "labelme" else "--engine ray"
        raise ConfigError(f"{option} does not go with addresses, only with folders of this machine; copy them first.")

    from cdpnet.io.addresses import RemoteFolder

    with TemporaryDirectory(prefix="cdpnet-") as scratch:
        remote = {
            name: RemoteFolder(chosen[name], Path(scratch).resolve() / name)
            for name in ("folder", "out")
            if is_address(chosen[name])
        }
        for folder in reversed(remote.values()):  # the labels first, which are few if they cannot be reached
            folder.fetch()
        for name, folder in remote.items():
            chosen[name] = str(folder.copy)
        chosen.copy_images = True  # a link would lead to a copy that is gone
        copies = Copies(remote.get("folder"), remote.get("out"))
        try:
            try:
                yield copies
            finally:
                copies.send()
        except CdpnetError as error:
            raise type(error)(copies.shown(error)) from None
