"""Headers that every response of the page has: what its browser may load and run, and that nobody may frame it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_INLINE_SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


def content_policy(scripts: Iterable[str] = ()) -> str:
    """The Content-Security-Policy of a response: nothing of other hosts, and of inline scripts only those given.

    Gradio builds functions from text and sets style attributes; without 'unsafe-eval' and 'unsafe-inline' of styles
    its page stays empty.
    """
    hashes = [f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts]
    return "; ".join(
        (
            "default-src 'none'",
            " ".join(("script-src 'self' 'unsafe-eval'", *hashes)),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' blob: data:",
            "font-src 'self'",
            "connect-src 'self'",
            "worker-src blob:",
            "manifest-src 'self'",
            "base-uri 'self'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


HEADERS = {
    "Content-Security-Policy": content_policy(),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class ResponseHeaders:
    """An ASGI application around another, whose responses get the headers that they lack."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                for name, value in HEADERS.items():
                    MutableHeaders(scope=message).setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class AllowedScripts:
    """An ASGI application around another, whose pages run the inline scripts that they come with and no others."""

    def __init__(self, app: ASGIApp, head: str) -> None:
        """Head: HTML with scripts that a script of the page adds to it."""
        self.app, self.head = app, head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; a response of HTML is sent once it is complete."""
        start: Message | None = None
        html = bytearray()

        async def send_with_policy(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_html(message):
                start = message
                return
            if start is None:
                await send(message)
                return
            html.extend(message.get("body", b""))
            if not message.get("more_body", False):
                scripts = _INLINE_SCRIPT.findall(html.decode() + self.head)
                MutableHeaders(scope=start)["Content-Security-Policy"] = content_policy(scripts)
                await send(start)
                await send({"type": "http.response.body", "body": bytes(html)})

        await self.app(scope, receive, send_with_policy)


def _is_html(start: Message) -> bool:
    return MutableHeaders(scope=start).get("content-type", "").startswith("text/html")
