"""The page as an ASGI application: its files and its interface, inside the filters of requests."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from cdpnet.web.address import Address
from cdpnet.web.answering import answering, refuse_address
from cdpnet.web.api import Api
from cdpnet.web.limits import Limits
from cdpnet.web.login import LoginFilter
from cdpnet.web.request_filter import RequestFilter
from cdpnet.web.response_headers import ResponseHeaders
from cdpnet.web.visitors import VisitorFilter

_INDEX = "index.html"


def make_application(api: Api, address: Address, limits: Limits) -> ASGIApp:
    """The application, which answers only what the filters let through."""
    static = answering(_static)
    return guarded([*api.routes(), Route("/", static), Route("/static/{name}", static)], address, limits)


def guarded(routes: Sequence[BaseRoute], address: Address, limits: Limits) -> ASGIApp:
    """Routes inside the filters of requests."""
    app: ASGIApp = RequestFilter(Starlette(routes=routes, exception_handlers={HTTPException: refuse_address}), limits)
    if address.login is not None:
        app = LoginFilter(app, address.login, limits.logins)
    return ResponseHeaders(VisitorFilter(app, address))


async def _static(request: Request) -> Response:
    """A file of the page."""
    path = _files().get(request.path_params.get("name", _INDEX))
    if path is None:
        raise HTTPException(404)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Response(path.read_bytes(), media_type=kind, headers={"cache-control": "no-cache"})


def _files() -> dict[str, Path]:
    """The files of the page by their names; nothing else is served."""
    folder = Path(str(resources.files("cdpnet.web"))) / "static"
    return {path.name: path for path in folder.iterdir() if path.is_file()} if folder.is_dir() else {}
