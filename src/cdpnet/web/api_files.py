"""Requests for files: labels in a format, and classes."""

from __future__ import annotations

import re
from typing import BinaryIO

from starlette.responses import Response, StreamingResponse

from cdpnet.io.fields import FieldError
from cdpnet.labels.formats import FORMATS
from cdpnet.labels.instances import InstanceRules
from cdpnet.web.archives import make_classes, make_labels, read_chunks
from cdpnet.web.call import Call


def download(call: Call) -> Response:
    """A zip file with the labels of all images."""
    name = call.query.get("format", "png")
    if name not in FORMATS:
        raise FieldError(f"format is not one of {', '.join(FORMATS)}")
    return _file(make_labels(call.workspace.project, name, _instances(call)), f"labels-{name}.zip")


def classes(call: Call) -> Response:
    """A zip file with the classes and their examples."""
    return _file(make_classes(call.workspace.project), "classes.zip")


def _instances(call: Call) -> InstanceRules | None:
    """The rules of ``instances=1``, with the pixels of the smallest object in ``min_area``; else None."""
    instances, least = call.query.get("instances", "0"), call.query.get("min_area", "")
    if instances not in ("0", "1"):
        raise FieldError("instances is not 0 or 1")
    if least and not (re.fullmatch("[0-9]{1,9}", least) and int(least)):
        raise FieldError("the number of pixels of the smallest object is not a whole number from 1 on")
    return InstanceRules(int(least) if least else None) if instances == "1" else None


def _file(content: BinaryIO, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return StreamingResponse(read_chunks(content), media_type="application/zip", headers=headers)
