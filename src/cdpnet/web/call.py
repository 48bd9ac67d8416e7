"""A request to the interface of the page: its workspace, the ids in its address, and the fields of its body."""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from cdpnet.errors import DataError
from cdpnet.io.fields import FieldError, JsonObject, as_list, as_number, as_object, as_text
from cdpnet.io.images import open_image
from cdpnet.projects.document import ProjectImage
from cdpnet.web.limits import Limits
from cdpnet.web.markings import ClickedPoint
from cdpnet.web.pictures import VIEW_SIDE, view_size
from cdpnet.web.workspace import Workspace

_PNG = "data:image/png;base64,"
_MOST_CLICKS = 1000  # of one mask


class RequestError(DataError):
    """A body that is not JSON."""


@dataclass(frozen=True)
class Call:
    """ids, query: texts of the address. fields: of the body; a FieldError says what is wrong with one."""

    workspace: Workspace
    limits: Limits
    ids: Mapping[str, str]
    query: Mapping[str, str]
    fields: JsonObject

    @property
    def image(self) -> ProjectImage:
        """The image of the address. MissingError where there is none."""
        return self.workspace.project.image(self.ids["image"])

    def clicks(self) -> list[ClickedPoint]:
        """The field ``clicks``: [row, column, positive] each."""
        values = self.fields.entries("clicks")
        if len(values) > _MOST_CLICKS:
            raise FieldError(f"clicks are more than {_MOST_CLICKS}")
        return [_click(value) for value in values]

    def box(self) -> tuple[float, float, float, float] | None:
        """The field ``box``: top, left, bottom, right, or null."""
        value = self.fields.get("box")
        if value is None:
            return None
        numbers = [as_number(one, "box") for one in as_list(value, "box")]
        if len(numbers) != 4 or numbers[0] > numbers[2] or numbers[1] > numbers[3]:
            raise FieldError("box is not top, left, bottom, right")
        return numbers[0], numbers[1], numbers[2], numbers[3]

    def mask(self, image: ProjectImage) -> NDArray[np.bool_] | None:
        """The field ``mask`` (h, w): a PNG at view size of the image, as a data URL; None for null."""
        value = self.fields.get("mask")
        if value is None:
            return None
        text = as_text(value, "mask")
        if not text.startswith(_PNG):
            raise FieldError("mask is not a PNG as a data URL")
        try:
            content = b64decode(text.removeprefix(_PNG), validate=True)
        except (binascii.Error, ValueError):
            raise FieldError("mask is not in base64") from None
        opened = open_image(content, VIEW_SIDE**2, "The mask").convert("RGBA")
        height, width = view_size((image.height, image.width))
        if opened.size != (width, height):
            raise FieldError(
                f"mask is {opened.width} x {opened.height} pixels and the image is shown at {width} x {height}"
            )
        pixels = np.asarray(opened)
        on: NDArray[np.bool_] = (pixels[..., 3] >= 128) & (pixels[..., :3].max(axis=2) >= 128)
        return on


async def read_fields(request: Request) -> JsonObject:
    """The fields of a JSON body; none where the body is empty. RequestError for another body."""
    body = await request.body()
    if not body.strip():
        return JsonObject()
    try:
        return as_object(json.loads(body), "the request")
    except FieldError as error:
        raise RequestError(f"The request cannot be used: {error}.") from None
    except (ValueError, RecursionError):
        raise RequestError("The request is not JSON that can be read.") from None


def _click(value: object) -> ClickedPoint:
    values = as_list(value, "a click")
    if len(values) != 3 or not isinstance(values[2], bool):
        raise FieldError("a click is not row, column and true or false")
    return ClickedPoint(as_number(values[0], "a click"), as_number(values[1], "a click"), values[2])
