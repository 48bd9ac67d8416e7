"""Answers to requests that the page refuses: a status and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True)
class Refusal:
    """status: of HTTP, 4xx or 5xx. sentence: what was wrong, for the sender."""

    status: int
    sentence: str
    headers: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the refusal, and close the connection, since the rest of the request is not read."""
        response = self.response()
        response.headers["connection"] = "close"
        await response(scope, receive, send)

    def response(self) -> JSONResponse:
        """The refusal of a request that was read."""
        return JSONResponse({"detail": self.sentence}, self.status, self.headers)
