"""Answers to requests that the page refuses: a status and a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True)
class Refusal:
    """status: of HTTP, 4xx or 5xx. sentence: what was wrong, for the sender."""

    status: int
    sentence: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the refusal, and close the connection, since the rest of the request is not read."""
        await JSONResponse({"detail": self.sentence}, self.status, {"connection": "close"})(scope, receive, send)
