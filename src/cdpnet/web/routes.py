"""The addresses of the page: those of Gradio's routes that the page uses."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Route:
    """Addresses of one kind.

    methods: of HTTP. public: whether they need no login, since they have nothing of a user. uploads: whether they take
    files.
    """

    pattern: str
    methods: tuple[str, ...] = ("GET", "HEAD")
    public: bool = False
    uploads: bool = False


ROUTES = (
    Route("/", public=True),  # the page, or the form of the login
    Route("/login/?", ("POST",), public=True),
    Route("/(assets|static|svelte)/.+", public=True),  # scripts, styles and fonts of Gradio
    Route("/(gradio_api/)?theme.css|/favicon.ico|/manifest.json|/robots.txt", public=True),
    Route("/logout"),
    Route("/config/?"),
    Route("/gradio_api/info/?"),
    Route("/gradio_api/file=.+"),
    Route("/gradio_api/upload", ("POST",), uploads=True),
    Route("/gradio_api/upload_progress"),
    Route("/gradio_api/queue/join", ("POST",)),
    Route("/gradio_api/queue/data"),
    Route("/gradio_api/heartbeat/[^/]+"),
)


def find_route(path: str) -> Route | None:
    """The route of a path; None where there is nothing."""
    return next((route for route in ROUTES if re.fullmatch(route.pattern, path)), None)
