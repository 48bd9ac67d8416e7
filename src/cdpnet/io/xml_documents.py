"""Read the XML files of others piece by piece, so that no file takes the memory of the process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from cdpnet.errors import DataError
from cdpnet.io.files import regular_file

_MAX_BYTES = 2**31
_MAX_DEPTH = 32
_CHUNK = 2**16  # bytes read at once


class XmlPart(NamedTuple):
    """The beginning of an element with its attributes, or a text in it. tags: of the elements around, from the root."""

    tags: tuple[str, ...]
    attributes: dict[str, str] | None = None
    text: str = ""


class _Collector:
    """The parts that the parser has found since they were taken last."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._tags: list[str] = []
        self._parts: list[XmlPart] = []
        self._text: list[str] = []  # the parser gives a text in pieces

    def doctype(self, *_: object) -> None:
        raise DataError(f"{self._what} has a document type declaration, which label files have not; remove it.")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._end_text()
        self._tags.append(tag)
        if len(self._tags) > _MAX_DEPTH:
            raise DataError(f"{self._what} is nested deeper than {_MAX_DEPTH} levels; a file of labels has a few.")
        self._parts.append(XmlPart(tuple(self._tags), attributes))

    def end(self, _tag: str) -> None:
        self._end_text()
        self._tags.pop()

    def data(self, text: str) -> None:
        self._text.append(text)

    def close(self) -> None:
        pass

    def _end_text(self) -> None:
        text, self._text = "".join(self._text).strip(), []
        if text:
            self._parts.append(XmlPart(tuple(self._tags), None, text))

    def take(self) -> list[XmlPart]:
        parts, self._parts = self._parts, []
        return parts


def read_xml(path: Path) -> Iterator[XmlPart]:
    """The elements and texts of an XML file in their order; texts without the spaces around them.

    DataError where it is broken, nested too deep or too large, and where it declares a document type: a few lines of
    one stand for more than fits into memory, or for other files.
    """
    with regular_file(path, "an XML file", _MAX_BYTES).open("rb") as file:
        yield from _parse(iter(partial(file.read, _CHUNK), b""), str(path))


def parse_xml(text: str, what: str) -> Iterator[XmlPart]:
    """As `read_xml`, of a text. what: its name at the start of a sentence."""
    return _parse([text], what)


def _parse(chunks: Iterable[bytes | str], what: str) -> Iterator[XmlPart]:
    collector = _Collector(what)
    parser = ET.XMLParser(target=collector)
    try:
        for chunk in chunks:
            parser.feed(chunk)
            yield from collector.take()
        parser.close()
    except (ET.ParseError, LookupError, ValueError) as error:  # the last two for an encoding that is not known
        line, column = getattr(error, "position", (1, 0))
        raise DataError(
            f"{what} is not complete XML (line {line}, column {column + 1}); export it again from its tool."
        ) from None
    yield from collector.take()
