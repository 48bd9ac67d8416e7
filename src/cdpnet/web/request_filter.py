"""A filter that refuses requests for files by URL, which Gradio would have the server fetch from other machines."""

from __future__ import annotations

import json
import re
from contextlib import suppress

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_URL_IN_PATH = re.compile(r"/(file=|file/|proxy=)\s*\w{2,}:/", re.IGNORECASE)
_MAX_BODY = 2**20  # bytes of a request that is no upload
_REFUSAL = "This page takes files that are uploaded to it; it fetches nothing from other machines."


class RequestFilter:
    """An ASGI application around another; requests for files by URL are answered with 403."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        content_types = [value.strip().lower() for name, value in scope["headers"] if name == b"content-type"]
        is_upload = len(content_types) == 1 and content_types[0].startswith(b"multipart/form-data")
        body = await _read_body(receive) if scope["method"] == "POST" and not is_upload else b""
        if _URL_IN_PATH.search(scope["path"]) or body is None or _contains_url(body):
            await _refuse(send)
            return
        with suppress(ClientDisconnect):  # a client that leaves during an upload is no error of the server
            await self.app(scope, _replay(body, receive) if body else receive, send)


async def _read_body(receive: Receive) -> bytes | None:
    """The body of a request; None where it is larger than any request of the page but an upload."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MAX_BODY:
            return None
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """A receive function that gives a body which was read already, and then what ``receive`` gives."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _contains_url(body: bytes) -> bool:
    """Whether a file in the JSON body is given by a URL instead of a path."""
    try:
        values = [json.loads(body)]
    except ValueError:
        return False  # not JSON, so it contains no file
    except RecursionError:
        return True  # nested deeper than any request of the page
    while values:
        value = values.pop()
        if isinstance(value, dict):
            path = value.get("path")
            if isinstance(path, str) and re.match(r"\s*\w{2,}:/", path):
                return True
            values.extend(value.values())
        elif isinstance(value, list):
            values.extend(value)
    return False


async def _refuse(send: Send) -> None:
    body = json.dumps({"detail": _REFUSAL}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
