"""Requests for pictures of an image: its view, its thumbnail, its masks, and the mask of clicks."""

from __future__ import annotations

import numpy as np
from PIL import Image
from starlette.responses import Response

from cdpnet.io.fields import FieldError
from cdpnet.web.call import Call
from cdpnet.web.pictures import encoded

_FOR_EVER = {"cache-control": "private, max-age=31536000, immutable"}  # ids and revisions are used once
_NEVER = {"cache-control": "no-store"}


def view(call: Call) -> Response:
    """The image at view size."""
    return _picture(call, encoded(call.workspace.pictures.view(call.image), "JPEG"), "image/jpeg")


def thumbnail(call: Call) -> Response:
    """The image as a thumbnail."""
    masks = call.query.get("masks") == "1"
    return _picture(call, encoded(call.workspace.pictures.thumbnail(call.image, masks=masks), "JPEG"), "image/jpeg")


def example(call: Call) -> Response:
    """An example as a thumbnail, with the mask that its class is learned from."""
    workspace = call.workspace
    found = workspace.project.example(call.ids["example"])
    return _picture(call, encoded(workspace.pictures.example(found), "JPEG"), "image/jpeg")


def masks(call: Call) -> Response:
    """The numbers of the classes at view size."""
    return _picture(call, encoded(call.workspace.pictures.masks(call.image), "PNG"), "image/png")


def open_for_clicks(call: Call) -> Response:
    """Prepare an image for clicks."""
    call.workspace.markings.open(call.image)
    return Response(status_code=204)


def click(call: Call) -> Response:
    """The mask (0 or 255) of the object that is clicked on, at view size."""
    image = call.image
    call.workspace.project.one_class(call.fields.text("class"))
    clicks, box, mask = call.clicks(), call.box(), call.mask(image)
    if not clicks and box is None:
        raise FieldError("clicks and box are both missing")
    found = call.workspace.markings.mask(image, clicks, box, mask)
    content = encoded(Image.fromarray(found.astype(np.uint8) * 255), "PNG")
    return Response(content, media_type="image/png", headers=_NEVER)


def _picture(call: Call, content: bytes, kind: str) -> Response:
    return Response(content, media_type=kind, headers=_FOR_EVER if call.query.get("v") else _NEVER)
