"""What the page answers: what it uses of Gradio's interface, to users who are logged in, and no half request."""

from __future__ import annotations

import json
import logging
import re

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cdpnet.web.limits import Limits
from cdpnet.web.refusals import Refusal
from cdpnet.web.request_body import BodyError, limited, read_body, replay
from cdpnet.web.routes import Route, find_route

_MAX_BODY = 2**20  # bytes of a request that is no upload
_URL = r"\s*\w{2,}:/"
_URL_IN_PATH = re.compile(f"/(file=|file/|proxy=){_URL}", re.IGNORECASE)
_NOTHING = Refusal(404, "There is nothing at this address.")
_NO_LOGIN = Refusal(401, "Log in first.")
_NO_URL = Refusal(403, "This page takes files that are uploaded to it; it fetches nothing from other machines.")
_SENSELESS = Refusal(400, "This request asks for something that the page does not have; reload the page.")
_FAULT = Refusal(500, "The server could not write or read a file; try again, or tell its administrator.")
_log = logging.getLogger(__name__)


class RequestFilter:
    """An ASGI application around that of Gradio.

    Refused are addresses that the page does not use, requests without a login where there is one, requests for files
    by URL, which Gradio would have the server fetch from other machines, and bodies that do not arrive or are too
    large. A request that Gradio fails to handle is refused with one line in the log.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        route = _choose_route(scope)
        if isinstance(route, Refusal):
            await route(scope, receive, send)
            return
        if route.uploads:
            await self._handle(scope, limited(receive, self.limits.patience, self.limits.upload), send)
            return
        try:
            body = await read_body(limited(receive, self.limits.patience, _MAX_BODY))
        except BodyError as error:
            await Refusal(error.status, error.message)(scope, receive, send)
            return
        await (_find_refusal(body) or self._handle)(scope, replay(body, receive), send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have Gradio answer; where it fails, the request is refused."""
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
                refusal = _FAULT if isinstance(error, OSError) and scope["method"] == "POST" else _SENSELESS
                await refusal(scope, receive, send)


def _choose_route(scope: Scope) -> Route | Refusal:
    """The route of a request, or why it is refused whatever its body is."""
    if _URL_IN_PATH.search(scope["path"]):
        return _NO_URL
    route = find_route(scope["path"])
    if not (route and route.public) and not _is_logged_in(scope):
        return _NO_LOGIN
    if route is None:
        return _NOTHING
    if scope["method"] not in route.methods:
        return Refusal(405, f"This address takes {' and '.join(route.methods)} only.")
    return route


def _is_logged_in(scope: Scope) -> bool:
    """Whether a request has the token of a login, or Gradio's application asks for none."""
    app, cookies = scope["app"], Request(scope).cookies
    return app.auth is None or any(
        cookies.get(f"access-token{kind}-{app.cookie_id}") in app.tokens for kind in ("", "-unsecure")
    )


def _find_refusal(body: bytes) -> Refusal | None:
    """Why a JSON body is refused: a file in it is given by a URL instead of a path, or a text has half a character."""
    try:
        values = [json.loads(body)]
    except ValueError:
        return None  # not JSON, so it contains no file
    except RecursionError:
        return _NO_URL  # nested deeper than any request of the page
    while values:
        value = values.pop()
        if isinstance(value, dict):
            path = value.get("path")
            if isinstance(path, str) and re.match(_URL, path):
                return _NO_URL
            values.extend((*value.keys(), *value.values()))
        elif isinstance(value, list):
            values.extend(value)
        elif isinstance(value, str) and not _is_unicode(value):
            return _SENSELESS
    return None


def _is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogate, on which Gradio's bookkeeping of all events would fail from then on."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
