"""Keeps the server at home: the page's library would fetch what a visitor names by an address, and that is refused."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

from starlette.requests import ClientDisconnect

_BY_ADDRESS = re.compile(r"/(file=|file/|proxy=)\s*\w{2,}:/", re.IGNORECASE)
_LARGEST = 2**20  # bytes
_REFUSAL = "This page takes files that are uploaded to it; it fetches nothing from other machines."
Message = dict[str, Any]


class RequestFilter:
    """An ASGI application around another; requests that would have it fetch something are answered with 403."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        kinds = [value.strip().lower() for name, value in scope["headers"] if name == b"content-type"]
        is_upload = len(kinds) == 1 and kinds[0].startswith(b"multipart/form-data")
        body = await _whole(receive) if scope["method"] == "POST" and not is_upload else b""
        if _BY_ADDRESS.search(scope["path"]) or body is None or _names_address(body):
            await _refuse(send)
            return
        with suppress(ClientDisconnect):  # who leaves in the middle of an upload is no fault of the server
            await self.app(scope, _again(body, receive) if body else receive, send)


async def _whole(receive: Any) -> bytes | None:
    """The body of a request; None for one that is too large, since files do not come this way."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _LARGEST:
            return None
    return body


def _again(body: bytes, receive: Any) -> Any:
    """What receives a body that was read already, and then whatever comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received


def _names_address(body: bytes) -> bool:
    """Whether a file in the body is given by an address in place of a path."""
    try:
        left = [json.loads(body)]
    except ValueError:
        return False  # not JSON, so there is no file in it
    except RecursionError:
        return True  # nothing that the page would send
    while left:
        value = left.pop()
        if isinstance(value, dict):
            path = value.get("path")
            if isinstance(path, str) and re.match(r"\s*\w{2,}:/", path):
                return True
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return False


async def _refuse(send: Any) -> None:
    body = json.dumps({"detail": _REFUSAL}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
