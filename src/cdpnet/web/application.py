"""The page as an ASGI application: Gradio's, inside the filters of requests."""

from __future__ import annotations

from typing import Any, cast

import gradio as gr
from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import ASGIApp

from cdpnet.web import style
from cdpnet.web.address import Address
from cdpnet.web.limits import Limits
from cdpnet.web.logins import LoginFilter
from cdpnet.web.refusals import Refusal
from cdpnet.web.request_filter import RequestFilter
from cdpnet.web.response_headers import AllowedScripts, ResponseHeaders
from cdpnet.web.visitors import VisitorFilter


def make_application(page: Any, address: Address, limits: Limits) -> ASGIApp:
    """The application of a page that `build_page` made."""
    page.queue(max_size=limits.waiting, api_open=False)
    page.state_session_capacity = limits.sessions
    head = style.script(limits)
    mounted = gr.mount_gradio_app(
        Starlette(),
        page,
        path="/",
        auth=address.login,
        show_error=False,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        footer_links=[],
        app_kwargs={
            "middleware": [
                Middleware(LoginFilter, limits=limits),
                Middleware(RequestFilter, limits=limits),
                Middleware(AllowedScripts, head=head),
            ],
            "exception_handlers": {RequestValidationError: _refuse_form},
        },
        max_file_size=limits.megabytes * 10**6,
        theme=style.theme(),
        css=style.style_sheet(),
        head=head,
    )
    return ResponseHeaders(VisitorFilter(mounted, address))


async def _refuse_form(_: Request, error: Exception) -> Refusal:
    """What answers a request whose fields are missing or of another type."""
    fields = ", ".join(".".join(map(str, fault["loc"])) for fault in cast("RequestValidationError", error).errors())
    return Refusal(422, f"The request does not have the form that the page sends: {fields:.200}.")
