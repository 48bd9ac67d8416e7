"""Requests must arrive whole, in time and within a size before they are answered."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from cdpnet.web.limits import Limits
from cdpnet.web.refusals import Refusal
from cdpnet.web.request_body import BodyError, limited, read_body, replay

UPLOAD = "/api/images"  # the address that takes files


class RequestFilter:
    """An ASGI application around another, which gets requests whose body has arrived; uploads it reads itself."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["path"] == UPLOAD and scope["method"] == "POST":
            await self.app(scope, limited(receive, self.limits.patience, self.limits.upload), send)
            return
        try:
            body = await read_body(limited(receive, self.limits.patience, self.limits.body))
        except BodyError as error:
            await Refusal(error.status, error.message)(scope, receive, send)
            return
        await self.app(scope, replay(body, receive), send)
