"""Files and folders of `label` and `segment` at addresses: they work on copies in a temporary folder."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, ParamSpec

from cdpnet.cli.supports import split_pairs
from cdpnet.errors import CdpnetError, ConfigError, DataError
from cdpnet.io.addresses import is_address
from cdpnet.runtime.text import renamed

if TYPE_CHECKING:
    from cdpnet.io.addresses import RemoteFolder

Shown = ParamSpec("Shown")
_SECONDS_BETWEEN = 60.0  # in which a job that is killed loses its labels


class Copies:
    """What of a command is a copy of something at an address; of one without addresses, nothing.

    places: of the copies, by address.
    """

    def __init__(self, places: Mapping[str, Path] | None = None, out: RemoteFolder | None = None) -> None:
        self._addresses = {str(place): address.rstrip("/") for address, place in (places or {}).items()}
        self._out = out
        self._sent = float("-inf")

    def shown(self, text: object) -> str:
        """A path, or a message with paths, with addresses in place of copies."""
        return renamed(str(text), self._addresses)

    def send(self) -> None:
        """Send what is new in the folder of labels, the journal last. DataError where that fails."""
        from cdpnet.io.label_folders import JOURNAL

        if self._out:
            self._out.send(last=JOURNAL)
            self._sent = monotonic()

    def with_sending(self, show: Callable[Shown, object]) -> Callable[Shown, None]:
        """Progress that is shown, and results sent now and then; by `label` the first time before an image is labelled.

        So a folder that cannot be written to is known at once, and one with labels always has a journal.
        """

        def progress(*given: Shown.args, **named: Shown.kwargs) -> None:
            show(*given, **named)
            if monotonic() - self._sent >= _SECONDS_BETWEEN:
                self.send()

        return progress


@contextmanager
def copied(chosen: Any, images: str) -> Iterator[Copies]:
    """Put copies in place of addresses among the images, the examples and --out; results are sent, also after an error.

    images: the name of the option that has the images, one or several. ConfigError for options that do not go with
    addresses, DataError where one cannot be read or written to.
    """
    named = [chosen[images]] if isinstance(chosen[images], str) else list(chosen[images])
    pairs = split_pairs(chosen.support)
    read = [text for text in (*named, *(half for pair in pairs for half in pair)) if is_address(text)]
    if not read and not is_address(chosen.out):
        yield Copies()
        return
    if chosen.get("format") == "labelme":
        raise ConfigError(
            "--format labelme does not go with addresses, only with folders of this machine; copy them first."
        )

    from cdpnet.io.scratch import scratch_folder

    with scratch_folder() as scratch:
        places, out = _fetch({*read, *filter(is_address, [chosen.out])}, chosen.out, scratch)
        copies = Copies(places, out)
        local = [str(places.get(text, text)) for text in named]
        chosen[images] = local[0] if isinstance(chosen[images], str) else local
        chosen.support = [f"{places.get(image, image)}:{places.get(marks, marks)}" for image, marks in pairs]
        chosen.out = str(places.get(chosen.out, chosen.out))
        if "copy_images" in chosen:
            chosen.copy_images = True  # a link would lead to a copy that is gone
        try:
            try:
                with _shown_notes(copies):
                    yield copies
            finally:
                copies.send()
        except CdpnetError as error:
            raise type(error)(copies.shown(error)) from None


def _fetch(addresses: Collection[str], out: str, scratch: Path) -> tuple[dict[str, Path], RemoteFolder | None]:
    """Copy what is at some addresses into a folder: the place of each, and the results if they are among them.

    What lies in the copy of another address is not copied again; only ``out`` need not be there yet.
    """
    from cdpnet.io.addresses import RemoteFolder

    places: dict[str, Path] = {}
    results = None
    ordered = sorted(addresses, key=lambda address: (len(address), address))  # folders before their files
    for number, address in enumerate(ordered):
        copy = places[address] = _place_below(address, places) or scratch / str(number)
        if address == out:
            results = RemoteFolder(address, copy)
            if copy.is_file() or results.fetch() != copy:
                raise DataError(f"{address} is a file; give --out a folder.")
        elif not copy.exists():
            places[address] = RemoteFolder(address, copy).fetch()
            if places[address] == copy and not any(copy.iterdir()):
                raise DataError(f"There is nothing at {address}; give the address of a file or a folder.")
    return places, results


@contextmanager
def _shown_notes(copies: Copies) -> Iterator[None]:
    """Notes to the user with addresses in place of copies."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def shown(message: Warning | str, category: type[Warning], *where: Any) -> None:
            show(copies.shown(message), category, *where)

        warnings.showwarning = shown  # type: ignore[assignment]
        yield


def _place_below(address: str, places: Mapping[str, Path]) -> Path | None:
    """Where an address lies in the copy of a folder that holds it; None where no such folder is copied."""
    for folder, place in places.items():
        if address.startswith(f"{folder.rstrip('/')}/"):
            return place / address[len(folder.rstrip("/")) + 1 :]
    return None
