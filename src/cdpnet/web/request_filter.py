"""Requests must arrive whole, in time and within a size before they are answered."""

from __future__ import annotations

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cdpnet.web.limits import Limits
from cdpnet.web.refusals import Refusal
from cdpnet.web.request_body import BodyError, limited, read_body, replay

UPLOAD = "/api/images"  # the address that takes files
_FAULT = Refusal(500, "The server could not do this; try again, or tell its administrator.")
_log = logging.getLogger(__name__)


class RequestFilter:
    """An ASGI application around another, which gets requests whose body has arrived; uploads it reads itself.

    A request that the application fails to answer is refused with one line in the log.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["path"] == UPLOAD and scope["method"] == "POST":
            await self._handle(scope, limited(receive, self.limits.patience, self.limits.upload), send)
            return
        try:
            body = await read_body(limited(receive, self.limits.patience, self.limits.body))
        except BodyError as error:
            await Refusal(error.status, error.message)(scope, receive, send)
            return
        await self._handle(scope, replay(body, receive), send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the application answer; where it fails, the request is refused."""
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        except Exception as error:
            _log.warning("%s %.200r failed: %.200r", scope["method"], scope["path"], error)
            if started:
                await send({"type": "http.response.body", "body": b""})
            else:
                await _FAULT(scope, receive, send)
